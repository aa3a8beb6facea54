"""Class-named folders: an image's class is the name of the folder that it lies in.

Folders named clean, ok, good or no_defect (in any case) hold images without a defect. An image that
lies in no folder is not labelled.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from stripsight.data.readers.annotation import RefusedRow, SourceMark, SourceRow, SourceTable
from stripsight.data.readers.class_names import is_placeholder, means_clean

_NOT_CLASSES = frozenset(
    {"ann", "data", "dataset", "image", "images", "img", "imgs", "jpegimages"}
    | {"test", "train", "training", "val", "valid", "validation"}
)


def read_folders(images: Sequence[str]) -> SourceTable:
    """Read the labels from the images' paths: one row an image."""
    rows: list[SourceRow] = []
    refused: list[RefusedRow] = []
    for file in images:
        folder = PurePosixPath(file).parent.name
        if not folder:
            continue
        if is_placeholder(folder):
            why = f"the folder's name {folder!r} says no class"
            refused.append(RefusedRow(file, "folder", file, "unknown class", why))
            continue
        marks = () if means_clean(folder) else (SourceMark(folder, None),)
        rows.append(SourceRow(file, "folder", PurePosixPath(file).name, marks, beside=file))
    return SourceTable(tuple(rows), tuple(refused))


def look_like_classes(images: Sequence[str]) -> bool:
    """Whether the images' folders may be classes: two or more, none with a usual other meaning."""
    folders = {PurePosixPath(file).parent.name.casefold() for file in images}
    usual = {f for f in folders if f in _NOT_CLASSES or f.endswith(("_images", "_img"))}
    return len(folders) > 1 and "" not in folders and not usual
