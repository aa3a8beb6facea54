"""Curves against scipy's sigmoid, their order, their way to disk, and every malformed record."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from stripsight.decision.calibration import (
    Calibration,
    ClassCalibration,
    compute_sigmoid,
    make_identity,
)
from stripsight.errors import DecisionError

LOGITS = np.array([-800.0, -30.0, -2.5, -1e-9, 0.0, 0.3, 4.0, 30.0, 800.0])

scales = st.floats(0.05, 20)
logits = st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=30)


@st.composite
def curves(draw: st.DrawFn) -> ClassCalibration:
    kind = draw(st.sampled_from(["none", "temperature", "platt", "isotonic"]))
    if kind == "temperature":
        return ClassCalibration(kind, (draw(scales),))
    if kind == "platt":
        return ClassCalibration(kind, (draw(scales), draw(st.floats(-30, 30))))
    if kind == "isotonic":
        knots = sorted(draw(st.sets(st.floats(-40, 40, width=32), min_size=1, max_size=8)))
        levels = sorted(draw(st.lists(st.floats(0, 1), min_size=len(knots), max_size=len(knots))))
        return ClassCalibration(kind, (*knots, *levels))
    return ClassCalibration()


def test_sigmoid_is_scipys_without_overflow() -> None:
    np.testing.assert_allclose(compute_sigmoid(LOGITS), expit(LOGITS), rtol=1e-15, atol=0)


def test_each_form_by_its_formula() -> None:
    logits = np.stack([LOGITS] * 4, axis=1).astype(np.float32)
    calibration = Calibration(
        (
            ClassCalibration("none"),
            ClassCalibration("temperature", (2.5,)),
            ClassCalibration("platt", (0.8, -1.25)),
            ClassCalibration("isotonic", (-2.5, 0.0, 4.0, 0.1, 0.3, 0.9)),
        )
    )
    found = calibration.apply(logits)
    scores = LOGITS.astype(np.float32).astype(np.float64)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[:, 0], expit(scores), rtol=1e-15)
    np.testing.assert_allclose(found[:, 1], expit(scores / 2.5), rtol=1e-15)
    np.testing.assert_allclose(found[:, 2], expit(0.8 * scores - 1.25), rtol=1e-13)
    by_hand = [0.1, 0.1, 0.1, 0.3 - 0.08e-9, 0.3, 0.3 + 0.6 * 0.3 / 4, 0.9, 0.9, 0.9]
    np.testing.assert_allclose(found[:, 3], by_hand, rtol=1e-7)


@given(curves(), logits)
def test_no_form_turns_the_order_of_images_round(
    curve: ClassCalibration, values: list[float]
) -> None:
    probabilities = curve.apply(np.sort(np.array(values, dtype=np.float32)))
    assert (np.diff(probabilities) >= -1e-16).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@pytest.mark.parametrize(
    "curve",
    [
        ClassCalibration(),
        ClassCalibration("temperature", (2.0,)),
        ClassCalibration("platt", (1.0, 0.5)),
        ClassCalibration("isotonic", (0.0, 1.0, 0.0, 1.0)),
    ],
    ids=lambda curve: curve.kind,
)
def test_a_broken_logit_is_no_probability(curve: ClassCalibration) -> None:
    probabilities = curve.apply(np.array([np.nan, -np.inf, np.inf, 0.0], dtype=np.float32))
    assert np.isnan(probabilities).tolist() == [True, True, True, False]


def test_extreme_parameters_give_no_warning_and_no_nan() -> None:
    for curve in (
        ClassCalibration("temperature", (5e-324,)),
        ClassCalibration("platt", (1e308, -1e308)),
    ):
        assert np.isfinite(curve.apply(LOGITS)).all()


@given(st.lists(curves(), min_size=1, max_size=4))
def test_json_brings_every_bit_back(curves: list[ClassCalibration]) -> None:
    calibration = Calibration(tuple(curves))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def row(kind: object, *parameters: object) -> list[object]:
    return [{"kind": kind, "parameters": list(parameters)}]


MALFORMED = {
    "no list": {"kind": "none", "parameters": []},
    "no class": [],
    "nothing": None,
    "a row of text": ["none"],
    "a key missing": [{"kind": "none"}],
    "a key too many": [{"kind": "none", "parameters": [], "knots": []}],
    "an unknown kind": row("beta", 1.0),
    "a kind that is a list": row(["none"]),
    "a kind that is a number": row(3),
    "parameters that are text": [{"kind": "temperature", "parameters": "2"}],
    "a parameter that is text": row("temperature", "2"),
    "a parameter that is null": row("temperature", None),
    "a parameter that is true": row("temperature", True),
    "a parameter for none": row("none", 1.0),
    "no temperature": row("temperature"),
    "two temperatures": row("temperature", 1.0, 2.0),
    "temperature 0": row("temperature", 0.0),
    "a negative temperature": row("temperature", -1.0),
    "temperature NaN": row("temperature", float("nan")),
    "an infinite temperature": row("temperature", float("inf")),
    "a temperature of 400 digits": row("temperature", 10**400),
    "no intercept": row("platt", 1.0),
    "a falling slope": row("platt", -0.5, 0.0),
    "a level slope": row("platt", 0.0, 0.0),
    "an infinite intercept": row("platt", 1.0, float("-inf")),
    "no knots": row("isotonic"),
    "an odd number of knots": row("isotonic", 0.0, 1.0, 0.5),
    "knots that fall": row("isotonic", 1.0, 0.0, 0.2, 0.8),
    "a knot twice": row("isotonic", 1.0, 1.0, 0.2, 0.8),
    "probabilities that fall": row("isotonic", 0.0, 1.0, 0.8, 0.2),
    "a probability above 1": row("isotonic", 0.0, 1.0, 0.2, 1.01),
    "a probability below 0": row("isotonic", 0.0, 1.0, -0.01, 0.5),
    "a knot that is NaN": row("isotonic", 0.0, float("nan"), 0.2, 0.5),
}


@pytest.mark.parametrize("rows", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_record_is_refused_in_one_line(rows: object) -> None:
    with pytest.raises(DecisionError) as caught:
        Calibration.from_json(rows)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 4), (5, 3, 1)])
def test_logits_of_other_classes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DecisionError, match="calibration of 3 classes"):
        make_identity(3).apply(np.zeros(shape))


def test_a_line_computer_needs_numpy_alone() -> None:
    code = """
import sys
for name in ("torch", "pandas", "sklearn", "scipy", "matplotlib", "pyarrow"):
    sys.modules[name] = None
import numpy as np
from stripsight.decision.calibration import make_identity
assert make_identity(1).apply(np.zeros((1, 1)))[0, 0] == 0.5
"""
    subprocess.run([sys.executable, "-c", code], check=True)
