"""What two images share, by their pixels: the judge of every candidate that fingerprints propose.

Blocks of both images are compared by the correlation of what is left of them without their row and
column means. Without them, because a strip's edge, streaks along it and the lamps' light are alike
in images that show other steel. Blocks without texture say nothing: an image that shows nothing is
like no other.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import fft, ndimage

from stripsight.data.lookalikes.links import OVERLAP, RE_ENCODED, TEXT_BOX
from stripsight.imaging import GreyImage

_BLOCK = 16  # pixels at half size
_SMOOTHING = 1.0  # standard deviation at half size: what a JPEG of quality 30 still holds
_REACH = 3  # pixels at half size by which a proposed displacement may be off
_LEAST_SIDE = 64  # pixels of the shared part
_LEAST_TEXTURE = 0.5  # grey levels: below it there is noise
_DARKEST_STEEL = 20.0  # grey levels; below lies what the camera sees beside every strip
_AGREES = 0.5  # correlation of a block
_LEAST_BLOCKS, _LEAST_ROWS = 8, 3  # that agree; a strip's slanted edge fills one or two columns
_LEAST_MEAN = 0.45  # of the correlation; of other steel it stays below 0.2
# The same of what is left of a checker plate without its pattern: up to 0.48 for other frames of
# one make, as the same camera bends the pattern the same way, and 0.76 or more for the same frame.
_LEAST_MEAN_OF_PLATE = 0.62
_CELL = 8  # pixels at half size; a text line is 16 pixels high
_LEAST_DIFFERENCE = 10.0  # grey levels, mean of a cell
_LEAST_CELLS = 3
_LARGEST_BOX, _LEAST_FILL = 0.5, 0.3  # share of the image; share of its cells that differ
_DARK, _BRIGHT = 5, 250  # grey levels from which on a value may have been cut off

_CENTRE = 12  # pixels at half size around no displacement, where an image is like itself
_REGULAR = 0.35  # correlation with itself a period further on; of plain steel up to 0.31

Plane = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Value = TypeVar("Value", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Resemblance:
    """What two images share.

    Attributes:
        kind: one of `LINK_KINDS` but `identical`.
        shift_x: content at column x of the first is at x - shift_x of the second, pixels.
        shift_y: likewise for rows.
        similarity: mean correlation of the blocks that have texture, 0 to 1.
    """

    kind: str
    shift_x: int
    shift_y: int
    similarity: float


def compare_images(
    first: GreyImage, second: GreyImage, shift_x: int, shift_y: int
) -> Resemblance | None:
    """Whether both show the same steel at about that displacement; None where they do not.

    Args:
        first: uint8 `[H, W]`.
        second: likewise, of any size.
        shift_x: as in `Resemblance`, right to a few pixels.
        shift_y: likewise.
    """
    for reduction, reach in ((2, _REACH), (1, 1)):
        parts = cut_shared(first, second, shift_x, shift_y)
        if min(parts[0].shape) < _LEAST_SIDE:
            return None
        ours, theirs = (
            _subtract_neighbours(_reduce(part, reduction), 4 // reduction) for part in parts
        )
        move_x, move_y = _find_shift(ours, theirs, reach)
        shift_x, shift_y = shift_x + move_x * reduction, shift_y + move_y * reduction
    parts = cut_shared(first, second, shift_x, shift_y)
    if min(parts[0].shape) < _LEAST_SIDE:
        return None
    ours, theirs = (_smooth(part) for part in parts)
    brightness = np.maximum(ours, theirs)  # one of two equal images may have been darkened
    blocks = _correlate_blocks(ours, theirs, brightness)
    similarity = blocks.similarity
    if similarity is None:
        return None
    # Of all of the first: two periods need not lie on the part they share.
    period = _find_period(_subtract_neighbours(_smooth(first), _BLOCK // 2))
    if period is not None:
        # A checker plate is like any other of its make, and like itself a period further on: what
        # counts is how it differs from itself there.
        if min(ours.shape[0] - abs(period[1]), ours.shape[1] - period[0]) < _BLOCK * _LEAST_ROWS:
            return None
        own, own_moved = cut_shared(ours, ours, *period)
        other, other_moved = cut_shared(theirs, theirs, *period)
        lit, _ = cut_shared(brightness, brightness, *period)
        similarity = _correlate_blocks(own - own_moved, other - other_moved, lit).similarity
        if similarity is None or similarity < _LEAST_MEAN_OF_PLATE:
            return None
    kind = OVERLAP
    if (shift_x, shift_y) == (0, 0) and first.shape == second.shape:
        differs = _find_other_cells(ours, theirs, blocks.agrees)
        kind = TEXT_BOX if _is_box(differs) else RE_ENCODED
    return Resemblance(kind, shift_x, shift_y, similarity)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """How the blocks of two planes agree, `[down, across]` each.

    Attributes:
        correlation: of their texture; 0 where one has none.
        has_texture: whether both have any, and one is lit.
    """

    correlation: Plane
    has_texture: Flags

    @property
    def agrees(self) -> Flags:
        """Blocks that are alike."""
        return np.asarray(self.has_texture & (self.correlation > _AGREES))

    @property
    def similarity(self) -> float | None:
        """Mean correlation where there is texture; None where too little agrees."""
        rows, columns = np.nonzero(self.agrees)
        if len(rows) < _LEAST_BLOCKS or min(len(set(rows)), len(set(columns))) < _LEAST_ROWS:
            return None
        mean = float(self.correlation[self.has_texture].mean())
        return min(1.0, mean) if mean >= _LEAST_MEAN else None


def cut_shared(
    first: npt.NDArray[Value], second: npt.NDArray[Value], shift_x: int, shift_y: int
) -> tuple[npt.NDArray[Value], npt.NDArray[Value]]:
    """The part that both show at a displacement, as each shows it; possibly empty."""
    top, left = max(0, shift_y), max(0, shift_x)
    bottom = max(top, min(first.shape[0], second.shape[0] + shift_y))
    right = max(left, min(first.shape[1], second.shape[1] + shift_x))
    return (
        first[top:bottom, left:right],
        second[top - shift_y : bottom - shift_y, left - shift_x : right - shift_x],
    )


def _reduce(image: GreyImage, reduction: int) -> Plane:
    if reduction == 1:
        return image.astype(np.float32)
    return np.asarray(Image.fromarray(image).reduce(reduction), np.float32)


def _smooth(image: GreyImage) -> Plane:
    """The image at half size, without what compression adds."""
    return np.asarray(ndimage.gaussian_filter(_reduce(image, 2), _SMOOTHING, truncate=2.5))


def _subtract_neighbours(plane: Plane, step: int) -> Plane:
    """Differences along both sides: no edge along either leaves a trace."""
    plane = plane[step:] - plane[:-step]
    return np.asarray(plane[:, step:] - plane[:, :-step])


def _find_shift(first: Plane, second: Plane, reach: int) -> tuple[int, int]:
    """The displacement (right, down) of up to `reach` at which two planes correlate best."""
    inner = np.ascontiguousarray(first[reach:-reach, reach:-reach])
    height, width = inner.shape
    best, where = 0.0, (0, 0)
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            other = second[reach + y : reach + y + height, reach + x : reach + x + width]
            norm = float(np.einsum("hw,hw->", other, other))
            value = float(np.einsum("hw,hw->", inner, other)) / np.sqrt(norm) if norm > 0 else 0.0
            if value > best:
                best, where = value, (-x, -y)
    return where


def _correlate_blocks(first: Plane, second: Plane, brightness: Plane) -> _Blocks:
    ours, theirs = (_remove_means(_cut_blocks(plane, _BLOCK)) for plane in (first, second))
    is_lit = _cut_blocks(brightness, _BLOCK).mean(axis=(2, 3)) >= _DARKEST_STEEL
    ours_squared, theirs_squared = ((blocks**2).mean(axis=(2, 3)) for blocks in (ours, theirs))
    has_texture = is_lit & (np.minimum(ours_squared, theirs_squared) > _LEAST_TEXTURE**2)
    scale = np.sqrt(ours_squared * theirs_squared)
    product = (ours * theirs).mean(axis=(2, 3))
    correlation = np.divide(product, scale, out=np.zeros_like(product), where=has_texture)
    return _Blocks(correlation, has_texture)


def _find_period(plane: Plane) -> tuple[int, int] | None:
    """The displacement (right, down) by which a regular pattern repeats; None where there is none.

    The highest peak of the autocorrelation (Wiener and Khinchin), up to half of each side.
    """
    height, width = plane.shape
    size = fft.next_fast_len(2 * height, True), fft.next_fast_len(2 * width, True)
    power = np.abs(fft.rfft2(plane, size)) ** 2
    most_y, most_x = height // 2, width // 2
    product = np.roll(fft.irfft2(power, size), most_y, axis=0)[: 2 * most_y + 1, : most_x + 1]
    down = np.arange(-most_y, most_y + 1)
    shared = np.outer(height - np.abs(down), width - np.arange(most_x + 1)) / plane.size
    correlation = product / shared / max(float(product[most_y, 0]), 1e-6)
    # A peak, not the shoulder of the one in the centre.
    is_peak = correlation >= ndimage.maximum_filter(correlation, 3, mode="nearest")
    is_peak[most_y - _CENTRE : most_y + _CENTRE + 1, : _CENTRE + 1] = False
    row, column = divmod(int(np.where(is_peak, correlation, 0).argmax()), most_x + 1)
    return (column, row - most_y) if correlation[row, column] >= _REGULAR else None


def _cut_blocks(plane: Plane, side: int) -> Plane:
    """`[down, across, side, side]`; what is left over at the right and below is dropped."""
    down, across = (length // side for length in plane.shape)
    blocks = plane[: down * side, : across * side].reshape(down, side, across, side)
    return np.asarray(blocks.transpose(0, 2, 1, 3))


def _remove_means(blocks: Plane) -> Plane:
    rows, columns = blocks.mean(axis=3, keepdims=True), blocks.mean(axis=2, keepdims=True)
    return np.asarray(blocks - rows - columns + blocks.mean(axis=(2, 3), keepdims=True))


def _find_other_cells(first: Plane, second: Plane, agrees: Flags) -> Flags:
    """Cells `[down, across]` where the second is not the first under one gain and offset."""
    ours, theirs = (_cut_blocks(plane, _BLOCK)[agrees].ravel() for plane in (first, second))
    whole = (np.minimum(ours, theirs) > _DARK) & (np.maximum(ours, theirs) < _BRIGHT)
    gain, offset = _fit_line(ours[whole], theirs[whole])
    difference = second - (gain * first + offset)
    # A value at the end of the scale may stand for any beyond it.
    may_be_less = (first <= _DARK) | (second >= _BRIGHT)
    may_be_more = (first >= _BRIGHT) | (second <= _DARK)
    difference[may_be_less & (difference < 0)] = 0
    difference[may_be_more & (difference > 0)] = 0
    return np.asarray(
        np.abs(_cut_blocks(difference, _CELL)).mean(axis=(2, 3))
        > _LEAST_DIFFERENCE * max(1.0, gain)
    )


def _fit_line(x: Plane, y: Plane) -> tuple[float, float]:
    """Gain and offset of y over x, least squares."""
    if len(x) < 2 or np.ptp(x) == 0:
        return 1.0, 0.0
    gain, offset = np.polyfit(x.astype(np.float64), y.astype(np.float64), 1)
    return float(gain), float(offset)


def _is_box(cells: Flags) -> bool:
    """Whether the marked cells are enough, and lie close together in a part of the image."""
    rows, columns = np.nonzero(cells)
    if len(rows) < _LEAST_CELLS:
        return False
    area = (int(np.ptp(rows)) + 1) * (int(np.ptp(columns)) + 1)
    return area <= _LARGEST_BOX * cells.size and len(rows) >= _LEAST_FILL * area
