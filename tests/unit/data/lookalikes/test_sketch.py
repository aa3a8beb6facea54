import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from stripsight.data.lookalikes.sketch import correlate_sketches, draw_sketch


def paint(seed, height=70, width=260):
    rng = np.random.default_rng(seed)
    grain = ndimage.gaussian_filter(rng.normal(0, 60, (height, width)), 1.5)
    return np.clip(120 + grain, 25, 250).astype(np.float32)


def draw(plane):
    return draw_sketch(plane, 4, 20.0)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (100, 0), (-60, 8), (12, -20)])
def test_a_shared_part_agrees_at_its_displacement_and_nowhere_else(right, down):
    """Content at column x of the first is at x - shift_x of the second."""
    steel = paint(0, 100, 400)
    top, left = 20, 60
    first = steel[top : top + 60, left : left + 240]
    moved = steel[top + down // 4 :, left + right // 4 :][:60, :240]
    assert correlate_sketches(draw(first), draw(moved), right, down) == pytest.approx(1)
    assert correlate_sketches(draw(first), draw(moved), right + 40, down) < 0.2
    assert correlate_sketches(draw(moved), draw(first), -right, -down) == pytest.approx(1)


def test_a_displacement_a_few_pixels_off_is_found_all_the_same():
    steel = paint(1)
    assert correlate_sketches(draw(steel[:, :240]), draw(steel[:, 1:241]), 0, 0) == 1


def test_other_steel_agrees_by_chance():
    assert abs(correlate_sketches(draw(paint(2)), draw(paint(3)), 0, 0)) < 0.1


@given(gain=st.floats(0.5, 1.0), offset=st.floats(0, 40))
def test_light_changes_no_bit(gain, offset):
    # Multiples of 2^-6, or sums would round differently.
    gain, offset = round(gain * 64) / 64, round(offset)
    steel = np.rint(paint(4))
    assert correlate_sketches(draw(steel), draw(steel * gain + offset), 0, 0) == 1


def test_edges_along_either_side_and_what_lies_beside_the_strip_count_for_nothing():
    first, second = paint(5), paint(6)
    bands = 60 * (np.arange(70)[:, None] // 8 % 2) + 40 * (np.arange(260) // 16 % 2)
    banded = [np.clip(plane * 0.3 + bands + 40, 25, 250) for plane in (first, second)]
    assert abs(correlate_sketches(*map(draw, banded), 0, 0)) < 0.2
    dark = paint(7) / 20
    for plane in (first, second):
        plane[:, 130:] = dark[:, 130:]
    assert abs(correlate_sketches(draw(first), draw(second), 0, 0)) < 0.1


def test_what_is_not_known_is_none():
    steel = draw(paint(8))
    assert draw(np.full((2, 300), 99, np.float32)) is None
    assert draw(np.full((300, 300), 99, np.float32)) is None
    assert correlate_sketches(steel, None, 0, 0) is None
    assert correlate_sketches(steel, draw_sketch(paint(8), 2, 20.0), 0, 0) is None
    assert correlate_sketches(steel, steel, 4 * 300, 0) is None
    assert correlate_sketches(steel, steel, 4 * 256, 4 * 60) is None
    black = draw(np.zeros((70, 260), np.float32))
    assert correlate_sketches(black, black, 0, 0) is None
