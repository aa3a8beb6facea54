import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.lookalikes import matching
from stripsight.data.lookalikes.fingerprint import Fingerprint


def make_fingerprints(rng, count, points=40):
    return [
        Fingerprint(
            points=np.stack(
                [rng.integers(28, 1572, points), rng.integers(28, 228, points)], axis=1
            ).astype(np.int16),
            descriptors=rng.integers(0, 2**63, (points, 2), dtype=np.uint64),
        )
        for _ in range(count)
    ]


def flip_bits(descriptors, rng, most):
    flipped = descriptors.copy()
    for row in range(len(flipped)):
        for bit in rng.choice(128, rng.integers(0, most + 1), replace=False):
            flipped[row, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return flipped


def test_shared_part_is_found_with_its_displacement_and_nothing_else():
    rng = np.random.default_rng(0)
    fingerprints = make_fingerprints(rng, 30)
    shared = fingerprints[7].points[:, 0] >= 700
    fingerprints[21] = Fingerprint(
        points=np.concatenate(
            [fingerprints[7].points[shared] - np.array([640, -8], np.int16), [[1500, 100]]]
        ).astype(np.int16),
        descriptors=np.concatenate(
            [flip_bits(fingerprints[7].descriptors[shared], rng, 6), np.array([[1, 2]], np.uint64)]
        ),
    )
    (found,) = matching.find_candidates(fingerprints)
    assert (found.first, found.second) == (7, 21)
    assert (found.shift_x, found.shift_y) == (640, -8)
    assert found.matches == shared.sum()


def test_matches_that_do_not_agree_on_a_displacement_are_no_candidate():
    rng = np.random.default_rng(1)
    first, second = make_fingerprints(rng, 2)
    scattered = Fingerprint(second.points, first.descriptors)
    assert matching.find_candidates([first, scattered]) == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), images=st.integers(1, 6))
def test_like_points_against_all_pairs(seed, images):
    """Seven different bits leave one of eight disjoint stretches equal (pigeonhole)."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**63, (3, 2), dtype=np.uint64)
    fingerprints = [
        Fingerprint(np.zeros((3, 2), np.int16), flip_bits(base, rng, 5)) for _ in range(images)
    ]
    points = matching._join(fingerprints)
    keys = matching._find_like_points(points)
    assert (np.diff(keys) > 0).all()
    found = {divmod(key, len(points.image)) for key in keys.tolist()}
    for a in range(len(points.image)):
        for b in range(a + 1, len(points.image)):
            bits = int(np.bitwise_count(points.descriptor[a] ^ points.descriptor[b]).sum())
            if points.image[a] == points.image[b] or bits > matching._MOST_DIFFERENT_BITS:
                assert (a, b) not in found
            elif bits <= 7:
                assert (a, b) in found


def test_thousands_of_equal_points_stay_bounded():
    equal = [
        Fingerprint(np.full((40, 2), 100, np.int16), np.full((40, 2), 5, np.uint64))
        for _ in range(200)
    ]
    found = matching._find_like_points(matching._join(equal))
    assert len(found) <= 200 * 40 * matching._NEIGHBOURS


def test_a_pattern_that_fits_at_several_displacements_gives_each():
    rng = np.random.default_rng(2)
    columns = np.arange(100, 1400, 100)
    grid = np.stack([columns, np.full_like(columns, 128)], axis=1).astype(np.int16)
    descriptor = rng.integers(0, 2**63, (1, 2), dtype=np.uint64).repeat(len(grid), axis=0)
    found = matching.find_candidates([Fingerprint(grid, descriptor)] * 2)
    assert {(c.first, c.second) for c in found} == {(0, 1)}
    assert {0, 100, -100} <= {c.shift_x for c in found}


def test_a_lone_match_beside_the_others_gives_no_displacement_of_its_own():
    rng = np.random.default_rng(3)
    first = make_fingerprints(rng, 1, points=5)[0]
    moved = first.points.copy()
    moved[4, 0] += 8
    (found,) = matching.find_candidates([first, Fingerprint(moved, first.descriptors)])
    assert (found.shift_x, found.matches) == (0, 4)


def test_nothing_to_match():
    assert matching.find_candidates([]) == []
    empty = Fingerprint(np.zeros((0, 2), np.int16), np.zeros((0, 2), np.uint64))
    assert matching.find_candidates([empty, empty]) == []
