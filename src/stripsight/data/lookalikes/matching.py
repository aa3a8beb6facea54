"""Which pairs of images may show the same, by their fingerprints, without looking at all pairs.

Descriptors that share a stretch of bits lie side by side when sorted by it, so each is compared
with its neighbours in several sortings (in the manner of multi-index hashing: Norouzi et al. 2012,
"Fast search in Hamming space with multi-index hashing"). The number of neighbours is bounded: many
like points, as a regular pattern gives, cost no more than others. Pairs of images several of whose
points match at one displacement, and enough of those that should, are candidates.

Everything is done by the million, in numpy, for a full set has a million points, 20 million matches
and 30,000 displacements that some matches agree on.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.lookalikes.fingerprint import DESCRIPTOR_WORDS, Fingerprint
from stripsight.data.lookalikes.shared_points import lay_out, share_matched
from stripsight.data.lookalikes.voting import Candidate, count_votes

_NEIGHBOURS = 40  # in each sorting
_STEP = 2  # bytes from one sorting's stretch to the next
_PREFIX = 16  # bits that must be equal
_MOST_DIFFERENT_BITS = 12  # of 128, to count as a match
_SURE_MATCHES = 8  # that need no share of the points
_LEAST_SHARE = 0.2  # of the points on the part that would be shared

# What is worked on at once stays in the processor's cache.
_POINTS_AT_ONCE = 2**14
_IMAGES_AT_ONCE = 64
_PAIRS_AT_ONCE = 2**21  # of points, where a displacement is held against all of two images

Ints = npt.NDArray[np.int64]


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
            first, second = np.divmod(_merge(found), max(1, len(points.image)))
            return count_votes(points.image, points.position, first, second)

        voted = [c for found in pool.map(search, range(len(ends) - 1)) for c in found]
        images = lay_out(fingerprints)
        size = max(1, _PAIRS_AT_ONCE // max(1, images.position.shape[1] ** 2))
        parts = [voted[start : start + size] for start in range(0, len(voted), size)]
        shares = list(pool.map(lambda part: share_matched(images, part), parts))
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
    # Word by word: rows of a table are gathered several times as slowly.
    words = [np.ascontiguousarray(word)[order] for word in points.descriptor.T]
    image = points.image[order]
    found = [np.zeros(0, np.int64)]
    for start in range(0, count, _POINTS_AT_ONCE):
        left, right = _find_near(words, start)
        kept = (prefix[left] == prefix[right]) & (image[left] != image[right])
        a, b = order[left[kept]].astype(np.int64), order[right[kept]]
        found.append(np.minimum(a, b) * count + np.maximum(a, b))
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
