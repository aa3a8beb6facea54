"""Make a prepared data set: detect, read, inspect, join, and only then write.

Nothing is written before all is known. A marker file stands in the destination while it is being
filled and `dataset.json` comes last, so a killed run leaves a folder that no later command accepts
and that the same command completes.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stripsight.atomic import name_in_errors, name_temporary
from stripsight.data.destination import (
    check_destination,
    claim_destination,
    find_own_images,
    is_inside,
    record_images,
    remove_images,
)
from stripsight.data.inspection import ImageFacts, UnreadableImage, inspect_images
from stripsight.data.join import Joined, join_rows, strip_folder
from stripsight.data.lookalikes.links import LINKS_FILE
from stripsight.data.prepared import PreparedDataset, save_prepared
from stripsight.data.readers.annotation import SourceTable
from stripsight.data.readers.detection import Layout, detect_layout, read_layout
from stripsight.data.reconciliation import Reconciliation
from stripsight.data.reviews.store import remove_reviews
from stripsight.data.source import SourceTree, check_is_text, open_source
from stripsight.data.statistics.table import FILE_NAME as STATISTICS_FILE
from stripsight.errors import DataError, DatasetError, UsageError
from stripsight.imaging import DEFAULT_LIMITS
from stripsight.labels import SEVERSTAL, ClassList, DefectClass, find_fault_of_class_name

_LARGEST_CLASS_ID = 2**31 - 1  # int32 in `ANNOTATION_COLUMNS`

ReportProgress = Callable[[int, int], None]
"""Called with the number of images done and the number in all."""


@dataclass(frozen=True)
class PrepareOptions:
    """What the user may choose.

    Attributes:
        format: a reader's name; found out if None.
        classes: in column order; found in the annotations if None.
        name: of the data set; its folder's name if None.
        repair: sort and merge runs instead of refusing them.
        skip_refused: write the data set without what was refused.
        force: replace a whole data set.
    """

    format: str | None = None
    classes: ClassList | None = None
    name: str | None = None
    repair: bool = False
    skip_refused: bool = False
    force: bool = False


def prepare_dataset(
    sources: Sequence[Path],
    destination: Path,
    options: PrepareOptions = PrepareOptions(),
    *,
    report_progress: ReportProgress = lambda done, total: None,
) -> tuple[Reconciliation, bool]:
    """Prepare a data set.

    Args:
        sources: a folder, a zip, or several zips.
        destination: folder to make.
        options: the user's choices.
        report_progress: called after each image.

    Returns:
        The account, and whether the data set was written: it was not if something was refused and
        `skip_refused` is off.

    Raises:
        UsageError: a source that does not exist, or a path that is no text.
        DataError: a source that cannot be read, or a destination that must not be touched.
        OSError: the destination cannot be written.
    """
    check_is_text(destination)
    check_destination(destination, force=options.force)
    with open_source(sources) as tree:
        layout = detect_layout(tree, options.format)
        table = read_layout(tree, layout)
        classes, classes_reason = choose_classes(layout.format, table, options.classes)
        inspected: list[ImageFacts | UnreadableImage] = []
        for image in inspect_images(layout.image_files, tree.read):
            inspected.append(image)
            report_progress(len(inspected), len(layout.image_files))
        if not any(isinstance(image, ImageFacts) for image in inspected):
            raise DataError(f"{tree.title}: none of {len(inspected):,} images can be read")
        joined = join_rows(table, inspected, layout.image_folder, classes, repair=options.repair)
        account = Reconciliation(
            source=tree.title,
            format=layout.format,
            format_reason=layout.reason,
            annotation_files=layout.annotation_files,
            image_folder=layout.image_folder,
            classes=classes,
            classes_reason=classes_reason,
            joined=joined,
            images_elsewhere=layout.images_elsewhere,
            unreadable=tuple(i for i in inspected if isinstance(i, UnreadableImage)),
        )
        # Where no row has its image, --skip-refused would not help.
        if account.missing_rows == account.rows_read:
            _check_nothing_in_doubt(table, joined)
        if account.faults and not options.skip_refused:
            return account, False
        _check_nothing_in_doubt(table, joined)
        _write(tree, layout, joined, account, destination, options)
    return account, True


def choose_classes(
    form: str, table: SourceTable, stated: ClassList | None
) -> tuple[ClassList, str]:
    """The class list of a source, and where it came from.

    Kaggle's numbers and Supervisely's names are Severstal's as soon as one of them is; a key that
    is not is then refused, not made a class of its own. Otherwise the keys found are the classes:
    numbers keep themselves as ids, names are sorted.

    Raises:
        DataError: none is stated and none is found, or one that is no class.
    """
    if stated is not None:
        return stated, "as stated"
    keys = {mark.class_key for row in table.rows for mark in row.marks} | table.class_keys
    known = {str(c.id) if form.startswith("kaggle") else c.name for c in SEVERSTAL}
    if form in {"kaggle", "kaggle-old", "supervisely"} and keys & known:
        return SEVERSTAL, "Severstal's four (other classes: --classes)"
    if not keys:
        first = next(iter(table.refused), None)
        why = f" (first refused: {first.file}, {first.place}: {first.reason})" if first else ""
        raise DataError(f"no annotation names a class{why}: state them with --classes a,b,c")
    for key in keys:
        if fault := find_fault_of_class_name(key):
            raise DataError(fault)
    if all(key.isdecimal() for key in keys):
        numbers = sorted({int(key) for key in keys})
        if numbers[-1] > _LARGEST_CLASS_ID:
            raise DataError(f"class {numbers[-1]} is too large: at most {_LARGEST_CLASS_ID}")
        classes = (DefectClass(n, f"class_{n}", f"class {n}") for n in numbers)
        return ClassList(tuple(classes)), "numbers found in the annotations"
    return ClassList.from_names(sorted(keys)), "names found in the annotations"


def parse_classes(text: str) -> ClassList:
    """Read `--classes`: names separated by commas, or a file with one name a line.

    Raises:
        UsageError: no name, a folder, or a file that is no UTF-8.
        DataError: a name twice.
    """
    path = Path(text)
    if "," not in text and path.is_dir():
        raise UsageError(f"--classes {text} is a folder: give a,b,c or a file of names")
    try:
        is_file = "," not in text and path.is_file()
        names = path.read_text("utf-8-sig").splitlines() if is_file else text.split(",")
    except UnicodeDecodeError as error:
        raise UsageError(f"--classes {text} is not UTF-8: store it as such") from error
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise UsageError(f"--classes {text!r} names no class: give a,b,c or a file of names")
    return ClassList.from_names(names)


def _check_nothing_in_doubt(table: SourceTable, joined: Joined) -> None:
    if table.unlisted_is_clean and not joined.used:
        first = joined.missing_images[0] if joined.missing_images else "none"
        raise DataError(
            f"no row of {len(joined.refused):,} is used (first missing image: {first}): in this"
            " form every image would then be clean; give the table and images that belong together"
        )
    if table.unlisted_is_clean and joined.untraced:
        row = joined.untraced[0]
        raise DataError(
            f"{row.file}, {row.place} names no image that is here and cannot be skipped: in this"
            " form an image without a row is clean, and one would be so by mistake; repair the row"
        )


def _write(
    tree: SourceTree,
    layout: Layout,
    joined: Joined,
    account: Reconciliation,
    destination: Path,
    options: PrepareOptions,
) -> None:
    try:
        destination.mkdir(parents=True, exist_ok=True)
        root = destination.resolve()
        with claim_destination(root, force=options.force) as marker:
            _fill(tree, layout, joined, account, root, options.name, marker)
    except OSError as error:
        raise DatasetError(
            f"{destination} cannot be written ({error.strerror or error}); nothing reads it as a"
            " data set: once that is mended, the same command completes it"
        ) from error


def _fill(
    tree: SourceTree,
    layout: Layout,
    joined: Joined,
    account: Reconciliation,
    root: Path,
    name: str | None,
    marker: BinaryIO,
) -> None:
    own = find_own_images(root, marker)
    record_images(marker, own)
    (root / "dataset.json").unlink(missing_ok=True)
    for split in (root / "splits").glob("*.*"):
        if split.suffix in {".csv", ".json"} and not split.is_dir():
            split.unlink()
    remove_reviews(root)
    for derived in (LINKS_FILE, STATISTICS_FILE):
        (root / derived).unlink(missing_ok=True)
    if tree.folder is None:
        image_root = root / "images"
        wanted = dict(zip(joined.images["file"], joined.images["sha256"], strict=True))
        remove_images(image_root, own, keep=wanted)
        record_images(marker, wanted)
        _unpack(tree, layout, wanted, image_root)
    else:
        image_root = tree.folder / layout.image_folder
    save_prepared(
        PreparedDataset(
            root=root,
            name=name or root.name,
            source_format=layout.format,
            classes=account.classes,
            image_root=image_root,
            images=joined.images,
            annotations=joined.annotations,
            reconciliation=account.to_json(),
        )
    )


def _unpack(tree: SourceTree, layout: Layout, wanted: dict[str, str], image_root: Path) -> None:
    for member in layout.image_files:
        file = strip_folder(member, layout.image_folder)
        target = image_root / file
        if file not in wanted or _has_content(target, wanted[file]):
            continue
        data = tree.read(member, DEFAULT_LIMITS.max_bytes)
        if hashlib.sha256(data).hexdigest() != wanted[file]:
            raise DataError(f"{tree.title} changed while it was read ({member}): run it again")
        if not is_inside(target, image_root):
            raise DatasetError(f"{target.parent} is a link, and links are not followed: remove it")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = name_temporary(target)
        partial.unlink(missing_ok=True)
        with name_in_errors(target, partial), partial.open("xb") as stream:
            stream.write(data)
        partial.replace(target)
    os.sync()  # once for all of them, before dataset.json vouches for them


def _has_content(path: Path, sha256: str) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    )
