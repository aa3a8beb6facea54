"""Random fields and soft shapes: the brush strokes everything in the demo data is painted with.

All fields are float32 `[H, W]`. Nothing here calls BLAS or depends on threads, so the same
generator state gives the same bits in every process.
"""

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
"""`[H, W]`, float32."""

# Mean over the phase of the summed squared weights of a cubic B-spline: the integral of B3 squared.
_SPLINE_VARIANCE = 151 / 315


def make_generator(*key: int) -> np.random.Generator:
    """A generator that depends on `key` (non-negative integers) and on nothing else."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def make_noise(
    rng: np.random.Generator, height: int, width: int, *, along_y: float, along_x: float
) -> Field:
    """Smooth noise of mean 0 and standard deviation 1.

    White noise on a grid of `along_y` x `along_x` pixels, drawn out by cubic B-splines; a spacing
    of 1 or less leaves that direction white.
    """
    rows = height if along_y <= 1 else int(height / along_y) + 5
    columns = width if along_x <= 1 else int(width / along_x) + 5
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    phase_y, phase_x = rng.random(), rng.random()
    if along_y > 1:
        grid = _draw_out(grid, height, along_y, phase_y)
    if along_x > 1:
        grid = _draw_out(grid.T, width, along_x, phase_x).T
    return grid


def make_fractal(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    along_y: float,
    along_x: float,
    octaves: int,
    gain: float = 0.55,
) -> Field:
    """Octaves of `make_noise`, each of half the spacing and `gain` times the weight; unit sd."""
    total = np.zeros((height, width), dtype=np.float32)
    power = 0.0
    for octave in range(octaves):
        weight = gain**octave
        total += weight * make_noise(
            rng, height, width, along_y=along_y / 2**octave, along_x=along_x / 2**octave
        )
        power += weight**2
    total /= power**0.5
    return total


def soften(field: Field, side: float) -> Field:
    """Blur by the kernel (side, 1, side) / (1 + 2 side) down and across; the frame is repeated."""
    centre, flank = 1 / (1 + 2 * side), side / (1 + 2 * side)
    for axis in (0, 1):
        padded = np.pad(field, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        before, after = (padded[:-2], padded[2:]) if axis == 0 else (padded[:, :-2], padded[:, 2:])
        field = centre * field + flank * (before + after)
    return field


def ramp(field: Field, edge: float, softness: float) -> Field:
    """0 below `edge`, 1 above, a smoothstep of width `softness` around it."""
    t = np.clip((field - edge) / softness + 0.5, 0, 1)
    smooth: Field = t * t * (3 - 2 * t)
    return smooth


def shade(relief: Field, *, from_above: float = 1.0, from_left: float = 0.5) -> Field:
    """Slope of `relief` towards a light from above and from the left, in units a pixel."""
    lit = np.zeros_like(relief)
    lit[1:-1] += from_above * (relief[2:] - relief[:-2])
    lit[:, 1:-1] += from_left * (relief[:, 2:] - relief[:, :-2])
    return lit


def axes(height: int, width: int) -> tuple[Field, Field]:
    """Row `[H, 1]` and column `[1, W]` numbers as float32."""
    return (
        np.arange(height, dtype=np.float32)[:, None],
        np.arange(width, dtype=np.float32)[None, :],
    )


def _draw_out(grid: Field, length: int, spacing: float, phase: float) -> Field:
    """Stretch the rows of `grid` to `length` rows, `spacing` apart."""
    position = np.arange(length) / spacing + phase
    first = position.astype(np.intp)
    t = (position - first).astype(np.float32)[:, None]
    rest = 1 - t
    weights = (
        rest * rest * rest * (1 / 6),
        (0.5 * t - 1) * t * t + 2 / 3,
        (0.5 * rest - 1) * rest * rest + 2 / 3,
        t * t * t * (1 / 6),
    )
    drawn = weights[0] * grid[first]
    for tap in (1, 2, 3):
        drawn += weights[tap] * grid[first + tap]
    drawn /= np.float32(_SPLINE_VARIANCE**0.5)
    return drawn
