import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from stripsight.data.transforms import (
    AugmentationSettings,
    RandomShift,
    RandomTone,
    build_augmentation,
    change_tone,
)
from stripsight.errors import ConfigError

NOTHING = {
    "horizontal_flip": 0.0,
    "vertical_flip": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "shift": 0.0,
}


@pytest.fixture
def image():
    generator = torch.Generator().manual_seed(0)
    return tv_tensors.Image(
        torch.randint(0, 256, (1, 24, 60), dtype=torch.uint8, generator=generator)
    )


def settings(**changes):
    return AugmentationSettings(**{**NOTHING, "probability": 1.0, **changes})


def test_strength_zero_is_identity(image):
    for given in (settings(), settings(probability=0.0, shift=0.2, brightness=0.5, contrast=0.5)):
        assert given.is_identity
        assert build_augmentation(given)(image) is image
    assert not AugmentationSettings().is_identity


def test_masks_move_in_step_with_the_image():
    torch.manual_seed(0)
    mask = torch.zeros((3, 24, 60), dtype=torch.uint8)
    mask[0, 3:9, 5:20] = 1
    mask[2, 15:24, 40:60] = 1
    augment = build_augmentation(settings(horizontal_flip=0.5, vertical_flip=0.5, shift=0.2))
    seen = set()
    for _ in range(60):
        painted = tv_tensors.Image(mask.amax(0, keepdim=True) * 255)
        image, moved = augment(painted, tv_tensors.Mask(mask))
        assert torch.equal(image[0] > 0, moved.amax(0) > 0)
        assert moved[1].sum() == 0
        assert moved[0].sum() <= mask[0].sum()
        seen.add(bytes(image.numpy()))
    assert len(seen) > 20


def test_flips_are_flips(image):
    assert torch.equal(build_augmentation(settings(horizontal_flip=1.0))(image), image.flip(-1))
    assert torch.equal(build_augmentation(settings(vertical_flip=1.0))(image), image.flip(-2))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (5, 0), (-5, 7), (3, -9), (-2, -2)])
def test_shift_against_torchvision(image, down, right):
    ours = RandomShift(0.4, 1.0).transform(image, {"down": down, "right": right})
    reference = F.affine(image, angle=0.0, translate=[right, down], scale=1.0, shear=[0.0, 0.0])
    assert torch.equal(ours, reference)


def test_shift_stays_within_its_fraction():
    torch.manual_seed(1)
    shift = RandomShift(0.1, 1.0)
    drawn = [shift.make_params([torch.zeros(1, 40, 200)]) for _ in range(400)]
    assert {p["down"] for p in drawn} == set(range(-4, 5))
    assert {p["right"] for p in drawn} == set(range(-20, 21))


@pytest.mark.parametrize("brightness", [0.6, 1.0, 1.3])
@pytest.mark.parametrize("contrast", [0.5, 1.0, 1.4])
def test_tone_against_torchvision(image, brightness, contrast):
    reference = F.adjust_contrast(F.adjust_brightness(image, brightness), contrast)
    changed = change_tone(image.as_subclass(torch.Tensor), brightness, contrast)
    # torchvision cuts fractions off twice, the table rounds once.
    assert (changed.int() - reference.int()).abs().max() <= 2
    assert changed.dtype == torch.uint8
    if brightness == contrast == 1.0:
        assert torch.equal(changed, image)


def test_tone_leaves_channels_equal_and_masks_alone(image):
    torch.manual_seed(0)
    mask = tv_tensors.Mask((image > 100).to(torch.uint8))
    rgb = tv_tensors.Image(image.repeat(3, 1, 1))
    changed, same = RandomTone(0.5, 0.5, 1.0)(rgb, mask)
    assert torch.equal(same, mask)
    assert not torch.equal(changed, rgb)
    assert torch.equal(changed[0], changed[1])
    assert torch.equal(changed[0], changed[2])


def test_probability_is_kept(image):
    torch.manual_seed(0)
    augment = build_augmentation(settings(brightness=0.5, probability=0.25))
    changed = [not torch.equal(augment(image), image) for _ in range(600)]
    assert abs(np.mean(changed) - 0.25) < 0.06


def test_chance_comes_from_torch_alone(image):
    augment = build_augmentation(AugmentationSettings(probability=1.0, shift=0.1))
    results = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        results.append(torch.stack([augment(image) for _ in range(5)]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_it_is_a_torchvision_transform(image):
    augment = build_augmentation(AugmentationSettings())
    assert isinstance(augment, v2.Transform)
    assert augment(image).dtype == torch.uint8


@pytest.mark.parametrize(
    ("name", "value"),
    [("horizontal_flip", 1.5), ("brightness", -0.1), ("shift", 0.6), ("probability", float("nan"))],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"augmentation {name} is {value}"):
        AugmentationSettings(**{name: value})
