import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from stripsight.data.lookalikes.comparison import compare_images
from stripsight.imaging import decode_grey


def make_steel(seed, height=300, width=900):
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.normal(size=(height, width)), 5) * 120
    fine = ndimage.gaussian_filter(rng.normal(size=(height, width)), 1) * 20
    return np.clip(110 + coarse + fine, 30, 240).astype(np.uint8)


def make_plate(seed, height=256, width=1000, period=100):
    """A raised pattern that repeats; only grain of its own tells two plates apart."""
    y, x = np.indices((height, width))
    pattern = 60 * np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / 64)
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 2)
    return np.clip(120 + pattern + 60 * grain, 0, 255).astype(np.uint8)


def encode(image, quality):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return decode_grey(stream.getvalue())


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_re_encoded(quality):
    image = make_steel(0)
    found = compare_images(image, encode(image, quality), 3, -2)
    assert (found.kind, found.shift_x, found.shift_y) == ("re-encoded", 0, 0)
    assert 0.7 < found.similarity <= 1


@pytest.mark.parametrize(("gain", "offset"), [(0.6, -20), (1.5, 30), (1.0, 25), (0.7, 0)])
def test_brightness_changed_and_cut_off_is_re_encoded(gain, offset):
    image = make_steel(1)
    changed = np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8)
    for pair in ((image, changed), (changed, image)):
        assert compare_images(*pair, 0, 0).kind == "re-encoded"


def test_glare_that_is_cut_off_is_no_text_box():
    image = make_steel(9)
    image[120:200, 300:420] = np.maximum(image[120:200, 300:420], 200) + 30
    brighter = np.clip(image * 1.5, 0, 255).astype(np.uint8)
    for pair in ((image, brighter), (brighter, image)):
        assert compare_images(*pair, 0, 0).kind == "re-encoded"


@pytest.mark.parametrize("ground", [0, 90, 255])
def test_text_box(ground):
    image = make_steel(2)
    marked = image.copy()
    marked[:16, 195:640] = ground
    marked[4:12, 200:600:6] = 255 - ground
    found = compare_images(image, encode(marked, 80), 0, 0)
    assert (found.kind, found.shift_x, found.shift_y) == ("text box", 0, 0)


@pytest.mark.parametrize("shift", [(400, 0), (-123, 7), (5, -21), (333, 31)])
def test_overlap_to_the_pixel(shift):
    steel = make_steel(3, 340, 1500)
    top, left = 40, 450
    first = steel[top : top + 256, left : left + 600]
    second = steel[top + shift[1] :, left + shift[0] :][:256, :600]
    found = compare_images(encode(first, 85), encode(second, 70), shift[0] + 4, shift[1] - 4)
    assert (found.kind, found.shift_x, found.shift_y) == ("overlap", *shift)


def test_a_crop_at_no_displacement_is_an_overlap():
    steel = make_steel(4)
    assert compare_images(steel, steel[:256, :600], 0, 0).kind == "overlap"


@pytest.mark.parametrize("seed", range(5))
def test_other_steel_is_not_alike(seed):
    assert compare_images(make_steel(seed), make_steel(seed + 100), 0, 0) is None


def test_little_shared_is_not_judged():
    steel = make_steel(5)
    assert compare_images(steel, steel, 850, 0) is None
    assert compare_images(steel, steel, 2000, 0) is None


def draw_edge(seed, slope):
    """Black left of a slanted edge, smooth steel right of it."""
    y, x = np.indices((256, 800))
    steel = 120 + 20 * np.sin(x / 200 + seed)
    return np.where(x > 300 + slope * y, steel, 0).astype(np.uint8)


@pytest.mark.parametrize("slope", [0, 0.1, 0.3])
def test_a_black_edge_does_not_suffice(slope):
    assert compare_images(draw_edge(0, slope), draw_edge(2, slope), 0, 0) is None


def test_streaks_along_the_strip_do_not_suffice():
    columns = ndimage.gaussian_filter1d(np.random.default_rng(0).normal(0, 200, 800), 12)
    noise = np.random.default_rng(1)
    first, second = (
        np.clip(120 + columns + noise.normal(0, 3, (256, 800)), 0, 255).astype(np.uint8)
        for _ in range(2)
    )
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9
    assert compare_images(first, second, 0, 0) is None


def test_the_same_background_does_not_suffice():
    """What the camera sees beside the strip is dark and always there."""
    background = np.clip(13 + (make_steel(6) - 110.0) / 4, 0, 255).astype(np.uint8)
    first, second = background.copy(), background.copy()
    assert background.mean() < 16
    assert background.std() > 2
    first[:, :200], second[:, :200] = make_steel(7)[:, :200], make_steel(8)[:, :200]
    assert compare_images(first, second, 0, 0) is None


def test_checker_plates_of_one_make_are_not_alike():
    assert compare_images(make_plate(0), make_plate(1), 0, 0) is None


def test_a_checker_plate_a_period_off_is_not_alike():
    plate = make_plate(0, width=1100)
    assert compare_images(plate[:, :800], plate[:, 100:900], 0, 0) is None


def test_the_same_checker_plate_is_found():
    plate = make_plate(0, width=1100)
    assert compare_images(plate, encode(plate, 60), 0, 0).kind == "re-encoded"
    found = compare_images(plate[:, :800], encode(plate[:, 100:900], 80), 100, 0)
    assert (found.kind, found.shift_x) == ("overlap", 100)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_images_without_anything_on_them_are_not_alike(grey):
    plain = np.full((256, 800), grey, np.uint8)
    assert compare_images(plain, plain, 0, 0) is None
