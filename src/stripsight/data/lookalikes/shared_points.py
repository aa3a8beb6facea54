"""How many of the points on the part that two images may share have their like in the other image.

A few points agree on a displacement by chance; where it is right, about half of all do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.lookalikes.fingerprint import DESCRIPTOR_WORDS, Fingerprint
from stripsight.data.lookalikes.voting import TOLERANCE, Candidate

_MOST_DIFFERENT_BITS = 24  # of 128, where a displacement says that a point should match
_NOWHERE = 2**20  # pixels: where there is no point

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """Points by image: `position` `[I, K, 2]`, `descriptor` `[I, K, words]`.

    All images have as many places; where one has fewer points, the rest are nowhere.
    """

    position: npt.NDArray[np.int32]
    descriptor: npt.NDArray[np.uint64]


def lay_out(fingerprints: Sequence[Fingerprint]) -> Layout:
    """All points, as `share_matched` takes them."""
    most = max((len(f.points) for f in fingerprints), default=0)
    position = np.full((len(fingerprints), most, 2), _NOWHERE, np.int32)
    descriptor = np.zeros((len(fingerprints), most, DESCRIPTOR_WORDS), np.uint64)
    for row, fingerprint in enumerate(fingerprints):
        position[row, : len(fingerprint.points)] = fingerprint.points
        descriptor[row, : len(fingerprint.points)] = fingerprint.descriptors
    return Layout(position, descriptor)


def share_matched(images: Layout, candidates: Sequence[Candidate]) -> npt.NDArray[np.float64]:
    """Of the points on the shared part, the share that has its like in the other image, `[N]`."""
    first = np.array([c.first for c in candidates])
    second = np.array([c.second for c in candidates])
    shift = np.array([(c.shift_x, c.shift_y) for c in candidates], np.int32)
    ours, theirs = images.position[first], images.position[second]
    known, known_there = ours[:, :, 0] != _NOWHERE, theirs[:, :, 0] != _NOWHERE
    ours = np.where(known[:, :, None], ours - shift[:, None], 2 * _NOWHERE)
    apart = ours[:, :, None, 0] - theirs[:, None, :, 0]
    # Not np.nonzero, which takes ten times as long for three axes.
    near_along = np.flatnonzero(np.abs(apart) <= TOLERANCE)
    which, a, b = np.unravel_index(near_along, apart.shape)
    near = np.abs(ours[which, a, 1] - theirs[which, b, 1]) <= TOLERANCE
    which, a, b = which[near], a[near], b[near]
    differ = images.descriptor[first[which], a] ^ images.descriptor[second[which], b]
    like = np.bitwise_count(differ).sum(axis=1) <= _MOST_DIFFERENT_BITS
    matched = np.minimum(
        *(_count_marked(which[like], place[like], known.shape) for place in (a, b))
    )
    # Where the other image has points there it has steel: its size is not known here.
    there = np.minimum(
        _count_inside(ours, known, theirs, known_there),
        _count_inside(theirs, known_there, ours, known),
    )
    return np.asarray(matched / np.maximum(1, there))


def _count_marked(rows: Ints, places: Ints, shape: tuple[int, int]) -> Ints:
    """How many different places of each row are named."""
    marked = np.zeros(shape, np.bool_)
    marked[rows, places] = True
    return np.asarray(marked.sum(axis=1))


def _count_inside(
    points: npt.NDArray[np.int32], known: Flags, others: npt.NDArray[np.int32], known_there: Flags
) -> Ints:
    """How many points lie in the box around the others; `[N, K, 2]` and `[N, K]` each."""
    low = np.where(known_there[:, :, None], others, 4 * _NOWHERE).min(axis=1, keepdims=True)
    high = np.where(known_there[:, :, None], others, -4 * _NOWHERE).max(axis=1, keepdims=True)
    inside = ((points >= low) & (points <= high)).all(axis=2)
    return np.asarray((inside & known).sum(axis=1))
