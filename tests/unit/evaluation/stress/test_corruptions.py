from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft, ndimage
from torchvision.transforms.v2 import functional as F

from stripsight.evaluation.stress.corruptions import (
    CORRUPTIONS,
    LEVELS,
    Corruption,
    add_noise,
    blur_image,
    change_light,
    corrupt_image,
    cover_border,
    lower_contrast,
    shift_image,
)
from stripsight.imaging import GreyImage

BY_NAME = {corruption.name: corruption for corruption in CORRUPTIONS}
each_corruption = pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda c: c.name)


def make_steel(height: int = 64, width: int = 160, seed: int = 0) -> GreyImage:
    rng = np.random.default_rng(seed)
    grain = ndimage.gaussian_filter(rng.normal(0, 60, (height, width)), 1.5)
    steel: GreyImage = (110 + grain).clip(0, 255).astype(np.uint8)
    steel[20:30, 40:60] = 235
    steel[40:44, 100:140] = 12
    return steel


STEEL = make_steel()


def as_tensor(image: GreyImage) -> torch.Tensor:
    return torch.from_numpy(image.copy()).unsqueeze(0)


def corrupt(corruption: Corruption, level: int, image: GreyImage = STEEL, **chance: object):
    return corrupt_image(image, corruption, level, image_id=str(chance.get("id", "a")), seed=0)


# --- properties of all of them


def test_there_are_the_eight_that_the_manual_names() -> None:
    assert list(BY_NAME) == [
        "brightness_up",
        "brightness_down",
        "contrast",
        "blur",
        "noise",
        "jpeg",
        "black_border",
        "shift",
    ]


@each_corruption
def test_five_strengths_each_harder_than_the_one_before(corruption: Corruption) -> None:
    steps = np.diff(corruption.strengths)
    assert len(corruption.strengths) == LEVELS
    assert (steps < 0).all() if corruption.name == "jpeg" else (steps > 0).all()
    assert corruption.unit


@each_corruption
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 70),
    level=st.integers(0, LEVELS),
    seed=st.integers(0, 2**32),
    grey=st.sampled_from(["black", "white", "random"]),
)
def test_type_and_shape_are_kept_and_the_image_is_not_touched(
    corruption: Corruption, height: int, width: int, level: int, seed: int, grey: str
) -> None:
    image = np.full((height, width), 255 if grey == "white" else 0, np.uint8)
    if grey == "random":
        image = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    before = image.copy()
    result = corrupt_image(image, corruption, level, image_id="a", seed=seed)
    assert result.dtype == np.uint8
    assert result.shape == image.shape
    np.testing.assert_array_equal(image, before)
    if level == 0:
        np.testing.assert_array_equal(result, image)


@each_corruption
def test_every_level_changes_something(corruption: Corruption) -> None:
    for level in range(1, LEVELS + 1):
        assert (corrupt(corruption, level) != STEEL).any()


@each_corruption
def test_the_same_seed_and_image_give_the_same_bytes(corruption: Corruption) -> None:
    for level in range(LEVELS + 1):
        again = corrupt_image(STEEL.copy(), corruption, level, image_id="a", seed=0)
        assert corrupt(corruption, level).tobytes() == again.tobytes()


@pytest.mark.parametrize("name", ["noise", "black_border", "shift"])
def test_chance_follows_from_seed_and_image(name: str) -> None:
    def draw(image_id: str, seed: int) -> bytes:
        return corrupt_image(STEEL, BY_NAME[name], 3, image_id=image_id, seed=seed).tobytes()

    assert len({draw(str(number), 0) for number in range(20)}) > 1
    assert len({draw("a", seed) for seed in range(20)}) > 1


# --- light


@pytest.mark.parametrize("name", ["brightness_up", "brightness_down"])
@pytest.mark.parametrize("level", range(1, LEVELS + 1))
def test_light_is_torchvisions_brightness(name: str, level: int) -> None:
    strength = BY_NAME[name].strengths[level - 1] / 100
    factor = 1 + strength if name == "brightness_up" else 1 - strength
    # torchvision cuts fractions off, so it may lie one level below.
    reference = F.adjust_brightness(as_tensor(STEEL), factor)[0].numpy().astype(int)
    difference = corrupt(BY_NAME[name], level).astype(int) - reference
    assert difference.min() >= 0
    assert difference.max() <= 1


def test_light_by_hand_neither_wraps_nor_lights_up_black() -> None:
    image = np.array([[0, 1, 100, 127, 128, 200, 255]], np.uint8)
    assert change_light(image, 2).tolist() == [[0, 2, 200, 254, 255, 255, 255]]
    assert change_light(image, 0.2).tolist() == [[0, 0, 20, 25, 26, 40, 51]]
    np.testing.assert_array_equal(change_light(image, 1), image)


def test_more_light_is_brighter_and_less_is_darker_at_every_pixel() -> None:
    for name, sign in (("brightness_up", 1), ("brightness_down", -1)):
        images = [corrupt(BY_NAME[name], level).astype(int) for level in range(LEVELS + 1)]
        for before, after in pairwise(images):
            assert (sign * (after - before) >= 0).all()
            assert after.mean() != before.mean()


# --- contrast


@pytest.mark.parametrize("level", range(1, LEVELS + 1))
def test_contrast_is_torchvisions(level: int) -> None:
    kept = 1 - BY_NAME["contrast"].strengths[level - 1] / 100
    # torchvision rounds the mean down and cuts fractions off.
    reference = F.adjust_contrast(as_tensor(STEEL), kept)[0].numpy().astype(int)
    difference = corrupt(BY_NAME["contrast"], level).astype(int) - reference
    assert difference.min() >= 0
    assert difference.max() <= 2


def test_contrast_keeps_the_mean_and_leaves_the_stated_share_of_the_spread() -> None:
    for level, strength in enumerate(BY_NAME["contrast"].strengths, 1):
        result = corrupt(BY_NAME["contrast"], level)
        assert result.mean() == pytest.approx(STEEL.mean(), abs=0.5)
        assert result.std() == pytest.approx(STEEL.std() * (1 - strength / 100), abs=0.3)
    np.testing.assert_array_equal(lower_contrast(STEEL, 1), STEEL)


# --- blur


@pytest.mark.parametrize("sigma", [0.5, 1, 2, 3, 5])
def test_blur_is_torchvisions(sigma: float) -> None:
    size = 2 * int(4 * sigma + 0.5) + 1
    reference = F.gaussian_blur(as_tensor(STEEL), [size, size], [sigma, sigma])[0].numpy()
    assert np.abs(blur_image(STEEL, sigma).astype(int) - reference.astype(int)).max() <= 1


def test_blur_of_a_point_is_the_normal_density() -> None:
    image = np.zeros((81, 81), np.uint8)
    image[40, 40] = 255
    rows, columns = np.mgrid[-40:41, -40:41]
    density = np.exp(-(rows**2 + columns**2) / (2 * 2.0**2)) / (2 * np.pi * 2.0**2)
    np.testing.assert_allclose(blur_image(image, 2), 255 * density, atol=0.6)


def test_more_blur_leaves_less_detail() -> None:
    def detail(image: GreyImage) -> float:
        return float(ndimage.laplace(image.astype(float)).var())

    details = [detail(corrupt(BY_NAME["blur"], level)) for level in range(LEVELS + 1)]
    assert all(after < before for before, after in pairwise(details))
    np.testing.assert_array_equal(blur_image(STEEL, 0), STEEL)


# --- noise


@pytest.mark.parametrize("level", range(1, LEVELS + 1))
def test_noise_has_the_stated_deviation_and_no_bias(level: int) -> None:
    strength = BY_NAME["noise"].strengths[level - 1]
    grey = np.full((400, 400), 128, np.uint8)
    difference = corrupt(BY_NAME["noise"], level, grey).astype(float) - 128
    # Rounding adds the variance of a uniform number: 1/12.
    assert difference.std() == pytest.approx((strength**2 + 1 / 12) ** 0.5, rel=0.02)
    assert difference.mean() == pytest.approx(0, abs=5 * strength / 400)
    neighbours = np.corrcoef(difference[:, 1:].ravel(), difference[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02


def test_noise_does_not_wrap_round() -> None:
    rng = np.random.default_rng(0)
    assert add_noise(np.full((64, 64), 255, np.uint8), 40, rng).min() > 60
    assert add_noise(np.zeros((64, 64), np.uint8), 40, rng).max() < 195


def test_noise_of_a_harder_level_is_the_same_noise_stronger() -> None:
    grey = np.full((64, 64), 128, np.uint8)
    two = corrupt(BY_NAME["noise"], 2, grey).astype(float) - 128
    four = corrupt(BY_NAME["noise"], 4, grey).astype(float) - 128
    np.testing.assert_allclose(four, two * 4, atol=2.6)
    np.testing.assert_array_equal(add_noise(STEEL, 0, np.random.default_rng(0)), STEEL)


# --- JPEG


# ITU-T T.81, table K.1: the luma table of IJG's quality 50.
LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


@pytest.mark.parametrize("level", range(1, LEVELS + 1))
def test_jpeg_is_the_standards(level: int) -> None:
    quality = BY_NAME["jpeg"].strengths[level - 1]
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    table = np.floor((LUMA * scale + 50) / 100).clip(1, 255)
    blocks = (STEEL.astype(float) - 128).reshape(8, 8, 20, 8).transpose(0, 2, 1, 3)
    kept = np.rint(fft.dctn(blocks, axes=(2, 3), norm="ortho") / table) * table
    pixels = fft.idctn(kept, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3).reshape(STEEL.shape)
    reference = np.rint(pixels + 128).clip(0, 255)
    difference = np.abs(corrupt(BY_NAME["jpeg"], level) - reference)
    # Where a coefficient lies half-way between two steps, its whole block may differ.
    assert (difference > 1).mean() < 0.03


def test_harder_compression_is_farther_from_the_image() -> None:
    errors = [
        float(np.square(corrupt(BY_NAME["jpeg"], level).astype(float) - STEEL).mean())
        for level in range(LEVELS + 1)
    ]
    assert all(after > before for before, after in pairwise(errors))


# --- border and shift


@given(width=st.integers(1, 300), columns=st.integers(0, 300), right=st.booleans())
def test_a_border_is_black_and_the_rest_as_it_was(width: int, columns: int, right: bool) -> None:
    columns = min(columns, width)
    image = np.full((3, width), 77, np.uint8)
    expected = [0] * columns + [77] * (width - columns)
    result = cover_border(image, columns, right=right)
    assert result.tolist() == [expected[::-1] if right else expected] * 3


def test_the_border_has_the_stated_share_and_grows_from_one_side() -> None:
    image = np.full((4, 200), 90, np.uint8)
    sides = set()
    for number in range(12):
        covered = np.zeros(200, bool)
        for level, percent in enumerate(BY_NAME["black_border"].strengths, 1):
            black = (corrupt(BY_NAME["black_border"], level, image, id=number) == 0).all(axis=0)
            assert black.sum() == 2 * percent
            assert (covered <= black).all()
            covered = black
        sides.add(bool(covered[0]))
        assert covered[0] != covered[-1]
    assert sides == {True, False}


@pytest.mark.parametrize("columns", [-70, -3, 0, 1, 40, 200])
def test_shift_is_scipys_that_wraps_round(columns: int) -> None:
    reference = ndimage.shift(STEEL, (0, columns), order=0, mode="grid-wrap")
    np.testing.assert_array_equal(shift_image(STEEL, columns), reference)


def test_the_shift_has_the_stated_share_and_loses_no_pixel() -> None:
    image = np.full((4, 200), 90, np.uint8)
    image[:, 100] = 255
    directions = set()
    for number in range(12):
        moves = []
        for level in range(1, LEVELS + 1):
            result = corrupt(BY_NAME["shift"], level, image, id=number)
            moves.append(int(np.argmax(result[0])) - 100)
            np.testing.assert_array_equal(np.sort(result, axis=None), np.sort(image, axis=None))
        assert [abs(move) for move in moves] == [2 * s for s in BY_NAME["shift"].strengths]
        assert len({move > 0 for move in moves}) == 1
        directions.add(moves[0] > 0)
    assert directions == {True, False}
