"""One calibration curve of one class, fitted to validation logits and labels.

Temperature and Platt start from the network's own probabilities and leave them as far as the
images ask for it: for the line s z + b the fit minimises summed log loss plus

    SLOPE_WEIGHT (s - 1 - ln s) + (b / INTERCEPT_WIDTH)^2 / 2

that is, with a Gamma prior on the slope whose mode is 1 and a normal one on the intercept. So there
is exactly one best line, also for a class that the scores part without an error, and its slope is
above 0 however bad the scores. On few positives this beats both the plain likelihood and Platt's
targets (EXPERIMENTS.md).
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from stripsight.decision.calibration import ClassCalibration, Kind, compute_sigmoid
from stripsight.evaluation.metrics import Labels

SLOPE_WEIGHT = 1.0
"""Weight of the prior on the slope, in images of evidence."""

INTERCEPT_WIDTH = 2.0
"""Standard deviation of the prior on the intercept, in logits."""

Curve = npt.NDArray[np.float64]

_MOST_STEPS = 200


def fit_curve(kind: Kind, logits: Curve, labels: Labels) -> ClassCalibration:
    """Fit one form of calibration.

    Temperature: Guo et al. 2017. Platt: Platt 1999. Isotonic: Zadrozny and Elkan 2002.

    Args:
        kind: the form.
        logits: `[N]`, finite.
        labels: `[N]`, with a positive and a negative.
    """
    if kind == "temperature":
        slope, _ = _fit_line(logits, labels, free=np.array([True, False]))
        return ClassCalibration(kind, (1 / slope,))
    if kind == "platt":
        return ClassCalibration(kind, _fit_line(logits, labels, free=np.array([True, True])))
    if kind == "isotonic":
        return ClassCalibration(kind, _fit_isotonic(logits, labels))
    return ClassCalibration()


def _fit_line(logits: Curve, labels: Labels, *, free: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Newton's method with halved steps, from slope 1 and intercept 0."""
    line = np.array([1.0, 0.0])
    for _ in range(_MOST_STEPS):
        gradient, curvature = _differentiate(line, logits, labels)
        step = np.zeros(2)
        step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        expected = float(gradient @ step)  # negative: what the step would gain, twice
        if expected > -1e-12:
            break
        loss = _compute_loss(line, logits, labels)
        while line[0] + step[0] <= 0 or (
            _compute_loss(line + step, logits, labels) > loss + 0.25 * expected
        ):
            step, expected = step / 2, expected / 2
            if expected > -1e-12:
                return float(line[0]), float(line[1])
        line = line + step
    return float(line[0]), float(line[1])


def _compute_loss(line: Curve, logits: Curve, labels: Labels) -> float:
    slope, intercept = line
    scores = slope * logits + intercept
    prior = SLOPE_WEIGHT * (slope - 1 - np.log(slope)) + (intercept / INTERCEPT_WIDTH) ** 2 / 2
    return float(np.logaddexp(0, np.where(labels == 1, -scores, scores)).sum() + prior)


def _differentiate(line: Curve, logits: Curve, labels: Labels) -> tuple[Curve, Curve]:
    slope, intercept = line
    probabilities = compute_sigmoid(slope * logits + intercept)
    excess, spread = probabilities - labels, probabilities * (1 - probabilities)
    gradient = np.array(
        [
            excess @ logits + SLOPE_WEIGHT * (1 - 1 / slope),
            excess.sum() + intercept / INTERCEPT_WIDTH**2,
        ]
    )
    mixed = spread @ logits
    curvature = np.array(
        [
            [spread @ logits**2 + SLOPE_WEIGHT / slope**2, mixed],
            [mixed, spread.sum() + 1 / INTERCEPT_WIDTH**2],
        ]
    )
    return gradient, curvature


def make_targets(labels: Labels) -> Curve:
    """Platt's targets, float64 `[N]`, instead of 0 and 1: no level of an isotonic curve is certain.

    (P + 1) / (P + 2) for the P positives and 1 / (N + 2) for the N negatives.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _fit_isotonic(logits: Curve, labels: Labels) -> tuple[float, ...]:
    knots, inverse, counts = np.unique(logits, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=make_targets(labels)) / counts
    levels = isotonic_regression(means, weights=counts).x
    # Inside a block of equal levels only its ends matter.
    ends = np.ones(len(knots), dtype=bool)
    ends[1:-1] = (levels[1:-1] != levels[:-2]) | (levels[1:-1] != levels[2:])
    return (*knots[ends].tolist(), *np.maximum.accumulate(levels[ends]).clip(0, 1).tolist())
