"""The folder that a report is written into: empty, or of its own kind, never somebody else's."""

import json
from collections.abc import Collection
from pathlib import Path

from stripsight.errors import UsageError


def check_report_folder(
    folder: Path, *, numbers: str, keys: Collection[str], others: Collection[str] = ()
) -> None:
    """Refuse a place where a report would mix with what it did not write.

    Args:
        folder: where the report is to lie; need not exist.
        numbers: file name of the report's JSON.
        keys: that this JSON always holds; all of them make it one of ours.
        others: further names that the report writes before its JSON.

    Raises:
        UsageError: a file, a link to nothing, or a folder that holds other things and no report of
            this kind.
    """
    if folder.is_symlink() and not folder.exists():
        raise UsageError(f"{folder} is a link to nothing: name a new folder")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the report")
    if _is_report(folder / numbers, keys):
        return
    # A report that was killed before its numbers leaves some of its other files.
    strange = sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in others and path.suffix != ".partial"
    )
    if strange:
        raise UsageError(
            f"{folder} holds other things ({strange[0]}) and no report: name a new or empty folder"
        )


def _is_report(path: Path, keys: Collection[str]) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() >= set(keys)
