"""Where a defect is: from the network's small class maps to heatmaps and boxes, with numpy alone.

Whoever shows a heatmap, in the report or beside the line, makes it here, so that both show one. A
box is a rectangle around what is hot; it is no verdict, which follows from the image's logits.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FloatMap = npt.NDArray[np.float32]
"""`[h, w]` or `[H, W]`; leading axes are allowed where stated."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around one hot piece, in pixels of the heatmap.

    Attributes:
        left: first column.
        top: first row.
        right: one after the last column.
        bottom: one after the last row.
        area: pixels of the piece itself, at most those of the rectangle.
        score: the highest value in the piece.
    """

    left: int
    top: int
    right: int
    bottom: int
    area: int
    score: float


def upsample_map(class_map: npt.NDArray[np.floating], size: tuple[int, int]) -> FloatMap:
    """Bilinear interpolation as torch's with `align_corners=False`.

    The value of pixel `i` is read at `max((i + 1/2) n / N - 1/2, 0)` of n places for N pixels; past
    the last place its value goes on. Equal to torch's but for the last bits of float32, and a place
    that is not finite spoils more of its map; such an image is for review anyway.

    Args:
        class_map: float `[..., h, w]`.
        size: (H, W) in pixels.

    Returns:
        float32 `[..., H, W]`.
    """
    height, width = class_map.shape[-2:]
    down, across = _weigh_places(height, size[0]), _weigh_places(width, size[1])
    with np.errstate(invalid="ignore"):  # infinity times a weight of 0
        # Across first: a fifth of the work on a wide strip.
        return np.asarray(down @ (class_map.astype(np.float32, copy=False) @ across.T))


def compute_heatmap(class_map: npt.NDArray[np.floating], size: tuple[int, int]) -> FloatMap:
    """Probability at each pixel: the logistic function of the upsampled class map.

    Args:
        class_map: logits `[..., h, w]`.
        size: (H, W) in pixels.

    Returns:
        float32 `[..., H, W]` in 0..1, or NaN.
    """
    # tanh, for exp of a large logit would overflow.
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * upsample_map(class_map, size)))


def find_boxes(heatmap: npt.NDArray[np.floating], level: float) -> tuple[Box, ...]:
    """Rectangles around the pieces at or above `level`, the highest score first.

    Pixels belong together where they touch, corners included. NaN is below every level.

    Args:
        heatmap: `[H, W]`.
        level: on the heatmap's scale.

    Raises:
        ValueError: another shape.
    """
    if heatmap.ndim != 2:
        raise ValueError(f"the heatmap has shape {heatmap.shape}: [H, W] is expected")
    width = heatmap.shape[1]
    row, first, last = _find_runs(heatmap >= level)
    if not len(row):
        return ()
    # Values between two runs are computed and dropped: reduceat knows no gaps, nor an end.
    edges = np.stack([row * width + first, row * width + last], axis=1).ravel()
    inner = edges[:-1] if edges[-1] == heatmap.size else edges
    highest = np.maximum.reduceat(heatmap.ravel(), inner)[::2]
    piece = _join_runs(row, first, last, width)
    order = np.argsort(piece, kind="stable")
    starts = np.flatnonzero(np.diff(piece[order], prepend=-1))
    boxes = zip(
        np.minimum.reduceat(first[order], starts).tolist(),
        np.minimum.reduceat(row[order], starts).tolist(),
        np.maximum.reduceat(last[order], starts).tolist(),
        (np.maximum.reduceat(row[order], starts) + 1).tolist(),
        np.add.reduceat((last - first)[order], starts).tolist(),
        np.maximum.reduceat(highest[order], starts).tolist(),
        strict=True,
    )
    return tuple(sorted((Box(*box) for box in boxes), key=lambda box: -box.score))


@lru_cache(maxsize=16)
def _weigh_places(places: int, pixels: int) -> FloatMap:
    """Weight of each place for each pixel along one axis, float32 `[pixels, places]`, read-only."""
    position = np.maximum((np.arange(pixels) + 0.5) * (places / pixels) - 0.5, 0)
    before = np.minimum(position.astype(np.int64), places - 1)
    after = np.minimum(before + 1, places - 1)
    share = position - before
    weights = np.zeros((pixels, places))
    np.add.at(weights, (np.arange(pixels), before), 1 - share)
    np.add.at(weights, (np.arange(pixels), after), share)
    rounded = weights.astype(np.float32)
    rounded.flags.writeable = False
    return rounded


_Integers = npt.NDArray[np.int64]


def _find_runs(hot: npt.NDArray[np.bool_]) -> tuple[_Integers, _Integers, _Integers]:
    """Row, first column and one after the last of each horizontal run, ascending; `[R]` each."""
    height, width = hot.shape
    # One line of all rows, each closed by a pixel that is not hot: edges come in pairs.
    line = np.zeros(1 + height * (width + 1), dtype=bool)
    line[1:].reshape(height, width + 1)[:, :width] = hot
    edges = np.flatnonzero(line[1:] != line[:-1])
    row, first = np.divmod(edges[::2], width + 1)
    return row, first, edges[1::2] - row * (width + 1)


def _join_runs(row: _Integers, first: _Integers, last: _Integers, width: int) -> _Integers:
    """The number of the piece that each run belongs to, int64 `[R]`."""
    # One long line of rows with room between them: a run [s, e) touches [t, f) of the next row,
    # corners included, where t <= e and s <= f.
    room = width + 2
    start, end = row * room + first, row * room + last
    low = np.searchsorted(end, start + room, side="left")
    high = np.searchsorted(start, end + room, side="right")
    touched = np.maximum(high - low, 0)
    one = np.repeat(np.arange(len(row)), touched)
    other = low[one] + np.arange(len(one)) - np.repeat(np.cumsum(touched) - touched, touched)
    # Each piece's higher number hooks onto its lower neighbour's until neighbours agree.
    parent = np.arange(len(row))
    while True:
        a, b = parent[one], parent[other]
        if np.array_equal(a, b):
            return parent
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
