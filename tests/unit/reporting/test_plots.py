"""Plots: PNG that decodes, of the size it says, drawn to scale, whatever the names are."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stripsight.reporting.canvas import TYPE, Plot, measure, shorten
from stripsight.reporting.plots import (
    Bar,
    Spread,
    draw_bars,
    draw_distribution,
    draw_map,
    draw_matrix,
)

RED = "#ff0000"


def read(plot: Plot) -> np.ndarray:
    image = Image.open(io.BytesIO(plot.png)).convert("RGB")
    assert image.size == (plot.width, plot.height)
    assert plot.width == 880
    return np.asarray(image).astype(int)


def find_red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)


def test_bars_are_as_long_as_their_values():
    pixels = read(
        draw_bars([Bar("half", 5, "5", RED), Bar("whole", 10, "10"), Bar("none", 0, "0")])
    )
    length = find_red(pixels).any(axis=0).sum()
    assert length == pytest.approx(0.5 * 396 * 2.2, abs=3)


def test_a_bar_fills_its_track_only_where_it_is_the_whole():
    pixels = read(draw_bars([Bar("some", 5, "5", RED), Bar("few", 1, "1")], whole=20))
    assert find_red(pixels).any(axis=0).sum() == pytest.approx(0.25 * 396 * 2.2, abs=3)


def test_bars_without_a_value_draw():
    read(draw_bars([Bar("nothing", 0, "0")]))


def test_a_box_covers_the_middle_half():
    values = np.linspace(0, 100, 1001)
    rows = [Spread("all", values), Spread("red", values, RED)]
    pixels = read(draw_distribution(rows, "unit", counted="things", limits=(0, 100)))
    columns = np.flatnonzero(find_red(pixels).any(axis=0)) / 2.2
    left = 14 + max(measure("all"), measure("red"), measure("things", TYPE - 1))
    across = 400 - 24 - left
    assert columns[0] == pytest.approx(left + 0.25 * across, abs=2)
    assert columns[-1] == pytest.approx(left + 0.75 * across, abs=2)


def test_the_height_of_a_histogram_says_its_count(read_words, find_clashes):
    values = np.array([1.0] * 1234 + [2.0] * 7)
    draw_distribution([Spread("all", values)], "unit", counted="images", limits=(0, 3))
    assert {"1,234", "images", "0"} <= set(read_words())
    assert find_clashes() == []


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-3.0, 0.0, 1e7], [1e-6]])
def test_a_distribution_of_anything_draws(scale, values):
    read(draw_distribution([Spread("all", np.array(values))], "u", counted="n", scale=scale))


def test_a_map_puts_a_cell_in_its_place():
    plane = np.zeros((10, 40))
    plane[0, 39] = 0.5  # top right
    pixels = read(draw_map(plane, width=400, height=100, highest="50 %", unit="here"))
    top = pixels[: int(40 * 2.2)]
    dark = np.argwhere((top.sum(axis=2) < 150) & (top[..., 2] > top[..., 0] + 20))
    assert dark[:, 1].min() / 2.2 > 350
    assert dark[:, 0].max() / 2.2 < 20


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3)])
def test_a_map_of_any_shape_draws(size):
    read(draw_map(np.ones(size), width=size[1], height=size[0], highest="1", unit="u"))


@pytest.mark.parametrize("count", [1, 2, 12])
def test_a_matrix_of_any_size_draws(count):
    strengths = np.full((count, count), np.nan)
    strengths[0, -1] = 1
    texts = [["1\n\u00d72"] * count] * count
    read(draw_matrix([str(n) for n in range(count)], [RED] * count, texts, strengths))


@settings(max_examples=8)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=64))
def test_any_name_is_drawn_without_a_warning(name):
    # Warnings are errors here: a character that the typeface lacks would warn.
    read(draw_bars([Bar(name, 1, "1", aside="2")]))
    read(draw_distribution([Spread(name, np.ones(2))], "unit", counted="things"))


@given(st.text(max_size=80), st.floats(20, 300))
def test_a_shortened_name_fits(name, points):
    assert measure(shorten(name.replace("\n", " "), points)) <= points + 1e-6 or points < 20
