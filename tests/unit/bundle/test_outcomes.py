"""What thresholds come to on validation: as `evaluate` counts it, and as counted by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stripsight.bundle.outcomes import WHOLE_IMAGES, Outcome, count_outcomes
from stripsight.bundle.validation import Validation
from stripsight.decision.calibration import Calibration, ClassCalibration
from stripsight.decision.document import Decisions, FittedOn, apply_decisions
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.evaluation.policies import outcomes as lab

FITTED = FittedOn("validation", 4, *(letter * 64 for letter in "abc"))


def decide_at(*thresholds: ClassPolicy) -> Decisions:
    count = len(thresholds)
    calibration = Calibration((ClassCalibration("temperature", (1.0,)),) * count)
    policy = Policy("max_f1", {}, thresholds)
    return Decisions(("a", "b", "c")[:count], calibration, policy, FITTED, (1,) * count)


def test_a_case_by_hand() -> None:
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 0]], np.uint8)
    # Probabilities of a: 0.9, 0.5, 0.1, 0.9; of b: all but the second are clean.
    logits = np.array([[2.2, -3], [0, 3], [-2.2, -3], [2.2, -3]], np.float32)
    decisions = decide_at(ClassPolicy(0.3, 0.7), ClassPolicy(0.5, 0.5))
    first, second, images = count_outcomes(
        decisions, Validation(labels, logits, {"x": logits}), "x"
    )
    # The second image is in review for a, but b makes it defective: nobody gets it.
    assert first == Outcome("a", 3, 1, found=1, escapes=1, overkills=1, reviews=0)
    assert first.recall == 1 / 3
    assert second == Outcome("b", 0, 4, found=0, escapes=0, overkills=1, reviews=0)
    assert second.recall is None
    assert images == Outcome(WHOLE_IMAGES, 3, 1, found=2, escapes=1, overkills=1, reviews=0)


@given(seed=st.integers(0, 2**32 - 1))
def test_counts_are_those_of_evaluate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (30, 3)).astype(np.uint8)
    logits = rng.normal(0, 2, (30, 3)).astype(np.float32)
    low, high = np.sort(rng.uniform(0, 1, (2, 2)), axis=0)
    bands = [ClassPolicy(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    decisions = decide_at(*bands, ClassPolicy(None, None))
    found = count_outcomes(decisions, Validation(labels, logits, {"x": logits}), "x")
    expected = lab.count_outcomes(apply_decisions(decisions, logits), labels)
    for ours, theirs in zip(found, (*expected.classes, expected.images), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is None:
            continue
        for key in ("positives", "negatives", "escapes", "overkills", "reviews"):
            assert getattr(ours, key) == getattr(theirs, key)
