"""Which pairs of images may show the same, by their fingerprints, without looking at all pairs.

Descriptors that share a stretch of bits lie side by side when sorted by it, so each is compared
with its neighbours in several sortings (in the manner of multi-index hashing: Norouzi et al. 2012,
"Fast search in Hamming space with multi-index hashing"). The number of neighbours is bounded: many
like points, as a regular pattern gives, cost no more than others. Pairs of images several of whose
points match at one displacement, and enough of those that should, are candidates.

Everything is done by the million, in numpy, for a full set has a million points, 20 million matches
and 30,000 displacements that some matches agree on.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
_LEAST_MATCHES = 3
_SURE_MATCHES = 8  # that need no share of the points
_MOST_DISPLACEMENTS = 4  # of one pair: a regular pattern fits itself at several
_LEAST_SHARE = 0.2  # of the points on the part that would be shared

# What is worked on at once stays in the processor's cache.
_POINTS_AT_ONCE = 2**14
_IMAGES_AT_ONCE = 64
_PAIRS_AT_ONCE = 2**21  # of points, where a displacement is held against all of two images
_BINS = 2**20
_NOWHERE = 2**20  # pixels: where there is no point

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


@dataclass(frozen=True)
class _Points:
    """All points of all images: `image` `[N]`, `position` `[N, 2]`, `descriptor` `[N, words]`."""

    image: npt.NDArray[np.int32]
    position: npt.NDArray[np.int16]
    descriptor: npt.NDArray[np.uint64]


def find_candidates(fingerprints: Sequence[Fingerprint], *, workers: int = 1) -> list[Candidate]:
    """Pairs of images whose fingerprints agree; one pair at several displacements in a row.

    Args:
        fingerprints: of all images.
        workers: threads; the result is the same for any number.
    """
    points = _join(fingerprints)
    ends = np.searchsorted(
        points.image, np.arange(0, len(fingerprints) + _IMAGES_AT_ONCE, _IMAGES_AT_ONCE)
    )
    with ThreadPoolExecutor(workers) as pool:
        starts = range(0, 8 * DESCRIPTOR_WORDS, _STEP)
        sortings = list(pool.map(lambda byte: _find_like_points(points, byte), starts))
        limits = [np.searchsorted(pairs, ends * len(points.image)) for pairs in sortings]

        def search(block: int) -> list[Candidate]:
            found = [
                pairs[limit[block] : limit[block + 1]]
                for pairs, limit in zip(sortings, limits, strict=True)
            ]
            return list(_count_votes(points, _merge(found)))

        voted = [c for found in pool.map(search, range(len(ends) - 1)) for c in found]
        images = _lay_out(fingerprints)
        size = max(1, _PAIRS_AT_ONCE // max(1, images.position.shape[1] ** 2))
        parts = [voted[start : start + size] for start in range(0, len(voted), size)]
        shares = list(pool.map(lambda part: _share_matched(images, part), parts))
    return [
        candidate
        for part, share in zip(parts, shares, strict=True)
        for candidate, matched in zip(part, share.tolist(), strict=True)
        if candidate.matches >= _SURE_MATCHES or matched >= _LEAST_SHARE
    ]


def _join(fingerprints: Sequence[Fingerprint]) -> _Points:
    counts = [len(f.points) for f in fingerprints]
    return _Points(
        image=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        position=np.concatenate([np.zeros((0, 2), np.int16), *(f.points for f in fingerprints)]),
        descriptor=np.concatenate(
            [np.zeros((0, DESCRIPTOR_WORDS), np.uint64), *(f.descriptors for f in fingerprints)]
        ),
    )


def _find_like_points(points: _Points, byte: int) -> Ints:
    """Pairs (a, b), a < b, of points of different images with few different bits.

    They are neighbours when sorted by the 64 bits from `byte` on, of which the first are equal.

    Returns:
        int64 a * N + b, sorted, each once: one number, for there are many millions.
    """
    count = len(points.image)
    raw = points.descriptor.view(np.uint8).reshape(count, 8 * DESCRIPTOR_WORDS)
    keys = np.ascontiguousarray(np.roll(raw, -byte, axis=1)[:, :8]).view(">u8")[:, 0]
    # The number of the point in place of the last bits: a plain sort takes a tenth of an argsort.
    low = np.uint64(2 ** count.bit_length() - 1)
    ordered = (keys & ~low) | np.arange(count, dtype=np.uint64)
    ordered.sort()
    order = (ordered & low).astype(np.int32)
    prefix = (ordered >> np.uint64(64 - _PREFIX)).astype(np.uint16)
    words = [np.ascontiguousarray(word) for word in points.descriptor[order].T]
    found = [np.zeros(0, np.int64)]
    for start in range(0, count, _POINTS_AT_ONCE):
        left, right = _find_near(words, start)
        alike = prefix[left] == prefix[right]
        a, b = order[left[alike]].astype(np.int64), order[right[alike]].astype(np.int64)
        apart = points.image[a] != points.image[b]
        found.append((np.minimum(a, b) * count + np.maximum(a, b))[apart])
    pairs: Ints = np.concatenate(found)
    pairs.sort()
    return pairs


def _find_near(words: Sequence[npt.NDArray[np.uint64]], start: int) -> tuple[Ints, Ints]:
    """Places from `start` on and places a few further on whose descriptors differ in few bits."""
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for distance in range(1, _NEIGHBOURS + 1):
        stop = min(start + _POINTS_AT_ONCE, len(words[0]) - distance)
        if stop <= start:
            break
        bits = np.zeros(stop - start, np.uint8)
        for word in words:
            bits += np.bitwise_count(word[start:stop] ^ word[start + distance : stop + distance])
        near = np.flatnonzero(bits <= _MOST_DIFFERENT_BITS) + start
        left.append(near)
        right.append(near + distance)
    return np.concatenate(left), np.concatenate(right)


def _merge(sorted_pairs: Sequence[Ints]) -> Ints:
    # Not np.unique, whose hashing takes several times as long here.
    pairs = np.concatenate(sorted_pairs)
    pairs.sort()
    is_new = np.ones(len(pairs), np.bool_)
    np.not_equal(pairs[1:], pairs[:-1], out=is_new[1:])
    return pairs[is_new]


def _count_votes(points: _Points, pairs: Ints) -> Iterator[Candidate]:
    """Displacements that enough matches of one pair of images agree on.

    Args:
        points: all.
        pairs: as of `_find_like_points`, of a few neighbouring first images.
    """
    if not len(pairs):
        return
    first, second = np.divmod(pairs, len(points.image))
    lowest, many = int(points.image[first[0]]), int(points.image[-1]) + 1
    pair = (points.image[first].astype(np.int64) - lowest) * many + points.image[second]
    kept = np.bincount(pair)[pair] >= _LEAST_MATCHES
    pair, first, second = pair[kept], first[kept], second[kept]
    moved = points.position[first].astype(np.int64) - points.position[second]
    kept = np.flatnonzero(_may_agree(pair, moved))
    kept = kept[np.argsort(pair[kept], kind="stable")]
    starts = np.flatnonzero(np.diff(pair[kept], prepend=-1))
    for members in np.split(kept, starts[1:]) if len(kept) else []:
        if len(members) < _LEAST_MATCHES:
            continue
        image, other = (int(points.image[side[members[0]]]) for side in (first, second))
        for x, y, votes in _find_displacements(moved[members]):
            yield Candidate(image, other, x, y, votes)


def _may_agree(pair: Ints, moved: Ints) -> Flags:
    """Whether a match lies in a bin of displacements with enough of its pair of images.

    Bins twice as wide as matches that agree may differ, in grids that overlap by half: any that
    agree lie in one bin of some grid. Bins are told apart by a hash (Knuth's multiplicative one):
    now and then two fall together, and a match is kept that agrees with none.
    """
    kept = np.zeros(len(pair), np.bool_)
    half = 2 * _TOLERANCE
    for x in (0, half):
        across = (moved[:, 0] + x) // (2 * half) + 2**11
        for y in (0, half):
            down = (moved[:, 1] + y) // (2 * half) + 2**11
            key = ((pair * 2**12 + across) * 2**12 + down).astype(np.uint64)
            place = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(44)).astype(np.int64)
            kept |= np.bincount(place, minlength=_BINS)[place] >= _LEAST_MATCHES
    return kept


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


@dataclass(frozen=True)
class _Layout:
    """Points by image: `position` `[I, K, 2]`, `descriptor` `[I, K, words]`.

    All images have as many places; where one has fewer points, the rest are nowhere.
    """

    position: npt.NDArray[np.int32]
    descriptor: npt.NDArray[np.uint64]


def _lay_out(fingerprints: Sequence[Fingerprint]) -> _Layout:
    most = max((len(f.points) for f in fingerprints), default=0)
    position = np.full((len(fingerprints), most, 2), _NOWHERE, np.int32)
    descriptor = np.zeros((len(fingerprints), most, DESCRIPTOR_WORDS), np.uint64)
    for row, fingerprint in enumerate(fingerprints):
        position[row, : len(fingerprint.points)] = fingerprint.points
        descriptor[row, : len(fingerprint.points)] = fingerprint.descriptors
    return _Layout(position, descriptor)


def _share_matched(images: _Layout, candidates: Sequence[Candidate]) -> npt.NDArray[np.float64]:
    """Of the points on the shared part, the share that has its like in the other image, `[N]`."""
    first = np.array([c.first for c in candidates])
    second = np.array([c.second for c in candidates])
    shift = np.array([(c.shift_x, c.shift_y) for c in candidates], np.int32)
    ours, theirs = images.position[first], images.position[second]
    known, known_there = ours[:, :, 0] != _NOWHERE, theirs[:, :, 0] != _NOWHERE
    ours = np.where(known[:, :, None], ours - shift[:, None], 2 * _NOWHERE)
    near = np.ones((len(candidates), ours.shape[1], theirs.shape[1]), np.bool_)
    for axis in (0, 1):
        apart = ours[:, :, None, axis] - theirs[:, None, :, axis]
        near &= np.abs(apart) <= _TOLERANCE
    which, a, b = np.nonzero(near)
    differ = images.descriptor[first[which], a] ^ images.descriptor[second[which], b]
    like = np.bitwise_count(differ).sum(axis=1) <= _MOST_DIFFERENT_AT_PLACE
    matched = np.minimum(
        *(_count_marked(which[like], place[like], near.shape[:2]) for place in (a, b))
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
