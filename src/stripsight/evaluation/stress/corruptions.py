"""What a camera beside a strip does to its pictures, at five strengths each.

A network is asked how it bears a dirty lens, a failing lamp or a recorder that compresses harder
before the mill finds out. Each corruption is one cause with one number in a unit; they are never
mixed. They work on the stored image, before it is resized, so that their pixels are the camera's.

Masks are not needed, for labels are kept. That is right for all but the black border, which may
hide a defect that the label still names: part of what is lost under it no network could find. The
shift wraps round instead: what leaves on one side comes in on the other, so no defect is lost, and
a seam appears.

All chance (noise, side of the border, direction of the shift) follows from the seed and the image's
id: the same at every strength, so that a stronger one is more of the same.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from stripsight.imaging import GreyImage, decode_grey

LEVELS = 5

Generator = np.random.Generator


@dataclass(frozen=True)
class Corruption:
    """One cause.

    Attributes:
        name: for files and programs.
        title: for people.
        unit: of `strengths`, as it reads behind the number.
        strengths: of levels 1 to 5, each harder than the one before.
        apply: (image uint8 `[H, W]`, strength, generator) to an image of the same shape.
        note: what must be borne in mind when its figures are read.
    """

    name: str
    title: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[GreyImage, float, Generator], GreyImage]
    note: str = ""


def corrupt_image(
    image: GreyImage, corruption: Corruption, level: int, *, image_id: str, seed: int = 0
) -> GreyImage:
    """One image under one corruption.

    Args:
        image: uint8 `[H, W]`; it is left as it is.
        corruption: one of `CORRUPTIONS`, or one's own.
        level: 1 to 5; 0 gives the image back.
        image_id: with `seed`, what chance follows from.
        seed: of all chance.

    Returns:
        uint8 `[H, W]`, of the same shape.
    """
    if level == 0:
        return image
    entropy = [seed, *hashlib.sha256(f"{corruption.name}\0{image_id}".encode()).digest()]
    return corruption.apply(image, corruption.strengths[level - 1], np.random.default_rng(entropy))


def change_light(image: GreyImage, factor: float) -> GreyImage:
    """Grey levels multiplied, as a lamp or an exposure does; black stays black."""
    return _map_levels(image, np.arange(256) * factor)


def lower_contrast(image: GreyImage, kept: float) -> GreyImage:
    """Grey levels drawn towards the image's mean, `kept` (0 to 1) of their distance left: haze."""
    mean = float(image.mean())
    return _map_levels(image, mean + kept * (np.arange(256) - mean))


def blur_image(image: GreyImage, sigma: float) -> GreyImage:
    """Gaussian blur of `sigma` pixels, cut off at four sigma; mirrored about the edge's pixels."""
    if sigma == 0:
        return image
    blurred = ndimage.gaussian_filter(image.astype(np.float32), sigma, mode="mirror", truncate=4.0)
    return _to_grey(blurred)


def add_noise(image: GreyImage, deviation: float, generator: Generator) -> GreyImage:
    """Normal noise, independent in each pixel, of `deviation` grey levels."""
    noise = generator.standard_normal(image.shape, dtype=np.float32)
    return _to_grey(image + deviation * noise)


def compress_jpeg(image: GreyImage, quality: int) -> GreyImage:
    """The image after one more round through JPEG of `quality` 1 to 100 (IJG's scale)."""
    # Pillow, not simplejpeg: that one's cosine transform is the quick one, off by several levels.
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return decode_grey(buffer.getvalue(), expected_size=(image.shape[0], image.shape[1]))


def cover_border(image: GreyImage, columns: int, *, right: bool) -> GreyImage:
    """`columns` columns black at the left or at the right edge, as beside the strip."""
    covered = image.copy()
    covered[:, image.shape[1] - columns if right else 0 : None if right else columns] = 0
    return covered


def shift_image(image: GreyImage, columns: int) -> GreyImage:
    """Moved right by `columns` (left where negative); what leaves comes in on the other side."""
    return np.roll(image, columns, axis=1)


def _map_levels(image: GreyImage, levels: npt.NDArray[np.floating]) -> GreyImage:
    return _to_grey(levels)[image]


def _to_grey(values: npt.NDArray[np.floating]) -> GreyImage:
    grey: GreyImage = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey


def _share_of_width(image: GreyImage, percent: float) -> int:
    width: int = image.shape[1]
    return round(width * percent / 100)


CORRUPTIONS = (
    Corruption(
        "brightness_up",
        "more light",
        "% more light",
        (10, 20, 40, 70, 100),
        lambda image, strength, _: change_light(image, 1 + strength / 100),
    ),
    Corruption(
        "brightness_down",
        "less light",
        "% less light",
        (10, 20, 40, 60, 80),
        lambda image, strength, _: change_light(image, 1 - strength / 100),
    ),
    Corruption(
        "contrast",
        "less contrast",
        "% of the contrast lost",
        (10, 25, 40, 60, 80),
        lambda image, strength, _: lower_contrast(image, 1 - strength / 100),
    ),
    Corruption(
        "blur",
        "blur",
        "px of Gaussian blur (sigma)",
        (0.5, 1, 2, 3, 5),
        lambda image, strength, _: blur_image(image, strength),
    ),
    Corruption(
        "noise",
        "noise",
        "grey levels of noise (standard deviation)",
        (2, 5, 10, 20, 40),
        lambda image, strength, generator: add_noise(image, strength, generator),
    ),
    Corruption(
        "jpeg",
        "JPEG compression",
        "JPEG quality",
        (80, 60, 40, 20, 10),
        lambda image, strength, _: compress_jpeg(image, int(strength)),
    ),
    Corruption(
        "black_border",
        "black border",
        "% of the width black",
        (5, 10, 20, 30, 40),
        lambda image, strength, generator: cover_border(
            image, _share_of_width(image, strength), right=bool(generator.integers(2))
        ),
        note="the border may hide defects that the labels still name",
    ),
    Corruption(
        "shift",
        "shift",
        "% of the width shifted",
        # Not whole cells of the class map on common widths: those a network bears unmoved.
        (1, 3, 7, 15, 25),
        lambda image, strength, generator: shift_image(
            image, _share_of_width(image, strength) * (1 if generator.integers(2) else -1)
        ),
        note="what leaves on one side comes in on the other, with a seam between",
    ),
)
"""Every cause, in the order they are shown."""
