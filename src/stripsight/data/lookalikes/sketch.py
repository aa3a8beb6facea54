"""A drawing of an image in bits, by which most false candidates are dropped without their pixels.

Of each place at a quarter of the size it says whether the brightness there turns up or down against
its neighbours along both sides at once. That is the sign of what `comparison.py` aligns images by:
no edge along either side leaves a trace, and no change of brightness that keeps the order.

It drops, and never links: what two sketches agree on, the pixels decide.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_STEP = 2  # places from one neighbour to the other
_MOST_PLACES = 2**16  # of a sketch: 9 kB
_REACH = 1  # places by which a proposed displacement may be off
_LEAST_PLACES = 200  # that both show: fewer agree by chance

Plane = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Bits of one image, packed along its rows.

    Attributes:
        reduction: pixels of the image to one place, either way.
        width: places across.
        turns: uint8 `[h, ceil(w / 8)]`, 1 where the brightness turns up.
        is_steel: uint8 `[h, ceil(w / 64)]`, 1 where eight places across, one byte of `turns`, all
            show steel.
    """

    reduction: int
    width: int
    turns: Bits
    is_steel: Bits


def draw_sketch(plane: Plane, reduction: int, darkest_steel: float) -> Sketch | None:
    """The sketch of a smoothed plane; None where it would be large, or nothing is left.

    Args:
        plane: grey levels, `[h, w]`, of one pixel for `reduction` pixels of the image.
        reduction: see above.
        darkest_steel: grey level below which there is none.
    """
    height, width = (side - _STEP for side in plane.shape)
    if min(height, width) < 1 or height * width > _MOST_PLACES:
        return None
    down = plane[_STEP:] - plane[:-_STEP]
    turns = down[:, _STEP:] > down[:, :-_STEP]
    middle = slice(_STEP // 2, _STEP // 2 + height), slice(_STEP // 2, _STEP // 2 + width)
    # What is left over at the right is taken for none.
    is_steel = np.packbits(plane[middle] >= darkest_steel, axis=1) == 255
    return Sketch(reduction, width, np.packbits(turns, axis=1), np.packbits(is_steel, axis=1))


def correlate_sketches(
    first: Sketch | None, second: Sketch | None, shift_x: int, shift_y: int
) -> float | None:
    """How far two sketches agree, -1 to 1, 0 by chance; None where that is not known.

    Args:
        first: of one image.
        second: of the other.
        shift_x: content at column x of the first may be at x - shift_x of the second, pixels.
        shift_y: likewise for rows.
    """
    if first is None or second is None or first.reduction != second.reduction:
        return None
    ours, theirs = (_unpack(sketch) for sketch in (first, second))
    right, down = (round(shift / first.reduction) for shift in (shift_x, shift_y))
    found = [
        _correlate(ours, theirs, right + x, down + y)
        for y in range(-_REACH, _REACH + 1)
        for x in range(-_REACH, _REACH + 1)
    ]
    return max((value for value in found if value is not None), default=None)


def _unpack(sketch: Sketch) -> npt.NDArray[np.int8]:
    """1 and -1 where there is steel, 0 elsewhere."""
    turns = np.unpackbits(sketch.turns, axis=1, count=sketch.width).view(np.int8)
    is_steel = np.unpackbits(sketch.is_steel, axis=1, count=sketch.turns.shape[1]).view(np.int8)
    return np.asarray((2 * turns - 1) * is_steel.repeat(8, axis=1)[:, : sketch.width])


def _correlate(
    ours: npt.NDArray[np.int8], theirs: npt.NDArray[np.int8], right: int, down: int
) -> float | None:
    top, left = max(0, down), max(0, right)
    bottom = min(ours.shape[0], theirs.shape[0] + down)
    end = min(ours.shape[1], theirs.shape[1] + right)
    if bottom <= top or end <= left:
        return None
    product = (
        ours[top:bottom, left:end] * theirs[top - down : bottom - down, left - right : end - right]
    )
    places = int(np.count_nonzero(product))
    if places < _LEAST_PLACES:
        return None
    return (2 * int(np.count_nonzero(product > 0)) - places) / places
