"""Two thresholds a class: against the rule spelt out image by image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.decision.policy import (
    CLEAN,
    DEFECT,
    NEVER,
    REVIEW,
    UNDECIDED,
    ClassPolicy,
    Policy,
    decide,
    judge_images,
)
from stripsight.errors import DecisionError

steps = st.integers(0, 8).map(lambda k: k / 8)
thresholds = st.one_of(
    st.just(ClassPolicy(None, None)),
    st.tuples(steps, steps).map(lambda pair: ClassPolicy(min(pair), max(pair))),
)
broken = st.sampled_from([math.nan, math.inf, -math.inf, -0.1, 1.1])
rows = st.lists(st.tuples(*[st.one_of(steps, broken)] * 3), max_size=8)


def decide_one(value: float, low: float | None, high: float | None) -> int:
    if not (math.isfinite(value) and 0 <= value <= 1):
        return REVIEW
    if low is None or high is None:
        return UNDECIDED
    if value >= high:
        return DEFECT
    return CLEAN if value < low else REVIEW


@given(st.tuples(thresholds, thresholds, thresholds), rows)
def test_each_score_gets_the_code_of_the_rule(
    classes: tuple[ClassPolicy, ...], values: list[tuple[float, ...]]
) -> None:
    codes = decide(Policy("any", {}, classes), np.array(values, np.float64).reshape(-1, 3))
    assert codes.dtype == np.int8
    assert codes.tolist() == [
        [
            decide_one(value, c.clean_below, c.defect_from)
            for value, c in zip(row, classes, strict=True)
        ]
        for row in values
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1e-6, 1 + 1e-6])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_no_probability_is_never_clean(value: float, kind: type) -> None:
    policy = Policy("any", {}, (ClassPolicy.at(0.5), ClassPolicy(None, None)))
    scores = np.array([[value, 0.1], [0.1, value]], kind)
    codes = decide(policy, scores)
    assert codes[0, 0] == codes[1, 1] == REVIEW
    assert judge_images(codes).tolist() == [REVIEW, REVIEW]


def test_a_threshold_is_not_rounded_to_the_scores_type() -> None:
    above = math.nextafter(float(np.float32(0.3)), 1)
    scores = np.array([[0.3]], np.float32)
    assert decide(Policy("any", {}, (ClassPolicy.at(above),)), scores)[0, 0] == CLEAN


def test_no_probability_reaches_never() -> None:
    assert decide(Policy("any", {}, (ClassPolicy.at(NEVER),)), np.ones((1, 1)))[0, 0] == CLEAN


@given(st.lists(st.tuples(*[st.sampled_from([UNDECIDED, CLEAN, REVIEW, DEFECT])] * 3)))
def test_an_image_is_what_its_worst_class_is(rows: list[tuple[int, ...]]) -> None:
    def judge(row: tuple[int, ...]) -> int:
        if DEFECT in row:
            return DEFECT
        if REVIEW in row or set(row) == {UNDECIDED}:
            return REVIEW
        return CLEAN

    codes = np.array(rows, np.int8).reshape(-1, 3)
    assert judge_images(codes).tolist() == [judge(row) for row in rows]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.5, None),
        (None, 0.5),
        (0.6, 0.5),
        (-0.1, 0.5),
        (0.5, 1.1),
        (math.nan, 0.5),
        (0.5, math.inf),
    ],
)
def test_thresholds_that_are_none_are_refused(low: float | None, high: float | None) -> None:
    with pytest.raises(DecisionError, match="thresholds clean_below"):
        ClassPolicy(low, high)


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (2,)])
def test_scores_of_other_classes_are_refused(shape: tuple[int, ...]) -> None:
    policy = Policy("any", {}, (ClassPolicy.at(0.5),) * 2)
    with pytest.raises(DecisionError, match="2 classes"):
        decide(policy, np.zeros(shape))
