"""Shapes of every form drawn as runs inside their image.

The rules: a box that reaches over the image's edge is clipped to it and counted, one that lies
wholly outside is refused; a polygon is filled by Pillow's rule (outline included) and clipped
alike; a run-length mask or a bitmap that leaves the image is refused, for it was drawn on another.
"""

import base64
import binascii
import io
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngImageFile

from stripsight.data.readers.annotation import Bitmap, Box, Polygon, RunLengths, Shape
from stripsight.data.rle import Runs, encode_runs, parse_runs
from stripsight.errors import RunLengthError

_LARGEST_BITMAP = 64 * 2**20


@dataclass(frozen=True, slots=True)
class DrawnShape:
    """Runs inside the image, and what had to be done to them."""

    runs: Runs
    kind: str
    repaired: bool = False
    clipped: bool = False


def draw_shape(shape: Shape, height: int, width: int, *, repair: bool = False) -> DrawnShape:
    """Draw a shape into an image of that size.

    Args:
        shape: as the reader found it.
        height: of the image, in pixels.
        width: of the image, in pixels.
        repair: see `parse_runs`.

    Raises:
        RunLengthError: the shape describes no pixel of this image.
    """
    match shape:
        case RunLengths(text):
            runs, repaired = parse_runs(text, height, width, repair=repair)
            return DrawnShape(runs, "mask", repaired=repaired)
        case Bitmap():
            return DrawnShape(_draw_bitmap(shape, height, width), "mask")
        case Box():
            return _draw_box(shape, height, width)
        case Polygon():
            return _draw_polygon(shape, height, width)


def _draw_box(box: Box, height: int, width: int) -> DrawnShape:
    left, top = max(box.left, 0), max(box.top, 0)
    right, bottom = min(box.right, width), min(box.bottom, height)
    if box.left >= box.right or box.top >= box.bottom:
        raise RunLengthError("the box has no area")
    if left >= right or top >= bottom:
        raise RunLengthError(f"the box lies outside the {width}x{height} image")
    starts = np.arange(left, right, dtype=np.int64) * height + top
    runs = np.stack([starts, np.full_like(starts, bottom - top)], axis=1)
    return DrawnShape(runs, "box", clipped=(left, top, right, bottom) != _edges(box))


def _edges(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.right, box.bottom


def _draw_polygon(polygon: Polygon, height: int, width: int) -> DrawnShape:
    points = np.array(polygon.outline, dtype=np.float64)
    if len(points) < 3 or not np.isfinite(points).all():
        raise RunLengthError("the polygon has fewer than three points")
    if np.abs(points).max() > 10**6:
        raise RunLengthError(f"the polygon lies outside the {width}x{height} image")
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    draw.polygon([tuple(p) for p in polygon.outline], fill=1)
    for hole in polygon.holes:
        if len(hole) >= 3:
            draw.polygon([tuple(p) for p in hole], fill=0)
    mask = np.asarray(canvas)
    if not mask.any():
        raise RunLengthError(f"the polygon lies outside the {width}x{height} image")
    low, high = points.min(axis=0), points.max(axis=0)
    clipped = bool((low < 0).any() or high[0] > width or high[1] > height)
    return DrawnShape(encode_runs(mask), "mask", clipped=clipped)


def _draw_bitmap(bitmap: Bitmap, height: int, width: int) -> Runs:
    mask = _decode_bitmap(bitmap.data)
    rows, columns = mask.shape
    if bitmap.x < 0 or bitmap.y < 0 or bitmap.x + columns > width or bitmap.y + rows > height:
        raise RunLengthError(
            f"the {columns}x{rows} bitmap at ({bitmap.x}, {bitmap.y}) leaves the"
            f" {width}x{height} image"
        )
    if not mask.any():
        raise RunLengthError("the bitmap is empty")
    whole = np.zeros((height, columns), dtype=bool)
    whole[bitmap.y : bitmap.y + rows] = mask
    runs = encode_runs(whole)
    runs[:, 0] += bitmap.x * height
    return runs


def _decode_bitmap(data: str) -> npt.NDArray[np.bool_]:
    try:
        packed = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RunLengthError(f"the bitmap is no base64 ({error})") from error
    unpacker = zlib.decompressobj()
    try:
        png = unpacker.decompress(packed, _LARGEST_BITMAP)
    except zlib.error as error:
        raise RunLengthError(f"the bitmap is no zlib stream ({error})") from error
    if unpacker.unconsumed_tail:
        raise RunLengthError(f"the bitmap unpacks to more than {_LARGEST_BITMAP:,} bytes")
    if not unpacker.eof:
        raise RunLengthError("the bitmap's zlib stream is cut off")
    return _decode_bitmap_png(png)


def _decode_bitmap_png(png: bytes) -> npt.NDArray[np.bool_]:
    # Not the images' decoder: these are pictures of a mask, 1-bit, grey, palette or RGBA. As in
    # Supervisely's own reader the alpha band is the mask where there is one, else what is not 0.
    try:
        with PngImageFile(io.BytesIO(png)) as image:
            if image.width * image.height > _LARGEST_BITMAP:
                raise RunLengthError(f"the bitmap claims {image.width}x{image.height} pixels")
            if "A" in image.getbands() or "transparency" in image.info:
                pixels = np.array(image.convert("RGBA").getchannel("A"), dtype=bool)
            elif image.mode == "P":
                pixels = np.array(image.convert("RGB"), dtype=bool)
            else:
                pixels = np.array(image, dtype=bool)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RunLengthError(f"the bitmap is no readable PNG ({error})") from error
    return pixels if pixels.ndim == 2 else np.asarray(pixels.any(axis=2))
