"""Figures as a report writes them."""

import numpy as np
import pytest

from stripsight.evaluation.intervals.interval import build_share
from stripsight.evaluation.report import words
from stripsight.evaluation.report.blocks import end_sentence, write_threshold, write_value

FIGURE = build_share(20 / 20, np.ones(50), units=20, groups=20)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (words.write_number, "1.000"),
        (words.write_limits, "0.883 to 1.000"),
        (words.write_figure, "1.000 (0.883 to 1.000)"),
        (words.write_share, "100 %"),
        (words.write_share_limits, "88.3 % to 100 %"),
    ],
)
def test_a_figure_and_its_limits(write: object, expected: str) -> None:
    # Jeffreys' lower limit of 20 of 20 is the 2.5 % point of Beta(20.5, 0.5): 0.883.
    assert callable(write)
    assert write(FIGURE) == expected
    assert write(None) == "\u2013"


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "\u2013"), (0.25, "0.250"), (0.0, "0.000"), (1.5, "never")]
)
def test_thresholds(value: float | None, expected: str) -> None:
    assert write_threshold(value) == expected


def test_values_and_sentences() -> None:
    assert (write_value(None), write_value(0.5)) == ("\u2013", "0.5000")
    assert (end_sentence("so"), end_sentence("so.")) == ("so.", "so.")
