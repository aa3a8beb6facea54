"""Single defects in run-length masks: pieces that hang together, measured without drawing them.

Runs are linked to those of the next column that they touch, corners included (8-neighbours), and
the connected components of that graph are the defects: some thousand masks take a second or two,
where labelling their pixels would take a minute.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stripsight.data.rle import Runs

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ColumnRuns:
    """Runs that each lie in one column of one mask, ascending by mask, column and row.

    Attributes:
        mask: int64 `[R]`, index of the mask.
        column: int64 `[R]`, pixels from the left.
        top: int64 `[R]`, first row.
        bottom: int64 `[R]`, one after the last row.
    """

    mask: Integers
    column: Integers
    top: Integers
    bottom: Integers


@dataclass(frozen=True)
class Components:
    """Connected pieces, in no special order; `[D]` int64 each, in pixels.

    Attributes:
        mask: index of the mask the piece belongs to.
        area: number of pixels.
        left: first column.
        top: first row.
        width: columns from the first to the last.
        height: rows likewise.
    """

    mask: Integers
    area: Integers
    left: Integers
    top: Integers
    width: Integers
    height: Integers


def split_at_columns(runs: list[Runs], heights: Integers) -> ColumnRuns:
    """The runs of several masks, cut where they go on in the next column.

    Args:
        runs: of each mask, ascending and apart, as `parse_runs` gives them.
        heights: int64 `[M]`, of each mask's image in pixels.
    """
    flat = np.concatenate([np.zeros((0, 2), np.int64), *runs])
    mask = np.repeat(np.arange(len(runs)), [len(r) for r in runs])
    height = heights[mask]
    start, end = flat[:, 0], flat.sum(axis=1)
    first, last = start // height, (end - 1) // height
    pieces = last - first + 1
    source = np.repeat(np.arange(len(flat)), pieces)
    step = np.arange(len(source)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    column = first[source] + step
    high = height[source]
    return ColumnRuns(
        mask=mask[source],
        column=column,
        top=np.maximum(start[source] - column * high, 0),
        bottom=np.minimum(end[source] - column * high, high),
    )


def find_components(runs: ColumnRuns) -> Components:
    """The connected pieces (8-neighbours) of each mask."""
    count = len(runs.mask)
    if not count:
        none = np.zeros(0, np.int64)
        return Components(none, none, none, none, none, none)
    graph = _link_neighbours(runs)
    pieces, piece = connected_components(graph, directed=False)
    order = np.argsort(piece, kind="stable")
    starts = np.searchsorted(piece[order], np.arange(pieces))
    left = np.minimum.reduceat(runs.column[order], starts)
    top = np.minimum.reduceat(runs.top[order], starts)
    return Components(
        mask=runs.mask[order][starts],
        area=np.add.reduceat((runs.bottom - runs.top)[order], starts),
        left=left,
        top=top,
        width=np.maximum.reduceat(runs.column[order], starts) + 1 - left,
        height=np.maximum.reduceat(runs.bottom[order], starts) - top,
    )


def _link_neighbours(runs: ColumnRuns) -> coo_array:
    """Which runs touch one of the next column, as a graph `[R, R]`."""
    # One long line: masks, columns and rows one after another, with room between columns that no
    # run of the next one can reach across.
    room = int(runs.bottom.max()) + 2
    columns = int(runs.column.max()) + 3
    place = (runs.mask * columns + runs.column) * room
    start, end = place + runs.top, place + runs.bottom
    # A run [s, e) touches [t, f) of the next column where t <= e and s <= f.
    low = np.searchsorted(end, start + room, side="left")
    high = np.searchsorted(start, end + room, side="right")
    touched = np.maximum(high - low, 0)
    source = np.repeat(np.arange(len(start)), touched)
    step = np.arange(len(source)) - np.repeat(np.cumsum(touched) - touched, touched)
    target = low[source] + step
    ones = np.ones(len(source), np.int8)
    return coo_array((ones, (source, target)), shape=(len(start), len(start)))
