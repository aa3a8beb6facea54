"""Painters of the four kinds of defect, after the looks of Severstal's classes 1 to 4.

A painter returns stamps: how much of the surface each pixel gives up (alpha) and what it becomes.
Alpha below `FAINTEST` is cut to nothing, so the mask, alpha > 0, is exactly the set of pixels that
the defect touched.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.demo.fields import Field, axes, make_fractal, make_noise, ramp, shade
from stripsight.data.demo.steel import HEIGHT

FAINTEST = 0.2


@dataclass(frozen=True, slots=True)
class Stamp:
    """One painted piece: `surface += alpha * (value - surface)` from `top`, `left` on."""

    top: int
    left: int
    alpha: Field
    value: Field


@dataclass(frozen=True, slots=True)
class Zone:
    """The columns `[left, right)` that one kind of defect has to itself."""

    left: int
    right: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left


def paint_defect(
    albedo: Field, class_id: int, zone: Zone, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Paint class `class_id` into `albedo`, in place; the mask `[H, W]` of the touched pixels."""
    mask = np.zeros(albedo.shape, dtype=bool)
    for stamp in _PAINTERS[class_id](rng, zone):
        _press(stamp, zone, albedo, mask)
    return mask


def _press(stamp: Stamp, zone: Zone, albedo: Field, mask: npt.NDArray[np.bool_]) -> None:
    top, bottom = max(stamp.top, 0), min(stamp.top + stamp.alpha.shape[0], HEIGHT)
    left, right = max(stamp.left, zone.left), min(stamp.left + stamp.alpha.shape[1], zone.right)
    if top >= bottom or left >= right:
        return
    own = np.s_[top - stamp.top : bottom - stamp.top, left - stamp.left : right - stamp.left]
    alpha = np.where(stamp.alpha[own] >= FAINTEST, stamp.alpha[own], np.float32(0))
    surface = albedo[top:bottom, left:right]
    surface += alpha * (stamp.value[own] - surface)
    mask[top:bottom, left:right] |= alpha > 0


def _paint_pits(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    """Class 1: small dark pits with a glint, in upright rows, a few strays."""
    rows = int(rng.integers(3, 6))
    for _ in range(rows):
        column = float(rng.uniform(zone.left + 20, zone.right - 20))
        reach = float(rng.uniform(110, 220))
        top = float(rng.uniform(10, 246 - reach))
        lean = float(rng.normal(0, 0.12))
        for step in np.sort(rng.uniform(0, reach, int(rng.integers(6, 13)))):
            wobble = float(rng.normal(0, 7))
            yield _pit(rng, top + float(step), column + lean * float(step) + wobble)
    for _ in range(int(rng.integers(0, 4))):
        yield _pit(
            rng, float(rng.uniform(15, 240)), float(rng.uniform(zone.left + 15, zone.right - 15))
        )


def _pit(rng: np.random.Generator, row: float, column: float) -> Stamp:
    height, width = 52, 32
    y, x = axes(height, width)
    long, wide = float(rng.uniform(7, 16)), float(rng.uniform(4.5, 7.5))
    lean = float(rng.normal(0, 0.2))
    y, x = y - height / 2, x - width / 2 - lean * (y - height / 2)
    dent = make_fractal(rng, height, width, along_y=6, along_x=4, octaves=3, gain=0.7)
    room = np.clip(1.5 - np.maximum(np.abs(y) * (2 / height), np.abs(x) * (2 / width)) * 1.6, 0, 1)
    inside = 1 - np.hypot(y * (1 / long), x * (1 / wide)) + 0.32 * room * dent
    alpha = ramp(inside, 0.15, 0.6)
    side = float(rng.choice((-0.7, 0.7)))
    spark = 0.9 - np.hypot(y * (1.5 / long) - side, x * (1.5 / wide) + 0.3) + 0.4 * dent
    glint = ramp(spark, 0.25, 0.5) * float(rng.choice((0.6, 1.2, 1.7)))
    value = float(rng.uniform(0.22, 0.42)) + 0.13 * dent + glint
    return Stamp(
        int(row) - height // 2,
        int(column) - width // 2,
        alpha,
        np.clip(value, 0.1, 2.4).astype(np.float32),
    )


def _paint_thin_lines(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    """Class 2: two to five thin dark lines, upright or nearly, never the whole height."""
    reach = min(70, zone.width // 2 - 10)
    centre = float(rng.uniform(zone.left + reach, zone.right - reach))
    for _ in range(int(rng.integers(2, 6))):
        length = int(rng.integers(120, 225))
        top = int(rng.integers(-15, HEIGHT - length + 15))
        width = 40
        y, x = axes(length, width)
        drift = float(rng.normal(0, 0.03)) * (y - length / 2)
        wiggle = 0.8 * make_noise(rng, length, 1, along_y=28, along_x=1)
        broken = make_fractal(rng, length, width, along_y=14, along_x=2, octaves=4, gain=0.8)
        thick = float(rng.uniform(2.0, 3.0)) + 1.1 * broken
        ends = ramp(np.minimum(y, length - 1 - y), 7, 14)
        distance = np.abs(x - width / 2 - np.clip(drift + wiggle, -14, 14))
        alpha = ends * ramp(thick - distance, 0, 2.4) * ramp(-distance, -8, 2)
        value = float(rng.uniform(0.28, 0.44)) - 0.13 * broken
        yield Stamp(top, int(centre + rng.uniform(-reach, reach) * 0.8) - width // 2, alpha, value)


def _paint_scratches(rng: np.random.Generator, zone: Zone) -> Iterable[Stamp]:
    """Class 3: bright streaks, bundles of broad dark bands, blistered seams, flaky fields."""
    forms = (_bright_streaks, _dark_bundle, _blistered_seam, _flaky_field)
    return forms[int(rng.choice(4, p=[0.46, 0.14, 0.18, 0.22]))](rng, zone)


def _bright_streaks(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    for _ in range(int(rng.integers(2, 6))):
        length = HEIGHT if rng.random() < 0.45 else int(rng.integers(110, 230))
        top = 0 if length == HEIGHT else int(rng.integers(-20, HEIGHT - length + 20))
        width = 52
        y, x = axes(length, width)
        centre = width / 2 + float(rng.normal(0, 0.03)) * (y - length / 2)
        half = float(rng.uniform(3, 8))
        distance = x - np.clip(centre, 18, width - 18)
        fray = 0.55 * make_fractal(rng, length, width, along_y=20, along_x=2.5, octaves=4, gain=0.8)
        gaps = make_noise(rng, length, 1, along_y=36, along_x=1)
        taper = ramp(np.minimum(y, length - 1 - y), 15, 50) if length < HEIGHT else 1.0
        level = taper - np.abs(distance) / half + fray + np.clip(0.35 * gaps, -0.5, 0.5)
        ends = ramp(np.minimum(y, length - 1 - y), 8, 14) if length < HEIGHT else 1.0
        near = ramp(-np.abs(distance), -17, 3)
        alpha = ramp(level, 0.4, 0.9) * ends * near
        value = float(rng.uniform(1.5, 2.0)) + 0.6 * fray
        furrow = ramp(1 - np.abs(distance - half - 1.5) / 2 + 0.3 * gaps, 0.3, 0.5) * ends * near
        value = np.where(furrow > alpha, np.float32(0.45), value)
        left = int(rng.integers(zone.left, max(zone.right - width, zone.left + 1)))
        yield Stamp(top, left, np.maximum(alpha, furrow), value.astype(np.float32))


def _dark_bundle(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    width = min(int(rng.integers(90, 260)), zone.width)
    left = int(rng.integers(zone.left, zone.right - width + 1))
    for _ in range(int(rng.integers(3, 7))):
        half = float(rng.uniform(2.8, 9))
        box = int(2 * half + 24)
        y, x = axes(HEIGHT, box)
        slant = float(rng.normal(0, 0.015)) * (y - HEIGHT / 2)
        distance = np.abs(x - box / 2 - slant)
        fray = make_fractal(rng, HEIGHT, box, along_y=70, along_x=2.2, octaves=3)
        alpha = ramp(half - distance + 1.3 * fray, 0, 3.5) * ramp(-distance, -box / 2, 3)
        value = float(rng.uniform(0.42, 0.68)) + 0.15 * fray
        value = value + 0.8 * ramp(distance - half + 0.9 * fray, 1.4, 1.5)
        place = left + int(rng.integers(0, max(width - box, 1)))
        yield Stamp(0, place, alpha, value.astype(np.float32))


def _blistered_seam(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    half = float(rng.uniform(9, 20))
    box = int(2 * half + 30)
    y, x = axes(HEIGHT, box)
    drift = float(rng.normal(0, 0.03)) * (y - HEIGHT / 2)
    ragged = 2.5 * make_fractal(rng, HEIGHT, box, along_y=14, along_x=14, octaves=3)
    distance = np.abs(x - box / 2 - drift)
    alpha = ramp(half - distance + ragged, 0, 2.5) * ramp(-distance, -box / 2, 4)
    blisters = make_fractal(rng, HEIGHT, box, along_y=5, along_x=8, octaves=3)
    chain = 1 - distance / half + 0.4 * make_noise(rng, HEIGHT, 1, along_y=40, along_x=1)
    value = 0.62 + 0.14 * blisters + 1.3 * ramp(blisters + chain, 1.2, 1.5)
    value += 0.7 * ramp(distance - half + 3 + ragged, 0, 3)
    left = int(rng.integers(zone.left, max(zone.right - box, zone.left + 1)))
    yield Stamp(0, left, alpha, value.astype(np.float32))


def _flaky_field(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    height = int(rng.integers(130, 320))
    width = min(int(rng.integers(200, 620)), zone.width)
    top = int(rng.integers(-50, max(HEIGHT - height, 0) + 50))
    left = int(rng.integers(zone.left, zone.right - width + 1))
    alpha = ramp(_blob(rng, height, width, ragged=0.4), 0.05, 0.12)
    flakes = make_fractal(rng, height, width, along_y=7, along_x=34, octaves=4, gain=0.7)
    flakes += 0.5 * make_noise(rng, height, width, along_y=30, along_x=60)
    torn = ramp(flakes, 0.85, 0.35)
    shadow = np.roll(torn, 2, axis=0) * (1 - torn)
    rough = make_fractal(rng, height, width, along_y=12, along_x=16, octaves=4)
    value = 0.86 + 0.1 * rough + torn * float(rng.uniform(1.2, 1.9)) - 0.4 * shadow
    yield Stamp(top, left, alpha, np.maximum(value, 0.15).astype(np.float32))


def _paint_patches(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    """Class 4: torn, crumpled shells with lit rims and shadows; now and then a small one beside."""
    width = min(int(rng.integers(200, 560)), zone.width)
    height = int(rng.integers(150, 330))
    left = int(rng.integers(zone.left, zone.right - width + 1))
    yield _shell(rng, _overhang(rng, height), left, height, width)
    for _ in range(int(rng.integers(0, 3))):
        width, height = min(int(rng.integers(70, 200)), zone.width), int(rng.integers(60, 150))
        left = int(rng.integers(zone.left, zone.right - width + 1))
        yield _shell(rng, _overhang(rng, height), left, height, width)


def _overhang(rng: np.random.Generator, height: int) -> int:
    """A first row that leaves at least two thirds of the height in the image, where it fits."""
    over = height // 3
    return int(rng.integers(-over, max(HEIGHT - height, -over) + over + 1))


def _shell(rng: np.random.Generator, top: int, left: int, height: int, width: int) -> Stamp:
    inside = _blob(rng, height, width, ragged=0.38)
    alpha = ramp(inside, 0.02, 0.04)
    long, flat = float(rng.uniform(18, 60)), float(rng.uniform(14, 30))
    coarse = make_fractal(rng, height, width, along_y=flat, along_x=long, octaves=3, gain=0.5)
    fine = make_fractal(rng, height, width, along_y=5, along_x=6, octaves=3, gain=0.8)
    worn = ramp(make_noise(rng, height, width, along_y=60, along_x=80), 0.2, 1.6)
    relief = 7 * (coarse - 1.4 * np.abs(coarse)) + (0.2 + 0.8 * worn) * fine
    relief += 13 * ramp(inside, 0.1, 0.22)
    lit = shade(relief, from_above=-1, from_left=-0.55)
    strength = float(rng.uniform(0.12, 0.26))
    value = float(rng.choice((0.58, 0.7, 0.82, 1.1))) + 0.07 * fine - 0.12 * worn
    value = value + np.clip(strength * lit, -0.45, 1.1)
    cracks = ramp(-np.abs(coarse + 0.25 * fine), -0.035, 0.06) * worn
    value = value * (1 - 0.6 * cracks)
    return Stamp(top, left, alpha, np.clip(value, 0.08, 2.2).astype(np.float32))


def _blob(rng: np.random.Generator, height: int, width: int, *, ragged: float) -> Field:
    """A ragged outline inside the box: above 0 within, falling to below 0 at the box's border."""
    y, x = axes(height, width)
    y, x = y * (2 / (height - 1)) - 1, x * (2 / (width - 1)) - 1
    size = min(height, width)
    wide = make_noise(rng, height, width, along_y=size / 3, along_x=size / 2.5)
    fine = make_fractal(rng, height, width, along_y=size / 8, along_x=size / 7, octaves=4)
    base = 0.8 - np.hypot(x, y)
    # Noise dies towards the box, so that the box itself never cuts the outline.
    room = np.clip(2.2 * (1 - np.maximum(np.abs(x), np.abs(y))), 0, 1)
    blob: Field = (base + room * ragged * (wide + 0.25 * fine)).astype(np.float32)
    return blob


_PAINTERS: dict[int, Callable[[np.random.Generator, Zone], Iterable[Stamp]]] = {
    1: _paint_pits,
    2: _paint_thin_lines,
    3: _paint_scratches,
    4: _paint_patches,
}
