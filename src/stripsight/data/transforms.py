"""Random variation of training images, masks in step.

torchvision v2 transforms on uint8 images, cheap enough (about a millisecond for 256x1600) to stay
behind the decoder. What a camera beside a strip varies: which side is up, light and exposure, the
strip's place in the picture. No rotation, scale or elastic change: a mill's camera does neither.

All chance comes from torch's global CPU generator, so whoever seeds it seeds the augmentation.
Resizing is the data set's, normalisation the network's.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from stripsight.errors import ConfigError

MAX_SHIFT = 0.5


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """How much training images vary; all 0 changes nothing.

    Attributes:
        horizontal_flip: probability, 0 to 1.
        vertical_flip: probability, 0 to 1.
        brightness: grey levels are multiplied by 1 - b to 1 + b; 0 to 1.
        contrast: distances from the image's mean grey likewise by 1 - c to 1 + c; 0 to 1.
        shift: at most this fraction of height and width, 0 to 0.5. Defects at the very edge can
            leave the image while its target stays: keep it small.
        probability: with which brightness and contrast, and the shift, are applied at all, 0 to 1.

    Raises:
        ConfigError: a value outside its range.
    """

    horizontal_flip: float = 0.5
    vertical_flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    shift: float = 0.02
    probability: float = 0.5

    def __post_init__(self) -> None:
        for f in fields(self):
            value, highest = getattr(self, f.name), MAX_SHIFT if f.name == "shift" else 1
            if not 0 <= value <= highest:
                raise ConfigError(f"augmentation {f.name} is {value}: choose 0 to {highest}")

    @property
    def is_identity(self) -> bool:
        """Whether nothing can change."""
        varies = self.probability > 0 and (self.brightness or self.contrast or self.shift)
        return not (self.horizontal_flip or self.vertical_flip or varies)


def build_augmentation(settings: AugmentationSettings) -> v2.Transform:
    """The transform of `settings`: image `[1|3, H, W]` uint8, and masks `[C, H, W]` in step."""
    steps: list[v2.Transform] = []
    if settings.horizontal_flip:
        steps.append(v2.RandomHorizontalFlip(settings.horizontal_flip))
    if settings.vertical_flip:
        steps.append(v2.RandomVerticalFlip(settings.vertical_flip))
    if settings.probability and settings.shift:
        steps.append(RandomShift(settings.shift, settings.probability))
    if settings.probability and (settings.brightness or settings.contrast):
        steps.append(RandomTone(settings.brightness, settings.contrast, settings.probability))
    return v2.Compose(steps) if steps else v2.Identity()


class RandomShift(v2.Transform):  # type: ignore[misc]
    """Move image and masks by whole pixels, up to `fraction` of each side.

    What comes in is black (0), as beside the strip's edge, and no defect in the masks: repeated or
    mirrored steel would show defects that no mask has.
    """

    def __init__(self, fraction: float, probability: float) -> None:
        super().__init__()
        self.fraction = fraction
        self.probability = probability

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw rows down and columns right, in pixels."""
        height, width = flat_inputs[0].shape[-2:]
        if torch.rand(()).item() >= self.probability:
            return {"down": 0, "right": 0}
        return {
            "down": _draw_whole(int(self.fraction * height)),
            "right": _draw_whole(int(self.fraction * width)),
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Shift one image or mask."""
        down, right = params["down"], params["right"]
        if not down and not right:
            return inpt
        height, width = inpt.shape[-2:]
        plain = inpt.as_subclass(torch.Tensor)
        shifted = torch.zeros_like(plain)
        shifted[
            ..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)
        ] = plain[
            ..., max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
        ]
        return tv_tensors.wrap(shifted, like=inpt)


class RandomTone(v2.Transform):  # type: ignore[misc]
    """Brightness, then contrast, in one pass through a table of the 256 grey levels.

    Brightness multiplies, contrast stretches about the mean grey of the brightened image, as
    torchvision's `adjust_brightness` and `adjust_contrast` do. Masks pass.
    """

    _transformed_types = (torch.Tensor, tv_tensors.Image)

    def __init__(self, brightness: float, contrast: float, probability: float) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.probability = probability

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the two factors; 1 changes nothing."""
        if torch.rand(()).item() >= self.probability:
            return {"brightness": 1.0, "contrast": 1.0}
        return {
            "brightness": _draw_factor(self.brightness),
            "contrast": _draw_factor(self.contrast),
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change one image."""
        if isinstance(inpt, tv_tensors.Mask) or set(params.values()) == {1.0}:
            return inpt
        return tv_tensors.wrap(
            change_tone(inpt.as_subclass(torch.Tensor), params["brightness"], params["contrast"]),
            like=inpt,
        )


def change_tone(image: torch.Tensor, brightness: float, contrast: float) -> torch.Tensor:
    """A uint8 image of any shape with its grey levels multiplied and stretched about their mean."""
    # Pillow counts and maps grey levels faster than torch or numpy do.
    grey = Image.fromarray(image.reshape(-1, image.shape[-1]).numpy())
    table = build_tone_table(np.array(grey.histogram()), brightness, contrast)
    return torch.from_numpy(np.array(grey.point(table.tolist()))).view(image.shape)


def build_tone_table(
    counts: npt.NDArray[np.int64], brightness: float, contrast: float
) -> npt.NDArray[np.uint8]:
    """New grey level of each of the 256, uint8 `[256]`; `counts` is the image's histogram."""
    bright = np.clip(np.arange(256) * brightness, 0, 255)
    mean = float((bright * counts).sum() / max(int(counts.sum()), 1))
    stretched = mean + contrast * (bright - mean)
    table: npt.NDArray[np.uint8] = np.clip(np.round(stretched), 0, 255).astype(np.uint8)
    return table


def _draw_whole(most: int) -> int:
    return int(torch.randint(-most, most + 1, ()).item())


def _draw_factor(strength: float) -> float:
    return 1.0 + strength * (2.0 * float(torch.rand(()).item()) - 1.0)
