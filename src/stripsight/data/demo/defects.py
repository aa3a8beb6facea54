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
    rows = int(rng.integers(1, 4))
    for _ in range(rows):
        column = float(rng.uniform(zone.left + 20, zone.right - 20))
        top = float(rng.uniform(10, 110))
        reach = float(rng.uniform(90, 150))
        lean = float(rng.normal(0, 0.12))
        for step in np.sort(rng.uniform(0, reach, int(rng.integers(4, 10)))):
            wobble = float(rng.normal(0, 7))
            yield _pit(rng, top + float(step), column + lean * float(step) + wobble)
    for _ in range(int(rng.integers(0, 4))):
        yield _pit(
            rng, float(rng.uniform(15, 240)), float(rng.uniform(zone.left + 15, zone.right - 15))
        )


def _pit(rng: np.random.Generator, row: float, column: float) -> Stamp:
    height, width = 44, 28
    y, x = axes(height, width)
    long, wide = float(rng.uniform(5, 13)), float(rng.uniform(3.2, 6))
    lean = float(rng.normal(0, 0.15))
    y, x = y - height / 2, x - width / 2 - lean * (y - height / 2)
    dent = 0.22 * make_fractal(rng, height, width, along_y=7, along_x=5, octaves=2)
    inside = 1 - np.hypot(y / long, x / wide) + dent
    alpha = ramp(inside, 0.1, 0.45) * ramp(-np.abs(y), -height / 2, 4) * ramp(-np.abs(x), -13, 4)
    tone = float(rng.uniform(0.25, 0.5))
    glint = ramp(
        0.75 - np.hypot((y - 0.25 * long) / (0.55 * long), (x + 0.2 * wide) / (0.5 * wide)) + dent,
        0.1,
        0.35,
    )
    value = tone + 0.1 * dent + glint * float(rng.choice([0.0, 1.2, 1.7]))
    return Stamp(int(row) - height // 2, int(column) - width // 2, alpha, value.astype(np.float32))


def _paint_thin_lines(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    """Class 2: one to three thin dark lines, upright or nearly, never the whole height."""
    centre = float(rng.uniform(zone.left + 40, zone.right - 40))
    for _ in range(int(rng.integers(1, 4))):
        length = int(rng.integers(100, 215))
        top = int(rng.integers(-15, HEIGHT - length + 15))
        width = 40
        y, x = axes(length, width)
        drift = float(rng.normal(0, 0.03)) * (y - length / 2)
        wiggle = 0.8 * make_noise(rng, length, 1, along_y=28, along_x=1)
        thick = float(rng.uniform(1.5, 2.4)) * (
            1 + 0.18 * make_noise(rng, length, 1, along_y=14, along_x=1)
        )
        ends = ramp(np.minimum(y, length - 1 - y), 7, 14)
        distance = np.abs(x - width / 2 - np.clip(drift + wiggle, -14, 14))
        alpha = ends * ramp(thick - distance, 0, 2.0)
        tone = float(rng.uniform(0.22, 0.42))
        value = tone + 0.06 * make_noise(rng, length, width, along_y=9, along_x=2)
        yield Stamp(top, int(centre + rng.uniform(-32, 32)) - width // 2, alpha, value)


def _paint_scratches(rng: np.random.Generator, zone: Zone) -> Iterable[Stamp]:
    """Class 3: bright streaks, bundles of broad dark bands, blistered seams, flaky fields."""
    forms = (_bright_streaks, _dark_bundle, _blistered_seam, _flaky_field)
    return forms[int(rng.choice(4, p=[0.42, 0.2, 0.18, 0.2]))](rng, zone)


def _bright_streaks(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    for _ in range(int(rng.integers(1, 4))):
        length = HEIGHT if rng.random() < 0.45 else int(rng.integers(110, 230))
        top = 0 if length == HEIGHT else int(rng.integers(-20, HEIGHT - length + 20))
        width = 44
        y, x = axes(length, width)
        centre = width / 2 + float(rng.normal(0, 0.03)) * (y - length / 2)
        half = float(rng.uniform(2.2, 5.5))
        distance = x - np.clip(centre, 14, width - 14)
        fray = 0.5 * make_fractal(rng, length, width, along_y=22, along_x=2.5, octaves=3)
        gaps = make_noise(rng, length, 1, along_y=36, along_x=1)
        level = 1 - np.abs(distance) / half + fray + np.clip(0.35 * gaps, -0.5, 0.5)
        ends = ramp(np.minimum(y, length - 1 - y), 8, 14) if length < HEIGHT else 1.0
        near = ramp(-np.abs(distance), -13, 3)
        alpha = ramp(level, 0.35, 0.5) * ends * near
        value = float(rng.uniform(1.55, 2.1)) + 0.35 * fray
        furrow = ramp(1 - np.abs(distance - half - 1.5) / 2 + 0.3 * gaps, 0.3, 0.5) * ends * near
        value = np.where(furrow > alpha, np.float32(0.45), value)
        left = int(rng.integers(zone.left, max(zone.right - width, zone.left + 1)))
        yield Stamp(top, left, np.maximum(alpha, furrow), value.astype(np.float32))


def _dark_bundle(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    width = min(int(rng.integers(90, 260)), zone.width)
    left = int(rng.integers(zone.left, zone.right - width + 1))
    for _ in range(int(rng.integers(3, 7))):
        half = float(rng.uniform(3.5, 9))
        box = int(2 * half + 24)
        y, x = axes(HEIGHT, box)
        slant = float(rng.normal(0, 0.015)) * (y - HEIGHT / 2)
        distance = np.abs(x - box / 2 - slant)
        fray = make_fractal(rng, HEIGHT, box, along_y=70, along_x=2.2, octaves=3)
        alpha = ramp(half - distance + 1.1 * fray, 0, 2.5) * ramp(-distance, -box / 2, 3)
        value = float(rng.uniform(0.38, 0.6)) + 0.1 * fray
        value = value + 0.9 * ramp(distance - half + 0.6 * fray, 1.2, 1.5)
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
    value = 0.5 + 0.12 * blisters + 1.6 * ramp(blisters + chain, 1.1, 0.8)
    value += 0.7 * ramp(distance - half + 3 + ragged, 0, 3)
    left = int(rng.integers(zone.left, max(zone.right - box, zone.left + 1)))
    yield Stamp(0, left, alpha, value.astype(np.float32))


def _flaky_field(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    height = int(rng.integers(100, 250))
    width = min(int(rng.integers(150, 520)), zone.width)
    top = int(rng.integers(-40, HEIGHT - height + 40))
    left = int(rng.integers(zone.left, zone.right - width + 1))
    alpha = ramp(_blob(rng, height, width, ragged=0.3), 0.05, 0.05)
    flakes = make_fractal(rng, height, width, along_y=7, along_x=34, octaves=4, gain=0.65)
    flakes += 0.5 * make_noise(rng, height, width, along_y=30, along_x=60)
    torn = ramp(flakes, 0.85, 0.18)
    shadow = np.roll(torn, 2, axis=0) * (1 - torn)
    rough = make_fractal(rng, height, width, along_y=12, along_x=16, octaves=4)
    value = 0.72 + 0.1 * rough + torn * float(rng.uniform(1.2, 1.9)) - 0.45 * shadow
    yield Stamp(top, left, alpha, np.maximum(value, 0.15).astype(np.float32))


def _paint_patches(rng: np.random.Generator, zone: Zone) -> Iterator[Stamp]:
    """Class 4: torn, crumpled shells with lit rims and shadows; now and then a small one beside."""
    width = min(int(rng.integers(150, 430)), zone.width)
    height = int(rng.integers(110, 260))
    left = int(rng.integers(zone.left, zone.right - width + 1))
    yield _shell(rng, int(rng.integers(-60, HEIGHT - height + 60)), left, height, width)
    for _ in range(int(rng.integers(0, 3))):
        width, height = min(int(rng.integers(60, 150)), zone.width), int(rng.integers(50, 120))
        left = int(rng.integers(zone.left, zone.right - width + 1))
        yield _shell(rng, int(rng.integers(-30, HEIGHT - height + 30)), left, height, width)


def _shell(rng: np.random.Generator, top: int, left: int, height: int, width: int) -> Stamp:
    inside = _blob(rng, height, width, ragged=0.38)
    alpha = ramp(inside, 0.02, 0.03)
    coarse = make_fractal(rng, height, width, along_y=26, along_x=40, octaves=3)
    fine = make_fractal(rng, height, width, along_y=8, along_x=9, octaves=3, gain=0.7)
    folds = -np.abs(coarse)
    relief = 6 * folds + 1.1 * fine + 14 * ramp(inside, 0.1, 0.25)
    lit = shade(relief, from_above=-1, from_left=-0.55)
    strength = float(rng.uniform(0.16, 0.34))
    value = float(rng.uniform(0.5, 0.78)) + 0.09 * fine + np.clip(strength * lit, -0.5, 0.95)
    value *= 0.55 + 0.45 * ramp(inside, 0.08, 0.1)
    return Stamp(top, left, alpha, np.clip(value, 0.08, 2.2).astype(np.float32))


def _blob(rng: np.random.Generator, height: int, width: int, *, ragged: float) -> Field:
    """A ragged outline inside the box: above 0 within, falling to below 0 at the box's border."""
    y, x = axes(height, width)
    y, x = y * (2 / (height - 1)) - 1, x * (2 / (width - 1)) - 1
    size = min(height, width)
    wide = make_noise(rng, height, width, along_y=size / 3, along_x=size / 2.5)
    fine = make_fractal(rng, height, width, along_y=size / 8, along_x=size / 7, octaves=4)
    base = 0.75 - np.hypot(x, y)
    # Noise dies towards the box, so that the box itself never cuts the outline.
    room = np.clip(3 * (1 - np.maximum(np.abs(x), np.abs(y))), 0, 1)
    blob: Field = (base + room * ragged * (0.6 * wide + 0.22 * fine)).astype(np.float32)
    return blob


_PAINTERS: dict[int, Callable[[np.random.Generator, Zone], Iterable[Stamp]]] = {
    1: _paint_pits,
    2: _paint_thin_lines,
    3: _paint_scratches,
    4: _paint_patches,
}
