"""Rows of figures: at their places, hollow where the interval reaches the reference."""

import numpy as np
import pytest

from stripsight.reporting.frame import Axis
from stripsight.reporting.intervals import IntervalRow, draw_intervals

RED = "#ff0000"
UNIT = Axis("share of defects", (0, 1), "share")


def find_red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)


@pytest.mark.parametrize("value", [0.0, 0.25, 0.9, 1.0])
def test_a_dot_stands_at_its_value(read_plot, value):
    pixels = read_plot(draw_intervals([IntervalRow("r", value, 0, 1, "t", RED)], UNIT))
    columns = np.flatnonzero(find_red(pixels).any(axis=0)) / 2.2
    assert columns.mean() == pytest.approx(12 + value * 376, abs=1)


@pytest.mark.parametrize(
    ("low", "high", "apart"),
    [
        (0.4, 0.8, True),
        (0.1, 0.29, True),
        (0.3, 0.8, False),
        (0.1, 0.3, False),
        (None, None, False),
    ],
)
def test_a_dot_is_full_only_apart_from_the_reference(read_plot, low, high, apart):
    row = IntervalRow("r", 0.6, low, high, "t", RED)
    assert row.is_apart(0.3) is apart
    pixels = read_plot(draw_intervals([row], UNIT, reference=0.3))
    assert find_red(pixels).any() == apart


def test_a_row_is_compared_with_its_own_reference(read_plot):
    full = IntervalRow("r", 0.6, 0.5, 0.7, "t", RED, reference=0.1)
    hollow = IntervalRow("r", 0.6, 0.5, 0.7, "t", RED, reference=0.55)
    for common in (None, 0.1, 0.6):
        assert find_red(read_plot(draw_intervals([full], UNIT, reference=common))).any()
        assert not find_red(read_plot(draw_intervals([hollow], UNIT, reference=common))).any()


def test_a_name_that_does_not_fit_gets_its_own_line(read_words):
    text = "escapes 14.2 %, elsewhere 3.1 %"
    rows = [IntervalRow("defect area under 500 pixels", 0.142, 0.1, 0.2, text, aside="15 of 106")]
    low = draw_intervals([IntervalRow("short", 0.1, 0.0, 0.2, "10 %")], UNIT)
    high = draw_intervals(rows, UNIT)
    assert {rows[0].label, text, "15 of 106"} <= set(read_words())
    assert high.height > low.height


def test_no_words_touch(find_clashes):
    rows = [
        IntervalRow("a slice with a name that is too long for its row", 0.1, 0.05, 0.2,
                    "10.0 % (5.0 to 20.0)", aside="1,234 defects"),
        IntervalRow("none", None, None, None, "no defect in this slice", aside="0 defects"),
        IntervalRow("beyond", 3.0, -2.0, 5.0, "beyond the scale"),
    ]  # fmt: skip
    ends = {"reference_label": "all of test: 3.1 %", "apart": "differs from all of test"}
    draw_intervals(rows, UNIT, reference=0.031, not_apart="may be chance", **ends)
    assert find_clashes() == []
    draw_intervals(rows, Axis("difference"))
    assert find_clashes() == []


def test_rows_without_a_figure_draw(read_plot):
    read_plot(draw_intervals([IntervalRow("none", None, None, None, "none")], Axis("share")))
    read_plot(draw_intervals([], UNIT))
