"""Outlines and windows: around the defect, never on it, never outside the image."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stripsight.reporting.pictures import (
    Outline,
    Window,
    draw_outlines,
    find_window,
    to_picture,
)

RED = "#ff0000"


def count_red(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture).astype(int)
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60)


def test_the_outline_runs_around_the_defect_and_leaves_it_be():
    image = np.full((60, 80), 90, np.uint8)
    mask = np.zeros_like(image)
    mask[20:40, 30:50] = 1
    red = count_red(draw_outlines(image, [Outline(mask, RED)], width=80))
    assert not red[20:40, 30:50].any()
    assert red[17:20, 30:50].all()
    assert red[40:43, 30:50].all()
    assert not red[:16].any()


@pytest.mark.parametrize("margin", [0, 1, 2])
def test_a_box_over_the_whole_image_is_outlined_within(margin):
    image = np.full((60, 80), 90, np.uint8)
    mask = np.zeros_like(image)
    mask[margin : 60 - margin, margin : 80 - margin] = 1
    red = count_red(draw_outlines(image, [Outline(mask, RED)], width=80))
    for side in (red[:4, 20:60], red[-4:, 20:60], red[20:40, :4].T, red[20:40, -4:].T):
        assert side.any(axis=0).all()
    assert not red[6:-6, 6:-6].any()


def test_one_pixel_of_a_large_image_is_still_outlined():
    image = np.full((256, 1600), 90, np.uint8)
    mask = np.zeros_like(image)
    mask[100, 801] = 1
    red = count_red(draw_outlines(image, [Outline(mask, RED)], width=400))
    assert red.sum() > 8


def test_nothing_marked_gives_the_image_alone():
    image = np.full((20, 30), 90, np.uint8)
    picture = draw_outlines(image, [Outline(np.zeros_like(image), RED, "1")], width=30)
    assert np.unique(np.asarray(picture)).tolist() == [90]


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 80), (0, 0, 2, 2), (58, 78, 2, 2), (0, 30, 60, 3), (25, 0, 3, 80)]
)
def test_a_mark_stands_inside_the_picture(box):
    top, left, height, width = box
    image = np.full((60, 80), 90, np.uint8)
    mask = np.zeros_like(image)
    mask[top : top + height, left : left + width] = 1
    plain = draw_outlines(image, [Outline(mask, RED)], width=80)
    marked = draw_outlines(image, [Outline(mask, RED, "12")], width=80)
    assert marked.size == plain.size
    assert (np.asarray(marked) != np.asarray(plain)).any()


@settings(max_examples=60)
@given(st.data())
def test_a_window_holds_the_defect_and_stays_inside(data):
    height = data.draw(st.integers(1, 300))
    width = data.draw(st.integers(1, 300))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top + 1, height))
    right = data.draw(st.integers(left + 1, width))
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 1
    window = find_window(mask, aspect=data.draw(st.sampled_from([1.0, 1.5, 3.0])))
    assert isinstance(window, Window)
    assert 0 <= window.left <= left < right <= window.right <= width
    assert 0 <= window.top <= top < bottom <= window.bottom <= height


def test_a_picture_says_its_size():
    picture = to_picture(Image.new("RGB", (40, 30), "#808080"), "grey")
    decoded = Image.open(io.BytesIO(base64.b64decode(picture.uri.split(",")[1])))
    assert decoded.size == (picture.width, picture.height) == (40, 30)
    assert picture.alt == "grey"


@pytest.mark.parametrize("shape", [(3000, 1), (16_384, 2), (400, 200)])
def test_a_tall_image_stands_in_bounded_room(shape):
    image = np.full(shape, 90, np.uint8)
    mask = np.zeros_like(image)
    mask[shape[0] // 2] = 1
    picture = draw_outlines(image, [Outline(mask, RED, "1")], width=200)
    assert picture.width == 200
    assert picture.height == 300
    assert count_red(picture).any()
    assert np.asarray(picture)[0, 0].tolist() == [238, 241, 244]
