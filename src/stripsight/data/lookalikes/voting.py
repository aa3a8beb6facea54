"""From like points to displacements that several of them agree on, pair of images by pair.

Of 20 million like points of a full set nearly all agree with no other. So what a cheap count rules
out goes first, and what is left is worked on in whole arrays.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_MATCHES = 3
TOLERANCE = 5
"""Pixels between displacements that agree."""

_MOST_DISPLACEMENTS = 4  # of one pair: a regular pattern fits itself at several
_BINS = 2**20
_AT_ONCE = 2**18  # pairs of matches that are held against each other

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two images that may share a part.

    Attributes:
        first: position in the sequence that was searched.
        second: likewise, larger.
        shift_x: content at column x of `first` may be at x - shift_x of `second`, pixels.
        shift_y: likewise for rows.
        matches: points that agree on it.
    """

    first: int
    second: int
    shift_x: int
    shift_y: int
    matches: int


def count_votes(
    image: npt.NDArray[np.int32], position: npt.NDArray[np.int16], first: Ints, second: Ints
) -> list[Candidate]:
    """Displacements that enough matches of one pair of images agree on, in a row for each pair.

    Args:
        image: of all points, `[N]`.
        position: likewise, `[N, 2]`.
        first: of like points the one, `[M]`; of a few neighbouring images.
        second: the other.
    """
    if not len(first):
        return []
    lowest, many = int(image[first].min()), int(image[-1]) + 1
    pair = (image[first].astype(np.int64) - lowest) * many + image[second]
    kept = np.bincount(pair)[pair] >= LEAST_MATCHES
    pair, first, second = pair[kept], first[kept], second[kept]
    moved = np.stack([(at[first] - at[second]).astype(np.int64) for at in position.T], axis=1)
    kept = _may_agree(pair, moved)
    pair, moved = pair[kept], moved[kept]
    order = np.argsort(pair, kind="stable")
    pair, moved = pair[order], moved[order]
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    found = np.concatenate([np.zeros((0, 5), np.int64), *_find_displacements(moved, starts)])
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    ours, theirs = np.divmod(pair[starts[found[:, 0]]], many)
    rows = zip((ours + lowest).tolist(), theirs.tolist(), found[:, 2:].tolist(), strict=True)
    return [Candidate(a, b, *values) for a, b, values in rows]


def _may_agree(pair: Ints, moved: Ints) -> Flags:
    """Whether a match lies in a bin of displacements with enough of its pair of images.

    Bins twice as wide as matches that agree may differ, in grids that overlap by half: any that
    agree lie in one bin of some grid. Bins are told apart by a hash (Knuth's multiplicative one):
    now and then two fall together, and a match is kept that agrees with none.
    """
    kept = np.zeros(len(pair), np.bool_)
    half = 2 * TOLERANCE
    for x in (0, half):
        across = (moved[:, 0] + x) // (2 * half) + 2**11
        for y in (0, half):
            down = (moved[:, 1] + y) // (2 * half) + 2**11
            key = ((pair * 2**12 + across) * 2**12 + down).astype(np.uint64)
            place = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(44)).astype(np.int64)
            kept |= np.bincount(place, minlength=_BINS)[place] >= LEAST_MATCHES
    return kept


def _find_displacements(moved: Ints, starts: Ints) -> Iterator[Ints]:
    """Displacements of groups of matches, `moved[starts[g] : starts[g + 1]]` each.

    Groups of about one size are laid side by side.

    Yields:
        int64 `[F, 5]`: group, number (0 for that of most votes), x, y, votes.
    """
    sizes = np.diff(starts, append=len(moved))
    width = 4
    while (sizes > width // 2).any():
        groups = np.flatnonzero((sizes > width // 2) & (sizes <= width) & (sizes >= LEAST_MATCHES))
        step = max(1, _AT_ONCE // width**2)
        for begin in range(0, len(groups), step):
            some = groups[begin : begin + step]
            places = np.arange(width)
            known = places < sizes[some, None]
            moves = moved[np.where(known, starts[some, None] + places, 0)]
            yield from _vote(some, moves, known)
        width *= 2


def _vote(groups: Ints, moves: Ints, known: Flags) -> Iterator[Ints]:
    """See `_find_displacements`; `moves` `[G, K, 2]`, `known` `[G, K]`."""
    agree = known[:, :, None] & known[:, None]
    for axis in (0, 1):
        agree &= np.abs(moves[:, :, None, axis] - moves[:, None, :, axis]) <= TOLERANCE
    left = known
    for number in range(_MOST_DISPLACEMENTS):
        votes = (agree & left[:, None]).sum(axis=2) * left
        going = votes.max(axis=1) >= LEAST_MATCHES
        groups, moves, agree, left, votes = (
            values[going] for values in (groups, moves, agree, left, votes)
        )
        if not len(groups):
            return
        best = votes.argmax(axis=1)
        chosen = agree[np.arange(len(groups)), best] & left
        count = chosen.sum(axis=1)
        mean = (moves * chosen[:, :, None]).sum(axis=1) / count[:, None]
        x, y = np.rint(mean).astype(np.int64).T
        yield np.stack([groups, np.full_like(groups, number), x, y, count], axis=1)
        left = left & ~chosen
