import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from stripsight.data.demo.fields import make_generator, make_noise, ramp, soften
from stripsight.data.demo.strip import paint_strip

CLEAN: frozenset[int] = frozenset()
# The field's label sets with two classes, and each class alone.
LABEL_SETS = [(1,), (2,), (3,), (4,), (1, 2), (1, 3), (2, 3), (3, 4), (1, 2, 3), (2, 4)]


@pytest.mark.parametrize("labels", LABEL_SETS)
def test_masks_are_the_pixels_that_the_defects_changed(labels: tuple[int, ...]) -> None:
    index = sum(labels)
    bare = paint_strip(5, index, CLEAN)
    strip = paint_strip(5, index, frozenset(labels))
    assert set(strip.masks) == set(labels)
    assert not bare.masks
    changed = bare.pixels != strip.pixels
    drawn = np.any(list(strip.masks.values()), axis=0)
    assert not (changed & ~drawn).any()
    for mask in strip.masks.values():
        assert mask.sum() >= 150
        difference = np.abs(strip.pixels.astype(int) - bare.pixels.astype(int))[mask]
        assert np.mean(difference > 4) > 0.7  # the rest: a face as bright as bare steel
        assert np.median(difference) > 12


def test_masks_of_two_classes_do_not_overlap() -> None:
    for index in range(3):
        masks = list(paint_strip(1, index, frozenset({1, 2, 3})).masks.values())
        assert np.sum(masks, axis=0).max() == 1


@given(index=st.integers(0, 10**6), labels=st.sampled_from(LABEL_SETS))
@settings(max_examples=8, deadline=None)
def test_every_defect_lies_on_steel_and_can_be_seen(index: int, labels: tuple[int, ...]) -> None:
    strip = paint_strip(2, index, frozenset(labels))
    assert strip.pixels.shape == (256, 1600)
    assert strip.pixels.dtype == np.uint8
    bare = paint_strip(2, index, CLEAN).pixels
    for mask in strip.masks.values():
        assert mask.sum() >= 60
        assert bare[mask].mean() > 25  # black beside the strip is below 5


def test_a_strip_depends_on_seed_and_index_alone() -> None:
    first = paint_strip(7, 3, frozenset({3})).pixels
    paint_strip(7, 4, frozenset({4}))
    assert np.array_equal(first, paint_strip(7, 3, frozenset({3})).pixels)
    assert not np.array_equal(first, paint_strip(8, 3, frozenset({3})).pixels)
    assert not np.array_equal(first, paint_strip(7, 4, frozenset({3})).pixels)


def test_noise_is_a_cubic_b_spline_of_its_grid() -> None:
    spacing, height = 8.0, 64
    drawn = make_noise(make_generator(1), height, 1, along_y=spacing, along_x=1)[:, 0]
    rng = make_generator(1)
    grid = rng.standard_normal((int(height / spacing) + 5, 1), dtype=np.float32)[:, 0]
    phase = rng.random()
    knots = np.arange(-3, len(grid) + 1)
    positions = np.arange(height) / spacing + phase
    reference = BSpline(knots, grid.astype(float), 3)(positions) / (151 / 315) ** 0.5
    assert np.allclose(drawn, reference, atol=1e-5)


def test_noise_has_mean_0_and_deviation_1() -> None:
    noise = make_noise(make_generator(0), 256, 1600, along_y=4, along_x=3)
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03


def test_soften_keeps_a_constant_and_the_sum_of_a_dot() -> None:
    assert np.allclose(soften(np.full((6, 7), 3, np.float32), 0.4), 3)
    dot = np.zeros((9, 9), np.float32)
    dot[4, 4] = 1
    assert np.isclose(soften(dot, 0.4).sum(), 1)
    assert np.isclose(soften(dot, 0.5)[4, 3], 0.5 * 0.25)


def test_ramp_rises_from_0_to_1_across_its_edge() -> None:
    level = ramp(np.array([[-1.0, 2.0, 3.0, 4.0, 9.0]], np.float32), 3, 2)
    assert level.tolist() == [[0, 0, 0.5, 1, 1]]
