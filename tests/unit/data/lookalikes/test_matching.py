import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.lookalikes import matching, shared_points, voting
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
    sortings = [matching._find_like_points(points, byte) for byte in range(0, 16, 2)]
    assert all((np.diff(keys) > 0).all() for keys in sortings)
    keys = matching._merge(sortings)
    assert set(keys.tolist()) == set(np.concatenate(sortings).tolist())
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
    found = matching._find_like_points(matching._join(equal), 0)
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


def test_the_number_of_threads_and_of_images_at_once_change_nothing(monkeypatch):
    rng = np.random.default_rng(4)
    fingerprints = make_fingerprints(rng, 20)
    for row in range(1, 20, 3):
        moved = fingerprints[row - 1].points + np.array([40 * row, 8], np.int16)
        descriptors = flip_bits(fingerprints[row - 1].descriptors, rng, 8)
        fingerprints[row] = Fingerprint(moved[: 10 + row], descriptors[: 10 + row])
    found = matching.find_candidates(fingerprints)
    assert {(c.first, c.second) for c in found} == {(row - 1, row) for row in range(1, 20, 3)}
    monkeypatch.setattr(matching, "_IMAGES_AT_ONCE", 3)
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 1)
    monkeypatch.setattr(matching, "_POINTS_AT_ONCE", 7)
    monkeypatch.setattr(voting, "_AT_ONCE", 1)
    assert matching.find_candidates(fingerprints, workers=3) == found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_share_matched_against_point_by_point(seed):
    rng = np.random.default_rng(seed)
    first, second = make_fingerprints(rng, 2, points=12)
    many = int(rng.integers(1, 12))
    second = Fingerprint(
        np.concatenate([first.points[:many] - np.array([9, -4], np.int16), second.points[many:]]),
        np.concatenate([flip_bits(first.descriptors[:many], rng, 40), second.descriptors[many:]]),
    )
    x, y = (int(v) for v in rng.integers(-12, 13, 2))
    partners = [
        [
            b
            for b in range(12)
            if max(abs(first.points[a] - np.array([x, y]) - second.points[b])) <= voting.TOLERANCE
            and np.bitwise_count(first.descriptors[a] ^ second.descriptors[b]).sum()
            <= shared_points._MOST_DIFFERENT_BITS
        ]
        for a in range(12)
    ]
    matched = min(sum(map(bool, partners)), len({b for some in partners for b in some}))
    moved = first.points - np.array([x, y])
    there = [
        sum(((p >= box.min(axis=0)) & (p <= box.max(axis=0))).all() for p in points)
        for points, box in ((moved, second.points), (second.points, moved))
    ]
    images = shared_points.lay_out([first, make_fingerprints(rng, 1, points=20)[0], second])
    (share,) = shared_points.share_matched(images, [voting.Candidate(0, 2, x, y, 3)])
    assert share == matched / max(1, min(there))


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(
        st.lists(st.tuples(st.integers(-30, 30), st.integers(-8, 8)), min_size=1, max_size=20),
        min_size=1,
        max_size=6,
    )
)
def test_votes_against_one_group_after_the_other(groups):
    """The displacement that most agree on, then of what is left, at most four times."""
    position, image, first, second = [(0, 0)], [0], [], []
    for number, group in enumerate(groups, start=1):
        for x, y in group:
            first.append(0)
            second.append(len(position))
            position.append((-x, -y))
            image.append(number)
    expected = []
    for number, group in enumerate(groups, start=1):
        left = list(group)
        for _ in range(4):
            near = [
                [m for m in left if max(abs(m[0] - x), abs(m[1] - y)) <= voting.TOLERANCE]
                for x, y in left
            ]
            best = max(near, key=len, default=[])
            if len(best) < voting.LEAST_MATCHES:
                break
            x, y = np.rint(np.mean(best, axis=0)).astype(int).tolist()
            expected.append(voting.Candidate(0, number, x, y, len(best)))
            for match in best:
                left.remove(match)
    found = voting.count_votes(
        np.array(image, np.int32), np.array(position, np.int16), np.array(first), np.array(second)
    )
    assert found == expected


def test_nothing_to_match():
    assert matching.find_candidates([]) == []
    empty = Fingerprint(np.zeros((0, 2), np.int16), np.zeros((0, 2), np.uint64))
    assert matching.find_candidates([empty, empty]) == []
