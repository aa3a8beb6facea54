"""Pascal VOC's XML form: one file an image, a box for each defect.

Coordinates are 1-based and inclusive, as VOC's development kit has them: `xmin` 1 is the first
column and `xmax` W the last. A file without objects says that its image is clean; an image without
a file is not labelled. An annotation belongs to the image of its own file name, as in VOC, whatever
its `filename` says.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from stripsight.data.readers.annotation import (
    Box,
    RefusedRow,
    SourceMark,
    SourceRow,
    SourceTable,
)
from stripsight.errors import ReaderError

_LARGEST_FILE = 16 * 2**20
# What float() takes besides is no number that VOC writes: 1_0, nan, digits of other scripts.
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


def read_voc(read: Callable[[str, int], bytes], files: Sequence[str]) -> SourceTable:
    """Read annotation files; one that cannot be read is one refused row.

    Args:
        read: path and limit to bytes.
        files: paths of the annotation files in the source.
    """
    rows: list[SourceRow] = []
    refused: list[RefusedRow] = []
    for file in files:
        stem = PurePosixPath(file).stem
        try:
            root = _parse_file(read(file, _LARGEST_FILE))
            _check_objects(root)
            size = _read_size(root)
        except (ReaderError, OSError) as error:
            refused.append(RefusedRow(file, "file", stem, "broken file", str(error)))
            continue
        image = _choose_name(root.findtext("filename"), stem)
        objects = root.findall("object")
        if not objects:
            rows.append(SourceRow(file, "file", image, (), size))
        for number, item in enumerate(objects, start=1):
            place = f"object {number}"
            try:
                mark = _read_object(item)
            except ReaderError as error:
                refused.append(RefusedRow(file, place, image, "broken object", str(error)))
            else:
                rows.append(SourceRow(file, place, image, (mark,), size))
    return SourceTable(tuple(rows), tuple(refused))


def _parse_file(data: bytes) -> Any:
    if len(data) > _LARGEST_FILE:
        raise ReaderError(f"more than {_LARGEST_FILE:,} bytes")
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ReaderError(f"no XML that may be read ({error})") from error
    if root.tag != "annotation":
        raise ReaderError(f"<{root.tag}> is no VOC annotation")
    return root


def _check_objects(root: Any) -> None:
    # A file without objects says "clean": objects that are not where VOC has them must not be lost.
    direct = set(root.findall("object"))
    for element in root.iter():
        name = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""
        if (name == "object" and element not in direct) or (name == "bndbox" and not direct):
            raise ReaderError(f"<{element.tag}> is not where VOC has it: <object> below the root")


def _choose_name(stated: str | None, stem: str) -> str:
    # `filename` tells x.jpg from x.png, no more: copies often keep the name of their original.
    name = PurePosixPath((stated or "").strip().replace("\\", "/")).name
    return name if PurePosixPath(name).stem == stem else stem


def _read_size(root: Any) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    height, width = (_read_number(size, name) for name in ("height", "width"))
    return (height, width) if height and width else None


def _read_object(item: Any) -> SourceMark:
    name = (item.findtext("name") or "").strip()
    if not name:
        raise ReaderError("<name> is missing")
    box = item.find("bndbox")
    if box is None:
        raise ReaderError("<bndbox> is missing")
    left, top, right, bottom = (_read_number(box, n) for n in ("xmin", "ymin", "xmax", "ymax"))
    return SourceMark(name, Box(left - 1, top - 1, right, bottom))


def _read_number(element: Any, name: str) -> int:
    text = (element.findtext(name) or "").strip()
    if _NUMBER.fullmatch(text) and abs(float(text)) < 10**9:
        return round(float(text))
    raise ReaderError(f"<{name}> is {text[:40]!r}, no number of pixels")
