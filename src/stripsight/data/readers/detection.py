"""Find out from its content which form a source has, and which of its images belong to it.

A source may hold several annotation files. Kaggle's own layout (`train.csv` at the top) decides;
otherwise there must be exactly one candidate, for guessing wrong would mislabel every image.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from stripsight.data.readers.annotation import SourceTable
from stripsight.data.readers.kaggle import NEW_HEADER, OLD_HEADER, read_kaggle, read_kaggle_old
from stripsight.data.readers.table import find_columns, read_plain_table, read_table
from stripsight.data.source import SourceTree, is_image
from stripsight.errors import DataError, ReaderError

FORMATS = ("kaggle", "kaggle-old", "supervisely", "voc", "folders", "csv")

_LARGEST_TABLE = 2**30
_TABLES: dict[str, Callable[[bytes, str], SourceTable]] = {
    "kaggle": read_kaggle,
    "kaggle-old": read_kaggle_old,
    "csv": read_plain_table,
}


@dataclass(frozen=True)
class Layout:
    """What to read.

    Attributes:
        format: one of `FORMATS`.
        annotation_files: relative to the source.
        image_folder: what `image_files` are relative to; empty for the source itself.
        image_files: relative to the source.
        reason: why this and nothing else, for people.
    """

    format: str
    annotation_files: tuple[str, ...]
    image_folder: str
    image_files: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class _Candidate:
    format: str
    files: tuple[str, ...]

    @property
    def folder(self) -> PurePosixPath:
        return PurePosixPath(self.files[0]).parent

    @property
    def title(self) -> str:
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
    if not any(is_image(name) for name in tree.files):
        raise DataError(f"{tree.title} holds no image (.jpg, .jpeg or .png)")
    candidates = [c for c in _find_candidates(tree) if wanted in {None, c.format}]
    if not candidates and wanted in {None, "folders"}:
        candidates = _find_class_folders(tree)
    if not candidates:
        what = f"annotation of the form {wanted}" if wanted else "annotation of any known form"
        raise DataError(f"{tree.title} holds no {what} ({', '.join(FORMATS)})")
    chosen, reason = _choose(tree, candidates, "given by --format" if wanted else "detected")
    folder, images = _find_images(tree, chosen)
    if not images:
        raise DataError(f"{tree.title} holds no image beside {chosen.files[0]}")
    return Layout(chosen.format, chosen.files, folder, images, reason)


def read_layout(tree: SourceTree, layout: Layout) -> SourceTable:
    """Read the annotation files of a layout.

    Raises:
        ReaderError: a table that cannot be read at all.
    """
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
    found: list[_Candidate] = []
    for name in tree.files:
        if name.lower().endswith(".csv") and (form := _classify_header(tree.read(name, 2**16))):
            found.append(_Candidate(form, (name,)))
    return found


def _classify_header(start: bytes) -> str | None:
    line = re.split(rb"[\r\n]", start, maxsplit=1)[0]
    try:
        header = read_table(line, "").header
    except ReaderError:
        return None
    if set(NEW_HEADER) <= set(header):
        return "kaggle"
    if set(OLD_HEADER) <= set(header):
        return "kaggle-old"
    return "csv" if find_columns(header) else None


def _find_class_folders(tree: SourceTree) -> list[_Candidate]:
    return []


def _find_images(tree: SourceTree, chosen: _Candidate) -> tuple[str, tuple[str, ...]]:
    usual = {"kaggle": ("train_images",), "kaggle-old": ("train_images",)}.get(chosen.format, ())
    for name in usual:
        folder = chosen.folder / name
        images = _images_below(tree, folder)
        if images:
            return str(folder), images
    folder = chosen.folder
    images = tuple(
        name
        for name in _images_below(tree, folder)
        if "test_images" not in PurePosixPath(name).parts
    )
    return _common_folder(images), images


def _images_below(tree: SourceTree, folder: PurePosixPath) -> tuple[str, ...]:
    start = "" if str(folder) == "." else f"{folder}/"
    return tuple(name for name in tree.files if name.startswith(start) and is_image(name))


def _common_folder(names: tuple[str, ...]) -> str:
    common: list[str] = []
    for parts in zip(*(PurePosixPath(name).parts[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)
