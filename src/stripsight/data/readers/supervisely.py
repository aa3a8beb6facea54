"""Supervisely's JSON form: `ann/<image file>.json`, one file an image.

Objects are bitmaps, polygons or rectangles; corners of a rectangle are pixels inside it. A file
without objects says that its image is clean; an image without a file is not labelled.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from stripsight.data.readers.annotation import (
    Bitmap,
    Box,
    Point,
    Polygon,
    RefusedRow,
    Shape,
    SourceMark,
    SourceRow,
    SourceTable,
)
from stripsight.errors import ReaderError

_LARGEST_FILE = 64 * 2**20


def read_supervisely(read: Callable[[str, int], bytes], files: Sequence[str]) -> SourceTable:
    """Read annotation files; one that cannot be read is one refused row.

    Args:
        read: path and limit to bytes.
        files: paths of the annotation files in the source.
    """
    rows: list[SourceRow] = []
    refused: list[RefusedRow] = []
    for file in files:
        name = PurePosixPath(file).name.removesuffix(".json")
        try:
            size, objects = _parse_file(read(file, _LARGEST_FILE))
        except (ReaderError, OSError) as error:
            refused.append(RefusedRow(file, "file", name, "broken file", str(error)))
            continue
        beside = str(PurePosixPath(file).parent.parent / "img" / name)
        if not objects:
            rows.append(SourceRow(file, "file", name, (), size, beside))
        for number, item in enumerate(objects, start=1):
            place = f"object {number}"
            try:
                mark = _read_object(item)
            except ReaderError as error:
                refused.append(RefusedRow(file, place, name, "broken object", str(error)))
            else:
                rows.append(SourceRow(file, place, name, (mark,), size, beside))
    return SourceTable(tuple(rows), tuple(refused))


def _parse_file(data: bytes) -> tuple[tuple[int, int], list[Any]]:
    if len(data) > _LARGEST_FILE:
        raise ReaderError(f"more than {_LARGEST_FILE:,} bytes")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReaderError(f"no JSON ({error})") from error
    size = content.get("size") if isinstance(content, dict) else None
    objects = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(size, dict) or not isinstance(objects, list):
        raise ReaderError("`size` and `objects` are needed")
    return (_read_whole(size.get("height")), _read_whole(size.get("width"))), objects


def _read_object(item: Any) -> SourceMark:
    title = item.get("classTitle") if isinstance(item, dict) else None
    if not isinstance(title, str) or not title:
        raise ReaderError("`classTitle` is missing")
    return SourceMark(title, _read_shape(item))


def _read_shape(item: dict[str, Any]) -> Shape:
    kind = item.get("geometryType", "bitmap" if "bitmap" in item else None)
    if kind == "bitmap":
        bitmap = item.get("bitmap")
        if not isinstance(bitmap, dict) or not isinstance(bitmap.get("data"), str):
            raise ReaderError("`bitmap.data` is missing")
        origin = bitmap.get("origin")
        if not isinstance(origin, list) or len(origin) != 2:
            raise ReaderError("`bitmap.origin` must be [x, y]")
        return Bitmap(_read_whole(origin[0]), _read_whole(origin[1]), bitmap["data"])
    points = item.get("points")
    if kind in {"rectangle", "polygon"} and isinstance(points, dict):
        outline = _read_points(points.get("exterior"))
        if kind == "polygon":
            holes = points.get("interior") or []
            if not isinstance(holes, list):
                raise ReaderError("`points.interior` must be a list")
            return Polygon(outline, tuple(_read_points(hole) for hole in holes))
        if len(outline) == 2:
            (left, right), (top, bottom) = (sorted(axis) for axis in zip(*outline, strict=True))
            edges = (left, top, right + 1, bottom + 1)
            return Box(*(math.floor(edge) for edge in edges))
    raise ReaderError(f"geometry {kind!r} is not supported: bitmap, polygon or rectangle")


def _read_points(value: Any) -> tuple[Point, ...]:
    if not isinstance(value, list) or not all(
        isinstance(p, list) and len(p) == 2 and all(map(_is_coordinate, p)) for p in value
    ):
        raise ReaderError("points must be a list of [x, y]")
    return tuple((float(x), float(y)) for x, y in value)


def _is_coordinate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**9


def _read_whole(value: Any) -> int:
    if not _is_coordinate(value) or value != int(value):
        raise ReaderError(f"{str(value)[:40]!r} is no whole number of pixels")
    return int(value)
