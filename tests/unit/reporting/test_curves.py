"""Curves: through their points, named at their ends without a clash, whatever they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import compute_contrast, deepen
from stripsight.reporting.curves import Curve, Reference, Span, _to_steps, draw_curves
from stripsight.reporting.frame import Axis

UNIT = Axis("share of x", (0, 1), "share")
RED = "#ff0000"


def count_red_columns(pixels: np.ndarray) -> np.ndarray:
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    return red.sum(axis=0)


def test_a_level_curve_runs_at_its_height(read_plot):
    def find_row(y: float) -> float:
        curve = Curve("c", np.array([0.0, 1.0]), np.array([y, y]), RED)
        pixels = read_plot(draw_curves([curve], UNIT, UNIT))
        red = (pixels[:, 300:420, 0] > 180) & (pixels[:, 300:420, 1] < 90)
        return float(np.flatnonzero(red.any(axis=1)).mean())

    low, half, high = find_row(0.25), find_row(0.5), find_row(0.75)
    assert low > half > high
    assert low - half == pytest.approx(half - high, abs=2)


def test_steps_hold_back_to_the_point_before():
    # Precision 1 up to recall 0.5, then 0.6 up to recall 1: average precision 0.8 is its area.
    x, y = _to_steps(np.array([0.0, 0.5, 1.0]), np.array([1.0, 1.0, 0.6]))
    assert x.tolist() == [0, 0, 0.5, 0.5, 1]
    assert y.tolist() == [1, 1, 1, 0.6, 0.6]
    backwards = _to_steps(np.array([1.0, 0.5, 0.0]), np.array([0.6, 1.0, 1.0]))
    assert backwards[0].tolist() == x.tolist()
    assert backwards[1].tolist() == y.tolist()


def test_the_area_under_the_steps_is_the_average_precision():
    from sklearn.metrics import average_precision_score, precision_recall_curve

    rng = np.random.default_rng(0)
    truth = rng.random(80) < 0.3
    scores = rng.random(80) + 0.4 * truth
    precision, recall, _ = precision_recall_curve(truth, scores)
    x, y = _to_steps(recall, precision)
    assert np.trapezoid(y, x) == pytest.approx(average_precision_score(truth, scores))


CASES = {
    "all end at one place": [
        Curve(
            f"class number {n}", np.array([0, 0.2, 1]), np.array([0, 0.5 + n / 30, 1]), value="AP"
        )
        for n in range(5)
    ],
    "one": [Curve("alone", np.array([0.0, 1.0]), np.array([0.4, 0.4]))],
    "one point": [Curve("a point", np.array([0.5]), np.array([0.5]), value="v", steps=True)],
    "thirty": [
        Curve(f"kind {n}", np.linspace(0, 1, 50), np.full(50, n / 60), value="0.9")
        for n in range(30)
    ],
    "gaps": [Curve("gaps", np.arange(4) / 3, np.array([0.2, np.nan, 0.4, np.nan]))],
    "one that is not there": [
        Curve("there", np.linspace(0, 1, 20), np.ones(20)),
        Curve("not there", np.linspace(0, 1, 20), np.full(20, np.nan), value="no positives"),
    ],
    "long": [
        Curve("a name that goes on and on and on", np.arange(2), np.ones(2), value="long " * 20)
        for _ in range(3)
    ],
    "ends in the middle": [
        Curve("short", np.array([0, 0.4]), np.array([0.5, 0.5]), point=(0.4, 0.5)),
        Curve("long", np.array([0, 1.0]), np.array([0.5, 0.5]), low=np.zeros(2), high=np.ones(2)),
    ],
}


@pytest.mark.parametrize("curves", CASES.values(), ids=CASES)
def test_no_words_touch(find_clashes, curves):
    draw_curves(
        curves,
        UNIT,
        Axis("share of y, with a title that is longer than the frame is wide, on and on", (0, 1)),
        references=[Reference("chance", (0, 0), (1, 1)), Reference("promise", (0, 0.9), (1, 0.9))],
        spans=[Span("review", 0.2, 0.4)],
        point="chosen threshold",
        band="95 % interval",
    )
    assert find_clashes() == []


def test_clashes_are_found(find_clashes, monkeypatch):
    monkeypatch.setattr("stripsight.reporting.curves.spread_apart", lambda wanted, *_: list(wanted))
    draw_curves(CASES["all end at one place"], UNIT, UNIT)
    assert any("touches" in clash for clash in find_clashes())


def test_many_points_draw(read_plot):
    x = np.linspace(0, 1, 100_000)
    read_plot(draw_curves([Curve("many", x, x**2, steps=True)], UNIT, UNIT))


def test_the_ring_is_drawn_only_where_a_point_was_chosen(read_plot):
    x = np.array([0.0, 1.0])
    plain: Plot = draw_curves([Curve("c", x, x)], UNIT, UNIT, point="chosen")
    ringed = draw_curves([Curve("c", x, x, point=(0.5, 0.5))], UNIT, UNIT, point="chosen")
    assert ringed.height > plain.height  # by the key's row
    read_plot(ringed)


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_any_colour_becomes_one_that_a_line_can_have(color):
    assert compute_contrast(deepen(color), "#ffffff") >= 3
    if compute_contrast(color, "#ffffff") >= 3:
        assert deepen(color) == color


@settings(max_examples=8)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=64))
def test_any_name_is_drawn_without_a_warning(name):
    draw_curves([Curve(name, np.arange(2), np.ones(2), value=name)], Axis(name), Axis(name))
