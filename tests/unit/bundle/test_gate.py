"""The gate against cases worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from stripsight.bundle.gate import LARGEST_DISTANCE, choose_variant, judge_variant
from stripsight.bundle.manifest import Precision, Variant
from stripsight.bundle.validation import Validation
from stripsight.decision.calibration import Calibration, ClassCalibration, make_identity
from stripsight.decision.document import Decisions, FittedOn
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.errors import BundleError

NAMES = ("bar", "blob")


def make_decisions(*thresholds: tuple[float | None, float | None]) -> Decisions:
    policy = Policy("max_f1", {}, tuple(ClassPolicy(*pair) for pair in thresholds))
    fitted = FittedOn("validation", 4, "a", "b", "c")
    return Decisions(NAMES, make_identity(2), policy, fitted, (2, 2))


def to_logits(probabilities: list[list[float]]) -> np.ndarray:
    values = np.array(probabilities)
    return np.log(values / (1 - values)).astype(np.float32)


def make_validation(
    labels: list[list[int]], reference: list[list[float]], found: list[list[float]]
) -> Validation:
    return Validation(np.array(labels, np.uint8), to_logits(reference), {"bf16": to_logits(found)})


HALF = make_decisions((0.5, 0.5), (0.5, 0.5))
LABELS = [[1, 0], [1, 1], [0, 1], [0, 0]]
REFERENCE = [[0.9, 0.2], [0.52, 0.8], [0.2, 0.7], [0.1, 0.1]]


def test_equal_scores_pass() -> None:
    gate = judge_variant(HALF, make_validation(LABELS, REFERENCE, REFERENCE), "bf16", "bf16")
    assert gate["passed"] is True
    assert gate["reasons"] == []
    assert gate["largest_probability_distance"] == 0
    assert gate["changed_verdicts"] == 0
    assert [row["recall"] for row in gate["classes"]] == [1, 1]
    assert [row["f1_share"] for row in gate["classes"]] == [1, 1]


def test_a_lost_defect_fails_however_near_its_score_is() -> None:
    found = [[0.9, 0.2], [0.49, 0.8], [0.2, 0.7], [0.1, 0.1]]
    gate = judge_variant(HALF, make_validation(LABELS, REFERENCE, found), "bf16", "bf16")
    assert gate["passed"] is False
    # One of two found: recall 1/2; F1 = 2 * 1 / (1 called + 2 there) = 2/3.
    assert gate["reasons"] == [
        "recall of bar falls from 1.000 to 0.500",
        "F1 of bar falls from 1.000 to 0.667",
    ]
    assert gate["classes"][0]["f1"] == pytest.approx(2 / 3)
    assert gate["largest_probability_distance"] == pytest.approx(0.03)
    assert gate["changed_verdicts"] == 0  # blob is on that image too


def test_an_overkill_more_costs_f1_alone() -> None:
    reference = [[0.9, 0.2], [0.8, 0.8], [0.49, 0.7], [0.1, 0.1]]
    found = [[0.9, 0.2], [0.8, 0.8], [0.51, 0.7], [0.1, 0.1]]
    gate = judge_variant(HALF, make_validation(LABELS, reference, found), "bf16", "bf16")
    assert gate["reasons"] == ["F1 of bar falls from 1.000 to 0.800"]


def test_a_distance_fails_though_every_decision_is_the_same() -> None:
    found = [[0.83, 0.2], *REFERENCE[1:]]
    validation = make_validation(LABELS, REFERENCE, found)
    gate = judge_variant(HALF, validation, "bf16", "bf16")
    assert gate["reasons"] == ["a probability is 0.070 off, more than 0.05"]
    assert judge_variant(HALF, validation, "bf16", "int8")["passed"]
    assert LARGEST_DISTANCE["int8"] == 0.1


def test_review_is_not_called() -> None:
    reviewing = make_decisions((0.3, 0.6), (0.5, 0.5))
    reference = [[0.61, 0.2], [0.7, 0.8], [0.2, 0.7], [0.1, 0.1]]
    found = [[0.59, 0.2], *reference[1:]]
    gate = judge_variant(reviewing, make_validation(LABELS, reference, found), "bf16", "bf16")
    assert gate["classes"][0]["recall"] == 0.5
    assert not gate["passed"]


def test_no_positive_or_no_threshold_is_held_by_the_distance_alone() -> None:
    labels = [[0, 0], [0, 1], [0, 1], [0, 0]]
    for decisions in (HALF, make_decisions((None, None), (0.5, 0.5))):
        gate = judge_variant(
            decisions, make_validation(labels, REFERENCE, REFERENCE), "bf16", "bf16"
        )
        row = gate["classes"][0]
        assert row["recall"] is row["recall_share"] is row["f1_share"] is None
        assert gate["passed"]
        far = [[0.6, 0.2], *REFERENCE[1:]]
        gate = judge_variant(decisions, make_validation(labels, REFERENCE, far), "bf16", "bf16")
        assert [reason[:16] for reason in gate["reasons"]] == ["a probability is"]


def test_a_class_that_is_never_found_has_nothing_to_lose() -> None:
    reference = [[0.1, 0.2], [0.1, 0.8], [0.1, 0.7], [0.1, 0.1]]
    gate = judge_variant(HALF, make_validation(LABELS, reference, reference), "bf16", "bf16")
    assert gate["classes"][0]["recall_share"] == gate["classes"][0]["f1_share"] == 1
    assert gate["passed"]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_score_that_is_no_number_fails(wrong: float) -> None:
    validation = make_validation(LABELS, REFERENCE, REFERENCE)
    validation.logits["bf16"][2, 1] = wrong
    gate = judge_variant(HALF, validation, "bf16", "bf16")
    assert gate["reasons"] == ["1 of 4 images have a score that is no number"]


def test_fp32_is_held_by_its_logits() -> None:
    steep = Calibration((ClassCalibration("platt", (500.0, 0.0)), ClassCalibration()))
    decisions = replace(HALF, calibration=steep)
    validation = make_validation(LABELS, REFERENCE, REFERENCE)
    for shift, passes in ((0.0005, True), (0.01, False)):
        shifted = replace(validation, logits={"fp32": validation.reference + np.float32(shift)})
        gate = judge_variant(decisions, shifted, "fp32", "fp32")
        assert gate["passed"] is passes
        assert gate["largest_logit_distance"] == pytest.approx(shift, rel=0.5)


def make_variant(name: Precision, milliseconds: float, *reasons: str) -> Variant:
    gate = {"passed": not reasons, "reasons": list(reasons)}
    return Variant(name, name, "openvino", "x.xml", 0.01, gate, {"latency_ms": milliseconds})


def test_the_fastest_that_passes_is_chosen() -> None:
    variants = (
        make_variant("fp32", 50.0),
        make_variant("bf16", 20.0),
        make_variant("int8", 10.0, "F1 of bar falls", "more"),
    )
    name, why = choose_variant(variants)
    assert name == "bf16"
    assert why == (
        "bf16 is the fastest variant that passes: 20.0 ms an image, against fp32 50.0 ms;"
        " int8 does not pass: F1 of bar falls"
    )


def test_none_that_passes_is_refused() -> None:
    with pytest.raises(BundleError, match="no variant passes the gate: fp32 does not pass: far"):
        choose_variant((make_variant("fp32", 5.0, "far"),))
