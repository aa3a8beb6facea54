"""Fits against scikit-learn, against scipy's own minimisers, and where there is little to fit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from stripsight.evaluation.calibration.curves import (
    INTERCEPT_WIDTH,
    SLOPE_WEIGHT,
    fit_curve,
    make_targets,
)

Array = Any


def draw(images: int, seed: int, *, slope: float = 1.0, shift: float = 0.0) -> tuple[Array, Array]:
    """Logits of float32 grain whose true curve is sigmoid((z - shift) / slope)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 2.5, images)
    labels = (rng.random(images) < expit(truth)).astype(np.uint8)
    return (slope * truth + shift).astype(np.float32).astype(np.float64), labels


def test_targets_are_platts() -> None:
    assert make_targets(np.array([1, 0, 0, 1, 0], np.uint8)) == pytest.approx(
        [3 / 4, 1 / 5, 1 / 5, 3 / 4, 1 / 5]
    )


DISTORTIONS = [(1.0, 0.0), (3.0, 2.0), (0.2, -4.0), (5.0, 40.0)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("slope", "shift"), DISTORTIONS)
def test_platt_is_where_scipy_finds_the_minimum(seed: int, slope: float, shift: float) -> None:
    logits, labels = draw(300, seed, slope=slope, shift=shift)

    def compute(line: Array) -> float:
        s, b = line
        if s <= 0:
            return float("inf")
        likelihood = -np.log(expit(np.where(labels == 1, 1, -1) * (s * logits + b))).sum()
        prior = SLOPE_WEIGHT * (s - 1 - np.log(s)) + b**2 / (2 * INTERCEPT_WIDTH**2)
        return float(likelihood + prior)

    found = fit_curve("platt", logits, labels).parameters
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
    reference = minimize(compute, [1.0, 0.0], method="Nelder-Mead", options=options)
    assert found == pytest.approx(tuple(reference.x), rel=1e-4, abs=1e-4)
    assert compute(np.array(found)) <= reference.fun + 1e-9


@pytest.mark.parametrize("slope", [0.3, 1.0, 4.0])
def test_platt_on_many_images_is_scikit_learns_logistic_regression(slope: float) -> None:
    logits, labels = draw(100_000, 0, slope=slope, shift=-2)
    reference = LogisticRegression(C=1e12, solver="newton-cholesky", tol=1e-10).fit(
        logits[:, None], labels
    )
    assert fit_curve("platt", logits, labels).parameters == pytest.approx(
        (reference.coef_[0, 0], reference.intercept_[0]), rel=2e-3
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slope", [0.3, 1.0, 4.0])
def test_the_temperature_is_where_the_slope_of_the_loss_is_zero(seed: int, slope: float) -> None:
    logits, labels = draw(300, seed, slope=slope)
    reference = brentq(
        lambda s: ((expit(s * logits) - labels) * logits).sum() + SLOPE_WEIGHT * (1 - 1 / s),
        1e-3,
        1e3,
        xtol=1e-12,
    )
    found = fit_curve("temperature", logits, labels)
    assert found.parameters == pytest.approx((1 / reference,), rel=1e-6)


# Few distinct logits, so that ties are common.
@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 1)), min_size=2, max_size=50).filter(
        lambda case: 0 < sum(label for _, label in case) < len(case)
    )
)
def test_isotonic_is_scikit_learns(case: list[tuple[int, int]]) -> None:
    logits = np.array([logit for logit, _ in case], dtype=np.float64)
    labels = np.array([label for _, label in case], dtype=np.uint8)
    reference = IsotonicRegression(out_of_bounds="clip").fit(logits, make_targets(labels))
    asked = np.linspace(-8, 8, 65)
    found = fit_curve("isotonic", logits, labels).apply(asked)
    np.testing.assert_allclose(found, reference.predict(asked), atol=1e-12)


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
@pytest.mark.parametrize("gap", [1e-3, 1.0, 12.0, 1e4])
def test_a_class_parted_without_an_error_gets_no_certainty(kind: Any, gap: float) -> None:
    labels = np.repeat(np.array([0, 1], np.uint8), [120, 24])
    sides = np.where(labels == 1, gap, -gap)
    logits = sides + np.random.default_rng(0).uniform(-gap / 2, gap / 2, 144)
    curve = fit_curve(kind, logits, labels)
    assert np.isfinite(curve.parameters).all()
    if kind == "isotonic":
        probabilities = curve.apply(logits)
        assert sorted(set(probabilities.round(12).tolist())) == pytest.approx([1 / 122, 25 / 26])
    else:
        # At most 6.1, at a gap of 1, where the prior and the loss that is left are in balance.
        slope = 1 / curve.parameters[0] if kind == "temperature" else curve.parameters[0]
        assert 0.9 < slope < 7


@pytest.mark.parametrize("kind", ["temperature", "platt"])
def test_scores_worse_than_chance_keep_their_order(kind: Any) -> None:
    truth, labels = draw(300, seed=0)
    curve = fit_curve(kind, -truth, labels)
    slope = 1 / curve.parameters[0] if kind == "temperature" else curve.parameters[0]
    assert 0 < slope < 0.02
    probabilities = curve.apply(np.sort(truth))
    assert (np.diff(probabilities) > 0).all()
    if kind == "platt":  # what is left to say is how common the defect is
        assert probabilities == pytest.approx(labels.mean(), abs=0.03)


def test_one_logit_for_all_images_gives_about_their_share() -> None:
    labels = np.repeat(np.array([0, 1], np.uint8), [750, 250])
    for kind in ("platt", "isotonic"):
        curve = fit_curve(kind, np.full(1000, -2.0), labels)
        assert curve.apply(np.array([-2.0])) == pytest.approx(0.25, abs=0.002)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40).flatmap(
        lambda logits: st.tuples(
            st.just(logits),
            st.lists(st.integers(0, 1), min_size=len(logits), max_size=len(logits)).filter(
                lambda labels: 0 < sum(labels) < len(labels)
            ),
        )
    ),
    st.sampled_from(["temperature", "platt", "isotonic"]),
)
def test_whatever_the_logits_a_curve_is_found(case: tuple[Any, Any], kind: Any) -> None:
    logits, labels = np.array(case[0]), np.array(case[1], dtype=np.uint8)
    assert np.isfinite(fit_curve(kind, logits, labels).apply(logits)).all()
