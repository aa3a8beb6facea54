"""What looks like a defect and is none: scale, water and paint marks, oil, specks, checker plate.

Marks are drawn from the coil and the image alone, never from its labels, so they are no shortcut.
"""

import numpy as np

from stripsight.data.demo.fields import (
    Field,
    axes,
    make_fractal,
    make_generator,
    make_noise,
    ramp,
    shade,
)
from stripsight.data.demo.steel import HEIGHT, WIDTH, Coil, draw_coil

_MARK_STREAM = 3


def mark_surface(albedo: Field, seed: int, index: int) -> Field:
    """The albedo of image `index` with all its harmless marks."""
    coil = draw_coil(seed, index)
    rng = make_generator(seed, _MARK_STREAM, index)
    if coil.plate != "plain":
        pattern = _emboss_diamonds(rng) if coil.plate == "diamond" else _emboss_lentils(rng)
        albedo = albedo * pattern
    elif coil.scale:
        albedo = albedo * _grow_scale(rng, coil)
    if rng.random() < 0.3:
        albedo = albedo * _stain_with_oil(rng)
    if rng.random() < 0.5:
        albedo = albedo * _drop_specks(rng)
    if rng.random() < 0.1:
        albedo = _splash_water(rng, albedo)
    return albedo


def _grow_scale(rng: np.random.Generator, coil: Coil) -> Field:
    """Dark flames of scale: sharp-edged, upright, gathered in bands; a factor."""
    stretch = float(rng.uniform(2.5, 7))
    size = float(rng.choice((5, 7, 10, 14, 20)))
    flames = make_fractal(
        rng, HEIGHT, WIDTH, along_y=size * stretch, along_x=size, octaves=4, gain=0.6
    )
    bands = make_noise(rng, HEIGHT, WIDTH, along_y=350, along_x=110)
    edge = 1.55 - 3.2 * coil.scale + float(rng.normal(0, 0.15))
    covered = ramp(0.75 * flames + 0.75 * bands, edge, 0.12)
    depth = 1 + 0.25 * make_noise(rng, HEIGHT, WIDTH, along_y=120, along_x=60)
    factor: Field = 1 - (1 - coil.scale_tone) * covered * np.clip(depth, 0.2, 1.5)
    return factor


def _stain_with_oil(rng: np.random.Generator) -> Field:
    """Wide, soft-edged, slightly darker clouds; a factor."""
    cloud = make_fractal(rng, HEIGHT, WIDTH, along_y=110, along_x=150, octaves=4, gain=0.5)
    tone = float(rng.uniform(0.08, 0.2))
    return 1 - tone * ramp(cloud, float(rng.uniform(1.0, 1.8)), float(rng.uniform(0.15, 0.9)))


def _drop_specks(rng: np.random.Generator) -> Field:
    """A few dark dots of dirt, 1 to 3 pixels wide; a factor."""
    factor = np.ones((HEIGHT, WIDTH), dtype=np.float32)
    for _ in range(int(rng.integers(4, 40))):
        row, column = int(rng.integers(3, HEIGHT - 3)), int(rng.integers(3, WIDTH - 3))
        y, x = axes(5, 5)
        radius = float(rng.uniform(0.6, 1.7))
        dot = np.exp(-((y - 2) ** 2 + (x - 2) ** 2) / radius**2)
        factor[row - 2 : row + 3, column - 2 : column + 3] *= 1 - 0.45 * dot
    return factor


def _splash_water(rng: np.random.Generator, albedo: Field) -> Field:
    """Glaring drops with rings and spatter, lined up in a few columns."""
    width = int(rng.integers(110, 300))
    left = int(rng.integers(0, WIDTH - width))
    y, x = axes(HEIGHT, width)
    columns = np.full((1, width), -9.0, dtype=np.float32)
    for centre in rng.uniform(12, width - 12, int(rng.integers(2, 5))):
        columns = np.maximum(columns, -(((x - centre) / float(rng.uniform(7, 13))) ** 2))
    top, bottom = sorted(rng.uniform(-60, HEIGHT + 60, 2))
    bottom = max(bottom, top + 90)
    inside = -np.maximum(np.maximum(top - y, y - bottom) / 10, 0)
    drops = make_fractal(rng, HEIGHT, width, along_y=26, along_x=13, octaves=4, gain=0.6)
    level = drops + 0.8 + np.maximum(columns, -3) + np.maximum(inside, -4)
    glare = ramp(level, 0.95, 0.2) * (1 - 0.8 * ramp(level, 1.75, 0.25))
    spatter = make_fractal(rng, HEIGHT, width, along_y=4, along_x=3, octaves=2)
    glare = np.maximum(glare, ramp(spatter + 0.5 * np.maximum(level, -2.5), 2.1, 0.3))
    fade = ramp(np.minimum(x, width - x), 8, 12)
    glare *= fade
    splashed = albedo.copy()
    part = splashed[:, left : left + width]
    part += glare * (float(rng.uniform(2.2, 4)) - part)
    return splashed


def _emboss_diamonds(rng: np.random.Generator) -> Field:
    """The lattice of diamond checker plate: raised lines with a dark flank; a factor."""
    y, x = axes(HEIGHT, WIDTH)
    pitch_x, pitch_y = float(rng.uniform(92, 106)), float(rng.uniform(228, 262))
    y = y + float(rng.uniform(0, pitch_y))
    x = x + float(rng.uniform(0, pitch_x))
    normal = pitch_x * pitch_y / (pitch_x**2 + pitch_y**2) ** 0.5
    factor = np.ones((HEIGHT, WIDTH), dtype=np.float32)
    for sign in (1, -1):
        phase = y / pitch_y + sign * x / pitch_x
        distance = (phase - np.rint(phase)) * normal
        factor -= 0.68 * np.exp(-(((distance + 7 * sign) / 2.6) ** 2))
        factor -= 0.4 * np.exp(-(((distance - 7.5 * sign) / 2) ** 2))
        factor += 0.22 * np.exp(-((distance / 5) ** 2))
    worn = make_noise(rng, HEIGHT, WIDTH, along_y=200, along_x=240)
    pattern: Field = 1 + np.clip(factor - 1, -0.75, 0.5) * np.clip(0.85 + 0.2 * worn, 0.3, 1)
    return pattern


def _emboss_lentils(rng: np.random.Generator) -> Field:
    """The tears of checker plate: rows of lenses leaning left and right in turn; a factor."""
    row_pitch, column_pitch = float(rng.uniform(66, 78)), float(rng.uniform(128, 150))
    size = 72
    y, x = axes(size, size)
    y, x = y - size / 2, x - size / 2
    relief = np.zeros((HEIGHT + 2 * size, WIDTH + 2 * size), dtype=np.float32)
    rough = np.zeros_like(relief)
    shift_x, shift_y = float(rng.uniform(0, column_pitch)), float(rng.uniform(0, row_pitch))
    for row in range(-1, int(HEIGHT / row_pitch) + 2):
        lean = 1 if row % 2 else -1
        along, across = (x + lean * y * 1.15) / 1.52, (y - lean * x * 1.15) / 1.52
        lens = (1 - (np.abs(across) / 11) ** 1.7 - (along / 35) ** 2).astype(np.float32)
        dome = np.clip(lens * 2.2, 0, 1)
        for column in range(-1, int(WIDTH / column_pitch) + 2):
            top = int(row * row_pitch + shift_y) + size // 2
            left = int((column + 0.5 * (row % 2)) * column_pitch + shift_x) + size // 2
            if 0 <= top <= HEIGHT + size and 0 <= left <= WIDTH + size:
                relief[top : top + size, left : left + size] += dome
                rough[top : top + size, left : left + size] += ramp(lens, 0.15, 0.2)
    inner = np.s_[size : size + HEIGHT, size : size + WIDTH]
    lit = shade(relief, from_above=-1.1, from_left=0.12)[inner]
    sheen = 0.2 * make_noise(rng, HEIGHT, WIDTH, along_y=2.5, along_x=2)
    worn = 0.6 + 0.5 * make_noise(rng, HEIGHT, WIDTH, along_y=120, along_x=150)
    factor = 1 + np.clip(1.6 * lit, -0.8, 0.9) + rough[inner] * (0.15 + sheen) * worn
    pattern: Field = np.clip(factor, 0.2, 2.0)
    return pattern
