"""Marks of the verdict's figures: at their places, never off the scale."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.reporting.page import Drawing, Page, Picture, Section, StripRow, render_page
from stripsight.reporting.verdict import Headline, Verdict

ESCAPES = Headline(
    "Escapes", "3 %", "95 % interval 2 to 5 %", "40 of 1,290 defects", 0.03, 0.02, 0.05,
    scale=(0, 0.1), ends=("0 %", "10 %"), target=0.05, target_label="promised: at most 5 %",
)  # fmt: skip


def render(*headlines: Headline) -> str:
    verdict = Verdict("good", "Keeps its promise", "It does.", headlines)
    page = render_page(Page("t", "s", [], [Section("one", "One", [verdict])]))
    return page.split("</style>")[1].replace("\u00a0", " ")


def test_marks_stand_at_their_values():
    html = render(ESCAPES)
    assert '<span class="target" style="left:50.0%">' in html
    assert '<span class="interval" style="left:20.0%;width:30.0%">' in html
    assert '<span class="dot" style="left:30.0%">' in html
    for words in ("3 %", "95 % interval 2 to 5 %", "promised: at most 5 %", "40 of 1,290 defects"):
        assert words in html


def test_what_is_not_there_is_not_marked():
    html = render(replace(ESCAPES, value=None, low=None, high=None, target=None, target_label=""))
    for mark in ("target", "interval", "dot"):
        assert f'<span class="{mark}' not in html


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_no_mark_leaves_the_scale(one, other):
    low, high = sorted((one, other))
    left, width = replace(ESCAPES, low=low, high=high).bar or (-1, -1)
    assert 0 <= left <= 100
    assert width >= 0
    assert left + width <= 100.01


@pytest.mark.parametrize(("size", "wide"), [((1600, 256), True), ((200, 200), False)])
def test_strips_stand_under_one_another_and_squares_beside(size, wide):
    picture = Picture("data:,", "image", *size)
    assert StripRow("name", [Drawing(picture, "image")] * 3).wide is wide
