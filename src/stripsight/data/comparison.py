"""What two images share, by their pixels: the judge of every candidate that fingerprints propose.

Blocks of both images are compared by the correlation of what is left of them without their row and
column means. Without them, because a strip's edge, streaks along it and the lamps' light are alike
in images that show other steel. Blocks without texture say nothing: an image that shows nothing is
like no other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from stripsight.data.links import OVERLAP, RE_ENCODED, TEXT_BOX
from stripsight.imaging import GreyImage

_BLOCK = 16  # pixels at half size
_SMOOTHING = 1.0  # standard deviation at half size: what a JPEG of quality 30 still holds
_REACH = 3  # pixels at half size by which a proposed displacement may be off
_LEAST_SIDE = 64  # pixels of the shared part
_LEAST_TEXTURE = 0.7  # grey levels: below it there is noise
_AGREES = 0.5  # correlation of a block
_LEAST_BLOCKS, _LEAST_ROWS = 8, 3  # that agree; a strip's slanted edge fills one or two columns
_LEAST_MEAN = 0.45  # of the correlation; of other steel it stays below 0.2
_CELL = 8  # pixels at half size; a text line is 16 pixels high
_LEAST_DIFFERENCE = 10.0  # grey levels, mean of a cell
_LEAST_CELLS = 3
_LARGEST_BOX, _LEAST_FILL = 0.5, 0.3  # share of the image; share of its cells that differ
_DARK, _BRIGHT = 5, 250  # grey levels from which on a value may have been cut off

Plane = npt.NDArray[np.float32]


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
        sharp, other = (_sharpen(part, reduction) for part in parts)
        move_x, move_y = _find_shift(sharp, other, reach)
        shift_x, shift_y = shift_x + move_x * reduction, shift_y + move_y * reduction
    parts = cut_shared(first, second, shift_x, shift_y)
    if min(parts[0].shape) < _LEAST_SIDE:
        return None
    ours, theirs = (ndimage.gaussian_filter(_reduce(p, 2), _SMOOTHING, truncate=2.5) for p in parts)
    correlation, has_texture = _correlate_blocks(ours, theirs)
    agrees = has_texture & (correlation > _AGREES)
    rows, columns = np.nonzero(agrees)
    similarity = float(correlation[has_texture].mean()) if has_texture.any() else 0.0
    if (
        len(rows) < _LEAST_BLOCKS
        or min(len(set(rows.tolist())), len(set(columns.tolist()))) < _LEAST_ROWS
        or similarity < _LEAST_MEAN
    ):
        return None
    kind = OVERLAP
    if (shift_x, shift_y) == (0, 0) and first.shape == second.shape:
        differs = _find_other_cells(ours, theirs, agrees)
        kind = TEXT_BOX if _is_box(differs) else RE_ENCODED
    return Resemblance(kind, shift_x, shift_y, min(1.0, similarity))


def cut_shared(
    first: GreyImage, second: GreyImage, shift_x: int, shift_y: int
) -> tuple[GreyImage, GreyImage]:
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


def _sharpen(image: GreyImage, reduction: int) -> Plane:
    """Differences along both sides: no edge along either leaves a trace."""
    plane = _reduce(image, reduction)
    step = 4 // reduction
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


def _correlate_blocks(first: Plane, second: Plane) -> tuple[Plane, npt.NDArray[np.bool_]]:
    """Correlation of each block's texture, and whether both have any: `[down, across]` each."""
    ours, theirs = (_remove_means(_cut_blocks(plane, _BLOCK)) for plane in (first, second))
    ours_squared, theirs_squared = ((blocks**2).mean(axis=(2, 3)) for blocks in (ours, theirs))
    has_texture = np.minimum(ours_squared, theirs_squared) > _LEAST_TEXTURE**2
    scale = np.sqrt(ours_squared * theirs_squared)
    product = (ours * theirs).mean(axis=(2, 3))
    correlation = np.divide(product, scale, out=np.zeros_like(product), where=has_texture)
    return correlation, has_texture


def _cut_blocks(plane: Plane, side: int) -> Plane:
    """`[down, across, side, side]`; what is left over at the right and below is dropped."""
    down, across = (length // side for length in plane.shape)
    blocks = plane[: down * side, : across * side].reshape(down, side, across, side)
    return np.asarray(blocks.transpose(0, 2, 1, 3))


def _remove_means(blocks: Plane) -> Plane:
    rows, columns = blocks.mean(axis=3, keepdims=True), blocks.mean(axis=2, keepdims=True)
    return np.asarray(blocks - rows - columns + blocks.mean(axis=(2, 3), keepdims=True))


def _find_other_cells(
    first: Plane, second: Plane, agrees: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
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


def _is_box(cells: npt.NDArray[np.bool_]) -> bool:
    """Whether the marked cells are enough, and lie close together in a part of the image."""
    rows, columns = np.nonzero(cells)
    if len(rows) < _LEAST_CELLS:
        return False
    area = (int(np.ptp(rows)) + 1) * (int(np.ptp(columns)) + 1)
    return area <= _LARGEST_BOX * cells.size and len(rows) >= _LEAST_FILL * area
