"""Every figure against scikit-learn, scipy, a hand-computed case, or a property."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from stripsight.evaluation.calibration.reliability import (
    BINS,
    FEWEST_TO_DRAW,
    WIDEST_TO_DRAW,
    assign_bins,
    compute_brier,
    compute_diagram,
    compute_ece,
    compute_ece_by_chance,
    compute_log_loss,
    compute_quality,
    compute_wilson_interval,
)

# Few distinct probabilities, 0 and 1 among them, so that ties and certain errors are common.
cases = st.lists(
    st.tuples(st.integers(0, 12).map(lambda k: k / 12), st.integers(0, 1)), min_size=1, max_size=60
)


def split(case: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = zip(*case, strict=True)
    return np.array(probabilities), np.array(labels, dtype=np.uint8)


def draw(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.random(images)
    return probabilities, (rng.random(images) < probabilities).astype(np.uint8)


@given(cases)
def test_brier_and_log_loss_are_scikit_learns(case: list[tuple[float, int]]) -> None:
    probabilities, labels = split(case)
    assert compute_brier(probabilities, labels) == pytest.approx(
        brier_score_loss(labels, probabilities, labels=[0, 1]), abs=1e-12
    )
    assert compute_log_loss(probabilities, labels) == pytest.approx(
        log_loss(labels, probabilities, labels=[0, 1]), abs=1e-12
    )


@given(cases)
def test_dots_hold_every_image_once_and_only_like_ones(case: list[tuple[float, int]]) -> None:
    probabilities, labels = split(case)
    found = compute_diagram(probabilities, labels)
    assert 1 <= len(found) <= BINS
    assert sum(b.images for b in found) == len(labels)
    assert sum(b.positives for b in found) == labels.sum()
    assert all(left.high < right.low for left, right in pairwise(found))
    assert all(b.high - b.low <= WIDEST_TO_DRAW for b in found)
    assert all(b.low - 1e-12 <= b.mean_probability <= b.high + 1e-12 for b in found)
    # What could still be put together has been.
    for left, right in pairwise(found):
        assert (
            min(left.images, right.images) >= FEWEST_TO_DRAW
            or right.high - left.low > WIDEST_TO_DRAW
        )


def test_no_dot_stands_where_nobody_said_anything() -> None:
    # Ten bins of equal mass: the ninth would hold 9 of 0.01 and 5 of 0.99, and stand at 0.36.
    probabilities = np.repeat([0.01, 0.99], [121, 19])
    found = compute_diagram(probabilities, (probabilities > 0.5).astype(np.uint8))
    assert [(b.images, b.positives) for b in found] == [(121, 0), (19, 19)]
    assert [b.mean_probability for b in found] == pytest.approx([0.01, 0.99])


def test_few_neighbours_are_put_together() -> None:
    probabilities = np.array([0.05] * 30 + [0.42, 0.48, 0.51, 0.55, 0.61] + [0.95] * 30)
    labels = np.array([0] * 30 + [0, 1, 0, 1, 1] + [1] * 30, np.uint8)
    found = compute_diagram(probabilities, labels)
    assert [(b.images, b.positives) for b in found] == [(30, 0), (5, 3), (30, 30)]


@given(st.integers(1, 200), st.integers(1, 12), st.integers(0, 99))
def test_bins_without_ties_differ_by_one_image(images: int, bins: int, seed: int) -> None:
    sizes = np.bincount(assign_bins(draw(images, seed)[0], bins))
    assert len(sizes) == min(images, bins)
    assert sizes.max() - sizes.min() <= 1


def test_bins_of_the_ece_are_scikit_learns_quantile_bins() -> None:
    probabilities, labels = draw(400, seed=1)
    observed, said = calibration_curve(labels, probabilities, n_bins=8, strategy="quantile")
    assert compute_ece(probabilities, labels, bins=8) == pytest.approx(
        np.abs(observed - said).mean()
    )


def test_ece_by_hand() -> None:
    probabilities = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    labels = np.array([0, 0, 1, 1, 1, 1], np.uint8)
    # Two bins of three: said 0.2 and seen 1/3; said 0.8 and seen 1.
    assert compute_ece(probabilities, labels, bins=2) == pytest.approx((1 / 3 - 0.2 + 0.2) / 2)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_scipys_wilson_interval(case: tuple[int, int]) -> None:
    positives, images = case
    reference = binomtest(positives, images).proportion_ci(0.95, method="wilson")
    assert compute_wilson_interval(positives, images) == pytest.approx(
        (reference.low, reference.high), abs=1e-12
    )


def test_the_ece_by_chance_by_hand() -> None:
    # Two images of one half in one bin: off by 1/2 when both are alike, by 0 otherwise.
    assert compute_ece_by_chance(np.array([0.5, 0.5])) == pytest.approx(0.25, abs=0.05)
    assert compute_ece_by_chance(np.array([0.0, 1.0])) == 0


def test_the_ece_by_chance_is_what_perfect_probabilities_show() -> None:
    found = [compute_ece(*draw(150, seed)) for seed in range(300)]
    said = [compute_ece_by_chance(draw(150, seed)[0]) for seed in range(5)]
    assert np.mean(said) == pytest.approx(np.mean(found), rel=0.05)
    assert np.mean(found) > 0.05  # not 0, though the probabilities are perfect


def test_without_images_there_is_no_figure() -> None:
    quality = compute_quality(np.empty(0), np.empty(0, np.uint8))
    assert (quality.log_loss, quality.brier, quality.ece, quality.ece_by_chance) == (None,) * 4
    assert compute_diagram(np.empty(0), np.empty(0, np.uint8)) == ()


def test_a_certain_error_costs_much_but_not_infinity() -> None:
    loss = compute_log_loss(np.array([0.0]), np.array([1], np.uint8))
    assert loss == pytest.approx(36.04, abs=0.01)
