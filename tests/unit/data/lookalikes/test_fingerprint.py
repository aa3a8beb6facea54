import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from stripsight.data.lookalikes.fingerprint import compute_fingerprint


def make_steel(seed, height=256, width=512):
    """Blotchy grey: noise smoothed at two scales."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(height, width))
    steel = 100 + 60 * ndimage.gaussian_filter(noise, 6) / 0.05 / 4
    return np.clip(steel + rng.normal(0, 2, (height, width)), 0, 255).astype(np.uint8)


def count_bits(first, second):
    return np.bitwise_count(first ^ second).sum(axis=1)


def test_same_image_same_bytes_and_spread_over_the_image():
    image = make_steel(0)
    first, second = compute_fingerprint(image), compute_fingerprint(image.copy())
    assert first.points.tobytes() == second.points.tobytes()
    assert first.descriptors.tobytes() == second.descriptors.tobytes()
    assert first.points.dtype == np.int16
    assert first.descriptors.shape == (len(first.points), 2)
    assert len(first.points) > 20
    assert np.ptp(first.points[:, 0]) > 300
    assert np.ptp(first.points[:, 1]) > 120


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((256, 800), np.uint8),
        np.full((256, 800), 130, np.uint8),
        np.tile(np.repeat([0, 140], 400).astype(np.uint8), (256, 1)),
        np.tile(np.linspace(40, 200, 800).astype(np.uint8), (256, 1)),
        (make_steel(1) // 16).astype(np.uint8),
    ],
    ids=["black", "grey", "strip's edge", "lamp's light", "dark background"],
)
def test_image_that_shows_no_steel_has_no_points(image):
    assert len(compute_fingerprint(image).points) == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (16, 40), (18, 18), (60, 17)])
def test_small_images_are_no_error(size):
    rng = np.random.default_rng(0)
    fingerprint = compute_fingerprint(rng.integers(0, 256, size, dtype=np.uint8))
    assert fingerprint.points.shape == (len(fingerprint.descriptors), 2)


def test_points_lie_inside_on_all_planes_of_a_small_image():
    image = make_steel(3, 100, 120)
    points = compute_fingerprint(image).points
    assert (points >= 0).all()
    assert (points < (120, 100)).all()
    assert (points % 4 != 0).any()  # some from a finer plane


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 50), left=st.integers(0, 40), top=st.integers(0, 6), step=st.integers(1, 3)
)
def test_points_move_with_the_image(seed, left, top, step):
    steel = make_steel(seed, 300, 900)
    first = compute_fingerprint(steel[:256, :640])
    moved = compute_fingerprint(steel[4 * top :, 4 * left : 4 * left + 640][:256])
    where = {tuple(point): row for row, point in enumerate(moved.points.tolist())}
    shared = [
        (row, where[x - 4 * left, y - 4 * top])
        for row, (x, y) in enumerate(first.points.tolist())
        if (x - 4 * left, y - 4 * top) in where
    ]
    assert len(shared) >= len(first.points) // 3
    rows, others = map(list, zip(*shared, strict=True))
    # Equal but for points whose surroundings reach over the rim of the smoothing.
    assert np.median(count_bits(first.descriptors[rows], moved.descriptors[others])) == 0


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.7, 1.2), offset=st.floats(-10, 20), seed=st.integers(0, 20))
def test_brightness_changes_few_bits(gain, offset, seed):
    image = make_steel(seed)
    changed = np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8)
    first, second = compute_fingerprint(image), compute_fingerprint(changed)
    row_of = {tuple(point): row for row, point in enumerate(second.points.tolist())}
    pairs = [
        (row, row_of[tuple(point)])
        for row, point in enumerate(first.points.tolist())
        if tuple(point) in row_of
    ]
    assert len(pairs) >= len(first.points) // 2
    rows, others = map(list, zip(*pairs, strict=True))
    assert np.median(count_bits(first.descriptors[rows], second.descriptors[others])) <= 6


def test_small_and_picklable():
    fingerprint = compute_fingerprint(make_steel(0, 256, 1600))
    assert len(pickle.dumps(fingerprint)) < 6144
