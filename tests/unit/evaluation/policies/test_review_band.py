"""The review band: no more reviews than asked for, the least sure images first, fewer mistakes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as reference

from stripsight.decision.policy import CLEAN, DEFECT, NEVER, REVIEW, Policy, decide, judge_images
from stripsight.evaluation.policies.review_band import (
    compute_risk_coverage,
    compute_unsureness,
    fit_review_band,
    open_band,
)

rows = st.lists(st.tuples(*[st.integers(0, 16).map(lambda k: k / 16)] * 3), min_size=1, max_size=30)
cuts = st.one_of(st.none(), st.integers(0, 64).map(lambda k: k / 64), st.just(NEVER))
Thresholds = tuple[float | None, ...]


def judge(probabilities: np.ndarray, band: tuple) -> np.ndarray:
    return judge_images(decide(Policy("review", {}, band), probabilities))


@given(rows, st.tuples(cuts, cuts, cuts), st.floats(0, 0.999))
def test_never_more_reviews_than_asked_and_no_wider_band_would_do(
    rows: list[tuple[float, ...]], thresholds: Thresholds, share: float
) -> None:
    assume(any(t is not None for t in thresholds))
    probabilities = np.array(rows)
    band = fit_review_band(probabilities, thresholds, share)
    reviews = (judge(probabilities, band) == REVIEW).sum()
    assert reviews <= share * len(rows) + 1e-9
    unsure = compute_unsureness(probabilities, thresholds)
    left = unsure[judge(probabilities, band) != REVIEW]
    more = reviews + (left == left.max()).sum()  # those that are next, all equally unsure
    assert more > share * len(rows) + 1e-9


@given(rows, st.tuples(cuts, cuts, cuts), st.integers(1, 99).map(lambda k: k / 100))
def test_an_image_is_reviewed_when_it_is_less_sure_than_the_band_is_wide(
    rows: list[tuple[float, ...]], thresholds: Thresholds, width: float
) -> None:
    assume(any(t is not None for t in thresholds))
    probabilities = np.array(rows)
    unsure = compute_unsureness(probabilities, thresholds)
    assume((np.abs(unsure - width) > 1e-9).all())
    verdicts = judge(probabilities, open_band(thresholds, width))
    assert ((verdicts == REVIEW) == (unsure > width)).all()
    # What is not reviewed keeps its verdict.
    closed = judge(probabilities, open_band(thresholds, 1.0))
    assert (verdicts[verdicts != REVIEW] == closed[verdicts != REVIEW]).all()


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0, 1))
def test_the_band_is_chows(threshold: float, width: float, probability: float) -> None:
    escape, overkill = 1 - threshold, threshold  # prices that break even at the threshold
    review = width * escape * overkill
    costs = {
        CLEAN: escape * probability,
        DEFECT: overkill * (1 - probability),
        REVIEW: review,
    }
    cheapest = min(costs.values())
    assume(sorted(costs.values())[1] - cheapest > 1e-9)
    code = decide(Policy("", {}, open_band((threshold,), width)), np.array([[probability]]))[0, 0]
    assert costs[int(code)] == cheapest


def test_a_share_of_0_is_no_band() -> None:
    probabilities = np.array([[0.4], [0.6], [0.5]])
    (band,) = fit_review_band(probabilities, (0.5,), 0.0)
    assert band.clean_below == band.defect_from == 0.5


def test_the_least_sure_are_reviewed_first() -> None:
    probabilities = np.array([[0.45], [0.9], [0.1], [0.6]])
    band = fit_review_band(probabilities, (0.5,), 0.5)
    assert judge(probabilities, band).tolist() == [REVIEW, DEFECT, CLEAN, REVIEW]


def test_without_any_threshold_every_image_is_reviewed() -> None:
    band = fit_review_band(np.array([[0.2], [0.8]]), (None,), 0.5)
    assert (judge(np.array([[0.2], [0.8]]), band) == REVIEW).all()


def test_the_risk_coverage_curve_is_that_of_bands_of_every_width() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.beta(0.3, 0.9, (1000, 2))
    labels = (rng.random((1000, 2)) < probabilities).astype(np.uint8)
    thresholds = (0.5, 0.3)
    curve = compute_risk_coverage(probabilities, labels, thresholds)
    assert curve.coverage[0] == 1
    assert (np.diff(curve.coverage) < 0).all()
    truth = labels.any(axis=1)
    for width in (0.3, 0.5, 0.7, 0.9, 1.0):
        verdicts = judge(probabilities, open_band(thresholds, width))
        kept = verdicts != REVIEW
        point = int(np.flatnonzero(np.isclose(curve.coverage, kept.mean()))[0])
        assert curve.escapes[point] == pytest.approx((truth & (verdicts == CLEAN))[kept].mean())
        assert curve.overkills[point] == pytest.approx((~truth & (verdicts == DEFECT))[kept].mean())
        wrong = reference.zero_one_loss(truth[kept], verdicts[kept] == DEFECT)
        assert curve.risk[point] == pytest.approx(wrong)
    # With probabilities that mean something, the least sure are the most often wrong.
    half = int(np.searchsorted(-curve.coverage, -0.5))
    assert curve.risk[half] < 0.5 * curve.risk[0]
