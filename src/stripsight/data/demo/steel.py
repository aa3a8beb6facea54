"""The steel before anything is wrong with it: rolled texture, light, strip edge, sensor grain.

A coil's look is shared by the images cut from it; the rest varies from image to image. Brightness,
grain and its correlation, border shares and widths follow Severstal's train images. Surfaces are
albedo (1 is bare steel); `expose` turns albedo into grey levels point by point, so that a change of
albedo never leaks to its neighbours.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stripsight.data.demo.fields import (
    Field,
    axes,
    make_fractal,
    make_generator,
    make_noise,
    ramp,
    soften,
)
from stripsight.imaging import GreyImage

HEIGHT, WIDTH = 256, 1600
IMAGES_PER_COIL = 6

_COIL_STREAM, _FRAME_STREAM = 1, 2
_NARROWEST_STEEL = 420
Plate = Literal["plain", "diamond", "lentil"]


@dataclass(frozen=True, slots=True)
class Coil:
    """What the images of one coil share; strengths are relative to the steel's albedo."""

    brightness: float
    grain: float
    streaks: float
    ripple: float
    ripple_period: float
    sparkle: float
    scale: float
    scale_tone: float
    tilt: float
    plate: Plate


@dataclass(frozen=True, slots=True)
class Frame:
    """One image's steel: albedo, and what turns it into grey levels.

    Attributes:
        albedo: `[H, W]`, 1 is bare steel.
        light: `[H, W]`, grey level of albedo 1.
        grain: `[H, W]`, relative noise of the surface and the sensor.
        edge: `[H, W]`, 1 on steel, 0 on the black beside it.
        left: first column that is steel in every row.
        right: first column behind it that is not.
    """

    albedo: Field
    light: Field
    grain: Field
    edge: Field
    left: int
    right: int


def draw_coil(seed: int, index: int) -> Coil:
    """The look of the coil that image `index` is cut from."""
    rng = make_generator(seed, _COIL_STREAM, index // IMAGES_PER_COIL)
    plates: tuple[Plate, ...] = ("plain", "diamond", "lentil")
    return Coil(
        brightness=float(np.clip(rng.normal(103, 19), 66, 145)),
        grain=float(rng.uniform(0.06, 0.125)),
        streaks=float(rng.uniform(0.02, 0.055)),
        ripple=float(rng.uniform(0.03, 0.13)) if rng.random() < 0.4 else 0.01,
        ripple_period=float(rng.uniform(4.5, 9)),
        sparkle=float(rng.uniform(0.3, 1)) if rng.random() < 0.45 else 0.0,
        scale=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.6 else 0.0,
        scale_tone=float(rng.uniform(0.74, 0.88)),
        tilt=float(rng.normal(0.1, 0.3)),
        plate=plates[int(rng.choice(3, p=[0.88, 0.06, 0.06]))],
    )


def roll_frame(seed: int, index: int) -> Frame:
    """Steel of image `index` without marks or defects."""
    coil = draw_coil(seed, index)
    rng = make_generator(seed, _FRAME_STREAM, index)
    left, right, edge, rim = _cut_strip(rng)
    albedo = 1 + _roll_texture(rng, coil) + rim
    return Frame(albedo, _shine(rng, coil), _make_grain(rng, coil), edge, left, right)


def expose(frame: Frame, albedo: Field) -> GreyImage:
    """Grey levels of a surface under the frame's light; uint8 `[H, W]`."""
    steel = frame.light * albedo * (1 + frame.grain)
    black = 1.6 + 8 * frame.grain
    grey = black + frame.edge * (steel - black)
    levels: GreyImage = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return levels


def _roll_texture(rng: np.random.Generator, coil: Coil) -> Field:
    """Vertical streaks, fine horizontal ripple, bands of bright specks; mean 0."""
    streaks = make_noise(rng, HEIGHT, WIDTH, along_y=190, along_x=1.6)
    streaks += 0.8 * make_noise(rng, HEIGHT, WIDTH, along_y=40, along_x=2)
    streaks += 1.2 * make_noise(rng, HEIGHT, WIDTH, along_y=400, along_x=14)
    texture = 0.5 * coil.streaks * streaks
    texture += 0.025 * make_fractal(rng, HEIGHT, WIDTH, along_y=60, along_x=24, octaves=4)
    y, x = axes(HEIGHT, WIDTH)
    wander = 9 * make_noise(rng, HEIGHT, WIDTH, along_y=70, along_x=170)
    wander += 1.3 * make_noise(rng, HEIGHT, WIDTH, along_y=11, along_x=60)
    phase = (y + wander + float(rng.normal(0, 0.03)) * x) * (2 * np.pi / coil.ripple_period)
    where = ramp(make_noise(rng, HEIGHT, WIDTH, along_y=130, along_x=160), 0.3, 2.0)
    where *= 1 + 0.45 * make_noise(rng, HEIGHT, WIDTH, along_y=5, along_x=40)
    texture += coil.ripple * where * np.sin(phase + 0.6 * np.sin(phase))
    if coil.sparkle:
        dashes = make_noise(rng, HEIGHT, WIDTH, along_y=1, along_x=2.6)
        band = make_noise(rng, HEIGHT, WIDTH, along_y=500, along_x=70)
        texture += 0.9 * coil.sparkle * ramp(dashes + 0.9 * band, 3.0, 1.6)
    dust = make_noise(rng, HEIGHT, WIDTH, along_y=1.4, along_x=1.4)
    texture += 0.35 * ramp(dust, 3.4, 0.8) - 0.3 * ramp(-dust, 3.2, 0.8)
    return texture


def _shine(rng: np.random.Generator, coil: Coil) -> Field:
    """Uneven light: smooth bands across the width, a tilt down the image, slanted shadows."""
    y, x = axes(HEIGHT, WIDTH)
    wide = make_noise(rng, HEIGHT, WIDTH, along_y=600, along_x=420)
    bands = make_noise(rng, HEIGHT, WIDTH, along_y=500, along_x=60)
    pools = make_noise(rng, HEIGHT, WIDTH, along_y=190, along_x=240)
    down = coil.tilt * (y * (1 / HEIGHT) - 0.5)
    swell = 0.18 * wide + 0.07 * bands + 0.08 * pools + down * (1 + 0.6 * wide)
    if rng.random() < 0.35:
        bend = 60 * make_noise(rng, HEIGHT, 1, along_y=160, along_x=1)
        slant = float(rng.normal(0, 0.8))
        beyond = x + slant * y + bend - float(rng.uniform(100, WIDTH - 100))
        swell = swell - float(rng.uniform(0.06, 0.18)) * ramp(beyond, 0, float(rng.uniform(6, 90)))
    falloff = 0.15 * (x * (2 / WIDTH) - 1) ** 4
    light: Field = coil.brightness * np.exp(np.clip(swell, -0.48, 0.6) - falloff)
    return light


def _make_grain(rng: np.random.Generator, coil: Coil) -> Field:
    grain = soften(rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32), 0.3)
    grain += 0.2 * make_noise(rng, HEIGHT, WIDTH, along_y=3, along_x=1.5)
    return coil.grain * 1.1 * grain


def _cut_strip(rng: np.random.Generator) -> tuple[int, int, Field, Field]:
    """Where the strip ends: inner columns, coverage `[H, W]`, and the brighter rim's albedo."""
    y, x = axes(HEIGHT, WIDTH)
    kind = rng.random()
    if kind > 0.38:
        still = np.zeros((1, 1), dtype=np.float32)
        return 0, WIDTH, np.ones((HEIGHT, WIDTH), dtype=np.float32), still
    wide = float(rng.uniform(45, 520) if rng.random() < 0.75 else rng.uniform(520, 1180))
    slant = float(rng.normal(0, 4)) if rng.random() < 0.8 else float(rng.normal(0, 16))
    rough = float(rng.uniform(0.1, 0.8)) * make_noise(rng, HEIGHT, 1, along_y=3, along_x=1)
    distance = x - wide - slant * (y * (1 / HEIGHT) - 0.5) - rough
    edge = ramp(distance, 0, 3)
    rim_width = float(rng.uniform(8, 70))
    profile = make_noise(rng, HEIGHT, WIDTH, along_y=700, along_x=rim_width / 5)
    near = ramp(-distance, -rim_width, rim_width * float(rng.uniform(0.2, 0.9)))
    rim = near * (float(rng.uniform(-0.2, 0.5)) + 0.18 * profile)
    rim += 0.11 * near * make_noise(rng, HEIGHT, WIDTH, along_y=1.2, along_x=1.6)
    inner = int(np.ceil(wide + abs(slant) / 2 + 4))
    inner = min(inner, WIDTH - _NARROWEST_STEEL)
    if kind < 0.165:
        return inner, WIDTH, edge, rim
    return 0, WIDTH - inner, edge[:, ::-1], rim[:, ::-1]
