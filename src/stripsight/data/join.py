"""Join what the annotation files state with the images that are there.

Here every row finds its image, every shape is checked against the image's size, and every image
gets its labels or the reason why they are not known. Row counts add up: read = used + refused.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pandas as pd

from stripsight.data.inspection import ImageFacts, UnreadableImage
from stripsight.data.prepared import ANNOTATION_COLUMNS, IMAGE_COLUMNS
from stripsight.data.readers.annotation import NAMELESS, RefusedRow, SourceRow, SourceTable
from stripsight.data.readers.shapes import DrawnShape, draw_shape
from stripsight.data.rle import Runs, format_runs, union_runs
from stripsight.data.source import is_image
from stripsight.errors import RunLengthError, UnknownClassError
from stripsight.labels import ClassList

MISSING = "image missing"


@dataclass
class Joined:
    """Tables of a prepared data set, and all that was noticed on the way.

    Attributes:
        images: columns `IMAGE_COLUMNS`, sorted by id.
        annotations: columns `ANNOTATION_COLUMNS`, sorted by image and class.
        refused: rows not used, those of missing images among them.
        used: number of rows used.
        missing_images: names that rows give and no image has, sorted.
        annotated: number of images that at least one row speaks of.
        unlabelled: image id to why its labels are not known.
        repaired: number of masks whose runs were sorted or merged.
        clipped: number of boxes and polygons cut off at the image's edge.
        ids_from_path: number of images that share their file name with another.
        conflicting: ids of images identical to another one that has other labels.
        suspect: image id to what is odd about it.
        untraced: refused rows of which nobody can tell the image that they speak of.
    """

    images: pd.DataFrame
    annotations: pd.DataFrame
    refused: list[RefusedRow] = field(default_factory=list)
    used: int = 0
    missing_images: list[str] = field(default_factory=list)
    annotated: int = 0
    unlabelled: dict[str, str] = field(default_factory=dict)
    repaired: int = 0
    clipped: int = 0
    ids_from_path: int = 0
    conflicting: list[str] = field(default_factory=list)
    suspect: dict[str, str] = field(default_factory=dict)
    untraced: list[RefusedRow] = field(default_factory=list)


def join_rows(
    table: SourceTable,
    inspected: Sequence[ImageFacts | UnreadableImage],
    image_folder: str,
    classes: ClassList,
    *,
    repair: bool = False,
) -> Joined:
    """Join rows and images.

    Args:
        table: what the reader found.
        inspected: every image of the source, by its path in the source.
        image_folder: what the prepared data set's `file` is relative to.
        classes: in column order.
        repair: sort and merge runs that are unsorted or overlap.
    """
    facts = {image.file: image for image in inspected}
    index = _ImageIndex(facts)
    ids = _choose_ids([f for f in inspected if isinstance(f, ImageFacts)], image_folder)
    found = _Marks(classes, repair)
    joined = Joined(pd.DataFrame(), pd.DataFrame(), refused=list(table.refused))
    mentioned: set[str] = set()
    doubtful: dict[str, str] = {}
    missing: set[str] = set()
    for row in table.rows:
        file, fault = index.find(row)
        if file is None:
            joined.refused.append(_refuse(row, MISSING if fault is None else "image id", fault))
            if fault is None:
                missing.add(row.image)
            for candidate in index.find_doubtful(row.image):
                doubtful[candidate] = f"refused: {row.place} of {row.file} names {row.image!r}"
            continue
        mentioned.add(file)
        image = facts[file]
        if isinstance(image, UnreadableImage):
            joined.refused.append(_refuse(row, "image unreadable", f"{file}: {image.reason}"))
        elif refusal := found.add(row, image):
            joined.refused.append(refusal)
            doubtful[file] = f"refused: {refusal.place} of {refusal.file}"
        else:
            joined.used += 1
    for refusal in table.refused:
        files = index.find_doubtful(refusal.image)
        for file in files:
            doubtful[file] = f"refused: {refusal.place} of {refusal.file}"
        if not files and refusal.kind in NAMELESS:
            joined.untraced.append(refusal)
    for name in table.incomplete:
        for file in index.find_doubtful(name):
            doubtful.setdefault(file, "not every class is stated")
    if not table.unlisted_is_clean:
        for file in ids.keys() - mentioned:
            doubtful.setdefault(file, "no annotation")
    joined.missing_images = sorted(missing)
    joined.annotated = len(mentioned & ids.keys())
    joined.unlabelled = {ids[f]: doubtful[f] for f in sorted(doubtful.keys() & ids.keys())}
    joined.repaired, joined.clipped = found.repaired, found.clipped
    joined.ids_from_path = sum(1 for f, i in ids.items() if i != PurePosixPath(f).name)
    joined.suspect = {
        ids[f.file]: f.suspicion for f in inspected if isinstance(f, ImageFacts) and f.suspicion
    }
    joined.images = _build_images(ids, facts, joined.unlabelled, image_folder)
    joined.annotations = found.build_table(ids, doubtful.keys())
    joined.conflicting = _find_conflicts(joined)
    return joined


class _ImageIndex:
    """Images by path, by file name, by file name without suffix, and by that whatever its case."""

    def __init__(self, files: Iterable[str]) -> None:
        self.paths = set(files)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        self.by_fold: dict[str, list[str]] = defaultdict(list)
        for file in sorted(self.paths):
            self.by_name[PurePosixPath(file).name].append(file)
            self.by_stem[PurePosixPath(file).stem].append(file)
            self.by_fold[_fold(file)].append(file)

    def find(self, row: SourceRow) -> tuple[str | None, str | None]:
        """The image of a row, or why it cannot be told (None, None: it is missing)."""
        if row.beside in self.paths:
            return row.beside, None
        matches = self.find_all(row.image)
        if len(matches) > 1:
            return None, f"{row.image} may be {' or '.join(matches[:2])}: rename one of them"
        return (matches[0], None) if matches else (None, None)

    def find_all(self, name: str) -> list[str]:
        """Every image of that name; a name without an image's suffix is tried as a stem."""
        exact = self.by_name.get(name, [])
        return exact or ([] if is_image(name) else self.by_stem.get(name, []))

    def find_doubtful(self, name: str | None) -> list[str]:
        """Images whose labels are in doubt because a row that names them was refused.

        A name that no image has may be meant for one that differs from it in case, suffix or
        Unicode normal form alone. That is too little to label it, but it must not pass for clean.
        """
        if name is None:
            return []
        return [name] if name in self.paths else self.find_all(name) or self.by_fold[_fold(name)]


class _Marks:
    """Marks of all rows, merged by image and class."""

    def __init__(self, classes: ClassList, repair: bool) -> None:
        self.classes = classes
        self.repair = repair
        self.repaired = 0
        self.clipped = 0
        self.parts: dict[tuple[str, int], list[Runs]] = defaultdict(list)
        self.kinds: dict[tuple[str, int], set[str]] = defaultdict(set)

    def add(self, row: SourceRow, image: ImageFacts) -> RefusedRow | None:
        """Take in all marks of a row, or none and say why."""
        if row.size is not None and row.size != (image.height, image.width):
            why = (
                f"it is for {row.size[1]}x{row.size[0]} pixels,"
                f" {row.image} has {image.width}x{image.height}"
            )
            return _refuse(row, "image size", why)
        drawn: list[tuple[int, DrawnShape | None]] = []
        for mark in row.marks:
            try:
                class_id = self.classes.find(mark.class_key).id
                shape = (
                    draw_shape(mark.shape, image.height, image.width, repair=self.repair)
                    if mark.shape
                    else None
                )
            except UnknownClassError as error:
                return _refuse(row, "unknown class", f"{error}, or state --classes")
            except RunLengthError as error:
                return _refuse(row, "shape", str(error))
            drawn.append((class_id, shape))
        for class_id, shape in drawn:
            key = (image.file, class_id)
            self.kinds[key].add(shape.kind if shape else "presence")
            if shape:
                self.parts[key].append(shape.runs)
                self.repaired += shape.repaired
                self.clipped += shape.clipped
        return None

    def build_table(self, ids: dict[str, str], doubtful: Iterable[str]) -> pd.DataFrame:
        """One row an (image, class); images in doubt keep no annotation."""
        without = set(doubtful)
        rows = []
        for (file, class_id), kinds in self.kinds.items():
            if file in without:
                continue
            kind = next(k for k in ("mask", "box", "presence") if k in kinds)
            runs = union_runs(self.parts[file, class_id])
            rle, area = (format_runs(runs), int(runs[:, 1].sum())) if len(runs) else (None, None)
            rows.append((ids[file], class_id, kind, rle, area))
        rows.sort(key=lambda row: row[:2])
        return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS)).astype(ANNOTATION_COLUMNS)


def _fold(name: str) -> str:
    path = PurePosixPath(name)
    # "img.01" has no image's suffix: all of it counts.
    stem = path.stem if is_image(name) else path.name
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def _choose_ids(images: list[ImageFacts], image_folder: str) -> dict[str, str]:
    shared: dict[str, int] = defaultdict(int)
    for image in images:
        shared[PurePosixPath(image.file).name] += 1
    return {
        i.file: (
            PurePosixPath(i.file).name
            if shared[PurePosixPath(i.file).name] == 1
            else strip_folder(i.file, image_folder)
        )
        for i in images
    }


def strip_folder(file: str, folder: str) -> str:
    """A path of the source relative to its image folder."""
    return file.removeprefix(f"{folder}/") if folder not in {"", "."} else file


def _build_images(
    ids: dict[str, str],
    facts: dict[str, ImageFacts | UnreadableImage],
    unlabelled: dict[str, str],
    image_folder: str,
) -> pd.DataFrame:
    groups: dict[str, int] = {}
    rows = []
    for file, image_id in sorted(ids.items(), key=lambda item: item[1]):
        image = facts[file]
        assert isinstance(image, ImageFacts)
        group = groups.setdefault(image.sha256, len(groups))
        stored = strip_folder(file, image_folder)
        size = (image.height, image.width)
        rows.append((image_id, stored, *size, image.sha256, image_id not in unlabelled, group))
    return pd.DataFrame(rows, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS)


def _find_conflicts(joined: Joined) -> list[str]:
    labels: dict[str, set[int]] = defaultdict(set)
    for image_id, class_id in zip(
        joined.annotations["image_id"], joined.annotations["class_id"], strict=True
    ):
        labels[image_id].add(class_id)
    labelled = joined.images[joined.images["labelled"]]
    conflicts: list[str] = []
    for _, twins in labelled[labelled.duplicated("duplicate_group", keep=False)].groupby(
        "duplicate_group"
    ):
        if len({frozenset(labels[i]) for i in twins["id"]}) > 1:
            conflicts.extend(twins["id"])
    return conflicts


def _refuse(row: SourceRow, kind: str, why: str | None) -> RefusedRow:
    reason = why or f"{row.image} is not among the images"
    return RefusedRow(row.file, row.place, row.image, kind, reason)
