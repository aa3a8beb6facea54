"""Which pairs of images may show the same, by their fingerprints, without looking at all pairs.

Descriptors that share a stretch of bits lie side by side when sorted by it, so each is compared
with its neighbours in several sortings (in the manner of multi-index hashing: Norouzi et al. 2012,
"Fast search in Hamming space with multi-index hashing"). The number of neighbours is bounded: many
like points, as a regular pattern gives, cost no more than others. Pairs of images several of whose
points match at one displacement are candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.lookalikes.fingerprint import DESCRIPTOR_WORDS, Fingerprint

_NEIGHBOURS = 40  # in each sorting
_STEP = 2  # bytes from one sorting's stretch to the next
_PREFIX = 16  # bits that must be equal
_MOST_DIFFERENT_BITS = 12  # of 128, to count as a match
_MOST_DIFFERENT_AT_PLACE = 24  # where a displacement says that it should match
_TOLERANCE = 5  # pixels between displacements that agree
_IMAGES_AT_ONCE = 512  # whose matches are counted, to bound the memory
_LEAST_MATCHES = 3
_SURE_MATCHES = 5  # that need no share of the points
_MOST_DISPLACEMENTS = 4  # of one pair: a regular pattern fits itself at several
_LEAST_SHARE = 0.2  # of the points on the part that would be shared

Ints = npt.NDArray[np.int64]


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


@dataclass(frozen=True)
class _Points:
    """All points of all images: `image` `[N]`, `position` `[N, 2]`, `descriptor` `[N, words]`."""

    image: npt.NDArray[np.int32]
    position: npt.NDArray[np.int16]
    descriptor: npt.NDArray[np.uint64]


def find_candidates(fingerprints: Sequence[Fingerprint]) -> list[Candidate]:
    """Pairs of images whose fingerprints agree; one pair at several displacements in a row."""
    points = _join(fingerprints)
    first_image = np.arange(0, len(fingerprints) + _IMAGES_AT_ONCE, _IMAGES_AT_ONCE)
    first_point = np.searchsorted(points.image, first_image)
    pairs = _find_like_points(points)
    blocks = np.split(pairs, np.searchsorted(pairs, first_point[1:-1] * len(points.image)))
    voted = (candidate for block in blocks for candidate in _count_votes(points, block))
    return [
        candidate
        for candidate in voted
        if candidate.matches >= _SURE_MATCHES
        or _share_matched(fingerprints[candidate.first], fingerprints[candidate.second], candidate)
        >= _LEAST_SHARE
    ]


def _share_matched(first: Fingerprint, second: Fingerprint, candidate: Candidate) -> float:
    """Of the points on the shared part, the share that has its like in the other image."""
    shift = np.array([candidate.shift_x, candidate.shift_y])
    ours, theirs = first.points.astype(np.int64) - shift, second.points.astype(np.int64)
    near = (np.abs(ours[:, None] - theirs) <= _TOLERANCE).all(axis=2)
    bits = np.bitwise_count(first.descriptors[:, None] ^ second.descriptors).sum(axis=2)
    like = near & (bits <= _MOST_DIFFERENT_AT_PLACE)
    matched = min(like.any(axis=0).sum(), like.any(axis=1).sum())
    # Where the other image has points there it has steel: its size is not known here.
    ours_there = _count_inside(ours, theirs)
    theirs_there = _count_inside(theirs, ours)
    return float(matched / max(1, min(ours_there, theirs_there)))


def _count_inside(points: Ints, others: Ints) -> int:
    """How many points lie in the box around the others."""
    low, high = others.min(axis=0), others.max(axis=0)
    return int(((points >= low) & (points <= high)).all(axis=1).sum())


def _join(fingerprints: Sequence[Fingerprint]) -> _Points:
    counts = [len(f.points) for f in fingerprints]
    return _Points(
        image=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        position=np.concatenate([np.zeros((0, 2), np.int16), *(f.points for f in fingerprints)]),
        descriptor=np.concatenate(
            [np.zeros((0, DESCRIPTOR_WORDS), np.uint64), *(f.descriptors for f in fingerprints)]
        ),
    )


def _find_like_points(points: _Points) -> Ints:
    """Pairs (a, b), a < b, of points of different images with few different bits.

    Returns:
        int64 a * N + b, sorted, each once: one number, for there may be many millions.
    """
    count = len(points.image)
    found = [np.zeros(0, np.int64)]
    raw = points.descriptor.view(np.uint8).reshape(count, 8 * DESCRIPTOR_WORDS)
    for shift in range(0, raw.shape[1], _STEP):
        keys = np.ascontiguousarray(np.roll(raw, -shift, axis=1)[:, :8]).view(">u8")[:, 0]
        order = np.argsort(keys.astype(np.uint64), kind="stable")
        prefix = (keys[order] >> np.uint64(64 - _PREFIX)).astype(np.uint32)
        image, descriptor = points.image[order], points.descriptor[order]
        for distance in range(1, min(_NEIGHBOURS + 1, count)):
            near = np.flatnonzero(
                (prefix[distance:] == prefix[:-distance]) & (image[distance:] != image[:-distance])
            )
            bits = np.bitwise_count(descriptor[near] ^ descriptor[near + distance]).sum(axis=1)
            near = near[bits <= _MOST_DIFFERENT_BITS]
            a, b = order[near], order[near + distance]
            found.append(np.minimum(a, b) * count + np.maximum(a, b))
        # Not np.unique, whose hashing takes several times as long here.
        pairs = np.concatenate(found)
        pairs.sort()
        is_new = np.ones(len(pairs), np.bool_)
        np.not_equal(pairs[1:], pairs[:-1], out=is_new[1:])
        found = [pairs[is_new]]
    return found[0]


def _count_votes(points: _Points, pairs: Ints) -> Iterator[Candidate]:
    """Displacements that enough matches of one pair of images agree on."""
    first, second = np.divmod(pairs, max(1, len(points.image)))
    pair = points.image[first].astype(np.int64) * (int(points.image.max(initial=0)) + 1)
    pair += points.image[second]
    kept = _count_equal(pair) >= _LEAST_MATCHES
    pair, first, second = pair[kept], first[kept], second[kept]
    moved = points.position[first].astype(np.int64) - points.position[second]
    kept = _may_agree(pair, moved)
    order = np.flatnonzero(kept)[np.argsort(pair[kept], kind="stable")]
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    for members in np.split(order, starts[1:]) if len(order) else []:
        moves = moved[members]
        image, other = (int(points.image[side[members[0]]]) for side in (first, second))
        for x, y, votes in _find_displacements(moves):
            yield Candidate(image, other, x, y, votes)


def _may_agree(pair: Ints, moved: Ints) -> npt.NDArray[np.bool_]:
    """Whether a match lies in a bin of displacements with enough of its pair of images.

    Bins twice as wide as matches that agree may differ, in grids that overlap by half: any that
    agree lie in one bin of some grid.
    """
    kept = np.zeros(len(pair), np.bool_)
    half = 2 * _TOLERANCE
    for x in (0, half):
        for y in (0, half):
            across = (moved[:, 0] + x) // (2 * half) + 2**11
            down = (moved[:, 1] + y) // (2 * half) + 2**11
            kept |= _count_equal((pair * 2**12 + across) * 2**12 + down) >= _LEAST_MATCHES
    return kept


def _count_equal(values: Ints) -> Ints:
    """Of each value, how often it is there."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-1))
    sizes = np.diff(starts, append=len(values))
    counts = np.empty(len(values), np.int32)
    counts[order] = np.repeat(sizes, sizes)
    return np.asarray(counts)


def _find_displacements(moves: Ints) -> Iterator[tuple[int, int, int]]:
    """The displacements that most matches agree on and how many do, most first."""
    agree = _are_near(moves[:, 0]) & _are_near(moves[:, 1])
    left = np.ones(len(moves), np.bool_)
    for _ in range(_MOST_DISPLACEMENTS):
        votes = (agree & left).sum(axis=1) * left
        best = int(votes.argmax())
        if votes[best] < _LEAST_MATCHES:
            return
        chosen = agree[best] & left
        x, y = moves[chosen].mean(axis=0)
        yield round(float(x)), round(float(y)), int(votes[best])
        left &= ~chosen


def _are_near(values: Ints) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(values[:, None] - values[None]) <= _TOLERANCE)
