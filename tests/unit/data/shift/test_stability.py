import numpy as np
import pytest

from stripsight.data.shift.stability import (
    choose_bin_count,
    compute_psi,
    measure_stability,
    shuffle_groups,
)


def test_a_case_by_hand():
    """A: ten images to each of four bins; B: 4, 8, 12 and 16 of 40."""
    a = np.repeat([1.0, 2.0, 3.0, 4.0], 10) + np.tile(np.arange(10) / 100, 4)
    b = np.repeat([1.0, 2.0, 3.0, 4.0], [4, 8, 12, 16])
    by_hand = (
        (0.10 - 0.25) * np.log(0.10 / 0.25)
        + (0.20 - 0.25) * np.log(0.20 / 0.25)
        + (0.30 - 0.25) * np.log(0.30 / 0.25)
        + (0.40 - 0.25) * np.log(0.40 / 0.25)
    )
    assert by_hand == pytest.approx(0.2282, abs=1e-4)
    assert compute_psi(a, b, bins=4) == pytest.approx(by_hand, rel=1e-12)


def test_a_common_value_is_a_bin_of_its_own():
    """90 of 100 images have no border; in B half have one of a single pixel."""
    a = np.r_[np.zeros(90), np.arange(100, 110)]
    b = np.r_[np.zeros(50), np.ones(50)]
    by_hand = (0.5 - 0.9) * np.log(0.5 / 0.9) + (0.5 - 0.1) * np.log(0.5 / 0.1)
    assert compute_psi(a, b) == pytest.approx(by_hand, rel=1e-12)


def test_what_stands_beside_a_constant_is_seen():
    """One quality in A; another in B, on either side: an empty bin counts as half an image."""
    a = np.full(100, 90.0)
    for other in (75.0, 95.0):
        by_hand = 2 * (1 - 0.005) * np.log(1 / 0.005)
        assert compute_psi(a, np.full(100, other)) == pytest.approx(by_hand, rel=1e-12)
    assert compute_psi(a, a) == 0


def test_without_ties_the_bins_are_numpys_quantile_bins():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 1000), rng.normal(0.3, 1.2, 700)
    # A bin is (lower, upper]; none of B stands on an edge.
    edges = np.r_[-np.inf, np.quantile(a, np.arange(1, 10) / 10, method="inverted_cdf"), np.inf]
    p = np.full(10, 0.1)
    q = np.histogram(b, edges)[0] / 700
    assert compute_psi(a, b) == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=1e-12)


def test_the_same_values_give_nothing():
    values = np.random.default_rng(0).normal(size=500)
    assert compute_psi(values, values[::-1]) == 0


def test_equal_sets_stay_within_chance():
    """By the definition of the limit, 99 % of them; its size is that of the formula."""
    rng = np.random.default_rng(1)
    found = [
        measure_stability(rng.normal(size=200), rng.normal(size=200), groups=np.arange(400), seed=n)
        for n in range(40)
    ]
    inside = np.mean([s.psi <= s.chance for s in found])
    assert inside >= 0.92
    # Chi squared with 9 degrees of freedom: mean 9, 99 % quantile 21.7.
    assert np.mean([s.psi for s in found]) == pytest.approx(9 * 2 / 200, rel=0.15)
    assert np.mean([s.chance for s in found]) == pytest.approx(21.67 * 2 / 200, rel=0.15)


def test_a_plain_shift_is_large_and_beyond_chance():
    rng = np.random.default_rng(2)
    found = measure_stability(rng.normal(size=300), rng.normal(1, 1, 300), groups=np.arange(600))
    assert found.verdict == "large"
    assert found.p_value == pytest.approx(1 / 301)


def test_look_alikes_widen_what_chance_does():
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=40), 10)
    alone = measure_stability(values[:200], values[200:], groups=np.arange(400))
    grouped = measure_stability(values[:200], values[200:], groups=np.repeat(np.arange(40), 10))
    assert grouped.chance > 3 * alone.chance


def test_a_shuffle_keeps_groups_together():
    groups = np.repeat([7, 3, 9], [4, 1, 5])[np.random.default_rng(0).permutation(10)]
    order = shuffle_groups(groups, np.random.default_rng(1))
    assert sorted(order) == list(range(10))
    shuffled = groups[order]
    assert (np.diff(shuffled) != 0).sum() == 2


@pytest.mark.parametrize(
    ("images", "bins"), [((1000, 5000), 10), ((5000, 110), 5), ((3, 3), 4), ((200, 199), 9)]
)
def test_small_sets_get_fewer_bins(images, bins):
    assert choose_bin_count(*images) == bins
