"""Strip images for a page: scaled, cropped, defects outlined and marked, as data URIs.

An outline runs around the defect and leaves the defect itself to be seen. It has a rim, black for
a light colour and white for a dark one, so that it stands out on any steel and in grey print, and
carries its class's mark, so that colour is never alone.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from stripsight.imaging import GreyImage
from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import choose_ink, compute_luminance
from stripsight.reporting.page import Picture

_QUALITY = 82
_LINE = 7  # side of the square that widens a defect: a line of 3 px around it

_LIGHT = 0.3  # relative luminance
_TALLEST = 1.5  # height over width
_EMPTY = "#eef1f4"


@dataclass(frozen=True)
class Outline:
    """What to outline: a mask uint8 `[H, W]` of the image's size, its colour, its mark if any."""

    mask: npt.NDArray[np.uint8]
    color: str
    mark: str = ""


@dataclass(frozen=True)
class Window:
    """A part of an image in its pixels: rows `[top, bottom)`, columns `[left, right)`."""

    left: int
    top: int
    right: int
    bottom: int


def draw_outlines(
    image: GreyImage, outlines: Sequence[Outline], *, width: int, window: Window | None = None
) -> Image.Image:
    """The image, or a window of it, in colour with the outlines on it, `width` pixels wide.

    What would be taller than `_TALLEST` times its width stands smaller in the middle of that room.
    """
    if window is not None:
        part = np.s_[window.top : window.bottom, window.left : window.right]
        image = image[part]
        outlines = [Outline(o.mask[part], o.color, o.mark) for o in outlines]
    room = round(_TALLEST * width)
    scale = min(width / image.shape[1], room / image.shape[0])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    kind = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    picture = Image.fromarray(image).resize(size, kind).convert("RGB")
    drawn = [(o, _keep_inside(_scale_mask(o.mask, size))) for o in outlines if o.mask.any()]
    for outline, mask in drawn:
        line, rim = _widen(mask, _LINE), _widen(mask, _LINE + 2)
        picture.paste(_choose_rim(outline.color), mask=_subtract(rim, mask))
        picture.paste(outline.color, mask=_subtract(line, mask))
    for outline, mask in drawn:
        if outline.mark:
            _add_mark(picture, outline, mask)
    if picture.width == width:
        return picture
    page = Image.new("RGB", (width, picture.height), _EMPTY)
    page.paste(picture, ((width - picture.width) // 2, 0))
    return page


def find_window(
    mask: npt.NDArray[np.uint8], *, margin: float = 0.6, least: int = 48, aspect: float = 1.0
) -> Window:
    """A window around the pixels of `mask` with room on all sides, inside the image.

    Args:
        mask: uint8 `[H, W]` with at least one pixel.
        margin: on each side, as a share of the defect's longer side.
        least: pixels a side, where the image has them.
        aspect: width over height, where the image allows it.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    tall, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    room = 2 * margin * max(tall, wide)
    tall = min(height, max(least, round(tall + room)))
    wide = min(width, max(least, round(wide + room)))
    wide = min(width, max(wide, round(tall * aspect)))
    tall = min(height, max(tall, round(wide / aspect)))
    top = _centre(int(rows[0]), int(rows[-1]), tall, height)
    left = _centre(int(columns[0]), int(columns[-1]), wide, width)
    return Window(left, top, left + wide, top + tall)


def to_picture(image: Image.Image, alt: str) -> Picture:
    """A JPEG inside the page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return Picture(_to_uri("image/jpeg", buffer.getvalue()), alt, *image.size)


def to_figure_picture(plot: Plot, alt: str) -> Picture:
    """A plot inside the page."""
    return Picture(_to_uri("image/png", plot.png), alt, plot.width, plot.height)


def _to_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _scale_mask(mask: npt.NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    # Any defect pixel keeps its pixel: a nearest or mean filter would lose the smallest defects.
    grey = Image.fromarray((mask > 0).astype(np.uint8) * 255)
    if size[0] >= mask.shape[1] and size[1] >= mask.shape[0]:
        return grey.resize(size, Image.Resampling.NEAREST)
    scaled = grey.resize(size, Image.Resampling.BOX)
    return scaled.point([0] + [255] * 255)


def _keep_inside(mask: Image.Image) -> Image.Image:
    """A mask of nearly the whole picture, drawn in by the outline's width: else none was seen."""
    pixels = np.asarray(mask)
    around = _LINE // 2 + 1
    if min(pixels.shape) <= 4 * around:
        return mask
    middle = np.zeros_like(pixels)
    middle[around:-around, around:-around] = 255
    if not (pixels | ~middle).all():
        return mask
    return Image.fromarray(pixels & middle)


def _widen(mask: Image.Image, side: int) -> Image.Image:
    # Not Pillow's MaxFilter, which sorts every square: ten times as long.
    return Image.fromarray(ndimage.maximum_filter(np.asarray(mask), side, mode="nearest"))


def _choose_rim(color: str) -> str:
    return "#000000" if compute_luminance(color) > _LIGHT else "#ffffff"


def _subtract(outer: Image.Image, inner: Image.Image) -> Image.Image:
    ring = np.asarray(outer) & ~np.asarray(inner)
    return Image.fromarray(ring)


def _centre(first: int, last: int, length: int, limit: int) -> int:
    return min(max(0, (first + last + 1 - length) // 2), limit - length)


def _add_mark(picture: Image.Image, outline: Outline, mask: Image.Image) -> None:
    """The mark beside the largest piece: above it, else below, else to its right."""
    left, top, right, bottom = _find_largest(mask)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(14, min(24, picture.height // 5)))
    x0, y0, x1, y1 = draw.textbbox((0, 0), outline.mark, font=font)
    wide, tall = round(x1 - x0) + 8, round(y1 - y0) + 8
    x, y = left, top - tall - 4
    if y < 0:
        y = bottom + 4
    if y + tall > picture.height:
        x, y = right + 4, top
    x = min(max(0, x), max(0, picture.width - wide))
    y = min(max(0, y), max(0, picture.height - tall))
    draw.rectangle((x, y, x + wide - 1, y + tall - 1), fill=outline.color, outline="#000000")
    draw.text((x + 4 - x0, y + 4 - y0), outline.mark, font=font, fill=choose_ink(outline.color))


def _find_largest(mask: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the piece with most pixels."""
    pieces, _ = ndimage.label(np.asarray(mask), structure=np.ones((3, 3)))
    largest = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    rows, columns = ndimage.find_objects(pieces)[largest - 1]
    return columns.start, rows.start, columns.stop, rows.stop
