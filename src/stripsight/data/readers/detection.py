"""Find out from its content which form a source has, and which of its images belong to it.

A source may hold several annotation files. Kaggle's own layout (`train.csv` at the top) decides;
otherwise there must be exactly one candidate, for guessing wrong would mislabel every image.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from stripsight.data.readers.annotation import SourceTable
from stripsight.data.readers.class_names import refuse_faulty_names
from stripsight.data.readers.folders import look_like_classes, read_folders
from stripsight.data.readers.kaggle import OLD_HEADER, read_kaggle, read_kaggle_old
from stripsight.data.readers.misfits import explain_misfits
from stripsight.data.readers.supervisely import read_supervisely
from stripsight.data.readers.table import find_columns, read_plain_table, read_table
from stripsight.data.readers.voc import read_voc
from stripsight.data.source import SourceTree, is_image
from stripsight.errors import DataError, ReaderError

FORMATS = ("kaggle", "kaggle-old", "supervisely", "voc", "folders", "csv")

_LARGEST_TABLE = 2**30
_LONGEST_HEADER = 2**16
_TABLES: dict[str, Callable[[bytes, str], SourceTable]] = {
    "kaggle": read_kaggle,
    "kaggle-old": read_kaggle_old,
    "csv": read_plain_table,
}
_IMAGE_FOLDERS = {
    "kaggle": ("train_images",),
    "kaggle-old": ("train_images",),
    "supervisely": ("../img",),
    "voc": ("../images", "../JPEGImages"),
}
# Every Severstal archive has it beside train.csv, in the same form; its masks are dummies.
_NO_ANNOTATION = "sample_submission.csv"


@dataclass(frozen=True)
class Layout:
    """What to read.

    Attributes:
        format: one of `FORMATS`.
        annotation_files: relative to the source.
        image_folder: what `image_files` are relative to; empty for the source itself.
        image_files: relative to the source.
        images_elsewhere: number of images in the source that are not taken.
        reason: why this and nothing else, for people.
    """

    format: str
    annotation_files: tuple[str, ...]
    image_folder: str
    image_files: tuple[str, ...]
    images_elsewhere: int
    reason: str


@dataclass(frozen=True)
class _Candidate:
    format: str
    files: tuple[str, ...]

    @property
    def folder(self) -> PurePosixPath:
        return PurePosixPath(_common_folder(self.files))

    @property
    def title(self) -> str:
        if not self.files:
            return self.format
        many = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        return f"{self.format} ({self.files[0]}{many})"


def detect_layout(tree: SourceTree, wanted: str | None = None) -> Layout:
    """Choose annotation files and images.

    Args:
        tree: the source.
        wanted: one of `FORMATS`, to look for that alone.

    Raises:
        DataError: no image, no annotation, or several forms and no rule to choose between them.
    """
    every_image = tuple(name for name in tree.files if is_image(name))
    if not every_image:
        raise DataError(f"{tree.title} holds no image (.jpg, .jpeg or .png)")
    candidates = [c for c in _find_candidates(tree) if wanted in {None, c.format}]
    if wanted == "folders" or (not candidates and not wanted and look_like_classes(every_image)):
        candidates = [_Candidate("folders", ())]
    if not candidates:
        what = f"annotation of the form {wanted}" if wanted else "annotation of any known form"
        looked_at = explain_misfits(tree, _NO_ANNOTATION)
        raise DataError(f"{tree.title} holds no {what} (known: {', '.join(FORMATS)}){looked_at}")
    chosen, reason = _choose(tree, candidates, "given by --format" if wanted else "detected")
    folder, images = _find_images(every_image, chosen)
    elsewhere = len(every_image) - len(images)
    if not images:
        raise DataError(f"{tree.title} holds no image for {chosen.title}")
    return Layout(chosen.format, chosen.files, folder, images, elsewhere, reason)


def read_layout(tree: SourceTree, layout: Layout) -> SourceTable:
    """Read the annotation files of a layout.

    Raises:
        ReaderError: a table that cannot be read at all.
    """
    return refuse_faulty_names(_read_form(tree, layout))


def _read_form(tree: SourceTree, layout: Layout) -> SourceTable:
    if layout.format == "folders":
        return read_folders(layout.image_files)
    if layout.format == "supervisely":
        return read_supervisely(tree.read, layout.annotation_files)
    if layout.format == "voc":
        return read_voc(tree.read, layout.annotation_files)
    file = layout.annotation_files[0]
    return _TABLES[layout.format](tree.read(file, _LARGEST_TABLE), file)


def _choose(tree: SourceTree, candidates: list[_Candidate], how: str) -> tuple[_Candidate, str]:
    if len(candidates) == 1:
        return candidates[0], how
    top = PurePosixPath(_common_folder(tree.files))
    for candidate in candidates:
        if candidate.format.startswith("kaggle") and candidate.files[0] == str(top / "train.csv"):
            others = "; ".join(c.title for c in candidates if c is not candidate)
            return candidate, f"{how}: train.csv at the top is Kaggle's layout; not read: {others}"
    names = "; ".join(c.title for c in candidates[:8])
    raise DataError(
        f"{tree.title} has annotations in {len(candidates)} places: {names};"
        " choose with --format or give the folder of one"
    )


def _find_candidates(tree: SourceTree) -> list[_Candidate]:
    found = []
    for name in tree.files:
        if not name.lower().endswith(".csv") or PurePosixPath(name).name == _NO_ANNOTATION:
            continue
        if form := _classify_header(tree.read(name, _LONGEST_HEADER)):
            found.append(_Candidate(form, (name,)))
    # Supervisely's own rule: the image's whole name, then .json.
    json_files = tuple(
        n for n in tree.files if n.endswith(".json") and is_image(n.removesuffix(".json"))
    )
    if json_files:
        found.append(_Candidate("supervisely", json_files))
    xml_files = tuple(n for n in tree.files if n.endswith(".xml"))
    if xml_files and b"<annotation" in tree.read(xml_files[0], _LONGEST_HEADER):
        found.append(_Candidate("voc", xml_files))
    return found


def _classify_header(start: bytes) -> str | None:
    line = re.split(rb"[\r\n]", start, maxsplit=1)[0]
    try:
        header = read_table(line, "").header
    except ReaderError:
        return None
    # By the one column that nobody else has: the reader then says which other one is missing.
    if "EncodedPixels" in header:
        return "kaggle-old" if OLD_HEADER[0] in header else "kaggle"
    return "csv" if find_columns(header) else None


def _find_images(images: tuple[str, ...], chosen: _Candidate) -> tuple[str, tuple[str, ...]]:
    """The nearest folder with images: the form's usual one, then the annotations' own, then up."""
    own = chosen.folder
    usual = [_join(own, name) for name in _IMAGE_FOLDERS.get(chosen.format, ())]
    for folder in usual:
        found = _images_below(images, folder)
        if found:
            return _as_text(folder), found
    for folder in (own, *own.parents):
        found = _images_below(images, folder)
        if chosen.format != "folders":
            found = tuple(n for n in found if "test_images" not in PurePosixPath(n).parts)
        if found:
            root = "" if chosen.format == "folders" else _common_folder(found)
            return root, found
    return "", ()


def _join(folder: PurePosixPath, name: str) -> PurePosixPath:
    return folder.parent / name.removeprefix("../") if name.startswith("../") else folder / name


def _as_text(folder: PurePosixPath) -> str:
    return "" if str(folder) == "." else str(folder)


def _images_below(images: tuple[str, ...], folder: PurePosixPath) -> tuple[str, ...]:
    start = f"{_as_text(folder)}/".removeprefix("/")
    return tuple(name for name in images if name.startswith(start))


def _common_folder(names: tuple[str, ...]) -> str:
    common: list[str] = []
    for parts in zip(*(PurePosixPath(name).parts[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)
