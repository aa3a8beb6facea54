"""An attribute of images cut into slices, with bounds that people read: `brightness 62-81 grey
levels`.

The bounds come from the images' own quantiles, so slices are about equally large, and are rounded
as far as that moves few images. A slice holds its lower bound and not its upper one. An attribute
that is the same for all images, or known of too few, gives no slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stripsight.reporting.quantities import format_number

FloatArray = npt.NDArray[np.float64]

_MOST_MOVED = 0.03
"""Share of the images that rounding may move over a bound."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One number of an image and how it is cut.

    Attributes:
        column: its name in the table of attributes.
        noun: what it is, as it reads before the bounds.
        unit: as it reads behind them, in the plural.
        slices: at most so many, besides the one of `apart`.
        counts: whether its values are counts, whose slices are named by their whole numbers.
        apart: a lowest value that is a slice of its own, and that slice's name.
        levels: fixed bounds with a name for each slice below, between and above them; without them
            the quantiles are taken.
    """

    column: str
    noun: str
    unit: str
    slices: int = 4
    counts: bool = False
    apart: tuple[float, str] | None = None
    levels: tuple[tuple[float, ...], tuple[str, ...]] | None = None


@dataclass(frozen=True, eq=False)
class Cut:
    """The images between two bounds.

    Attributes:
        name: for people.
        low: the lower bound, which belongs to it; None where there is none.
        high: the upper one, which does not.
        rows: bool `[N]`.
    """

    name: str
    low: float | None
    high: float | None
    rows: npt.NDArray[np.bool_]


def cut_attribute(values: FloatArray, attribute: Attribute, *, fewest: int) -> tuple[Cut, ...]:
    """The slices of one attribute, in the order of its values.

    Args:
        values: float64 `[N]`; NaN where it is not known, which no slice holds.
        attribute: how to cut it.
        fewest: images that a slice must have, and that must be left outside it.
    """
    known = np.isfinite(values)
    if attribute.levels is not None:
        edges, names = attribute.levels
        cuts = _cut_at(values, known, edges, names)
    else:
        cuts = []
        if attribute.apart is not None:
            value, name = attribute.apart
            cuts = [Cut(name, value, value, known & (values == value))]
            known = known & (values > value)
        cuts += _cut_at_quantiles(values, known, attribute, fewest, alone=not cuts)
    images = int(np.isfinite(values).sum())
    return tuple(c for c in cuts if fewest <= int(c.rows.sum()) <= images - fewest)


def choose_edges(values: FloatArray, slices: int, *, counts: bool = False) -> tuple[float, ...]:
    """Inner bounds, rising, of at most `slices` parts of about the same number of values.

    Args:
        values: float64 `[M]`, finite.
        slices: at least 1.
        counts: whether only whole numbers may be bounds.
    """
    if not len(values) or slices < 2 or values.min() == values.max():
        return ()
    exact = np.quantile(values, np.arange(1, slices) / slices)
    if counts:
        exact = np.ceil(exact)
    exact = np.unique(exact[exact > values.min()])
    if not len(exact):  # more than half of them share the lowest value
        exact = np.array([values[values > values.min()].min()])
    return tuple(exact.tolist()) if counts else _round_edges(values, exact)


def _round_edges(values: FloatArray, exact: FloatArray) -> tuple[float, ...]:
    rounded = [_round_edge(values, float(edge)) for edge in exact]
    rises = all(left < right for left, right in pairwise(rounded))
    return tuple(rounded if rises else exact.tolist())


def _round_edge(values: FloatArray, exact: float) -> float:
    """With as few digits as may be, from two."""
    below = float((values < exact).mean())
    for digits in range(2, 7):
        rounded = float(f"{exact:.{digits}g}")
        if abs(float((values < rounded).mean()) - below) <= _MOST_MOVED:
            return rounded
    return exact


def _cut_at_quantiles(
    values: FloatArray,
    known: npt.NDArray[np.bool_],
    attribute: Attribute,
    fewest: int,
    *,
    alone: bool,
) -> list[Cut]:
    chosen = values[known]
    slices = min(attribute.slices, len(chosen) // max(1, fewest))
    edges = choose_edges(chosen, slices, counts=attribute.counts)
    if not len(chosen) or (alone and not edges):
        return []
    lowest = float(chosen.min())
    # Beside a slice of its own, the rest has a lower bound too: the least that is not it.
    bounds: list[float | None] = [None if alone and not attribute.counts else lowest, *edges, None]
    names = [_name_slice(attribute, low, high) for low, high in pairwise(bounds)]
    return _cut_at(values, known, edges, names, first=bounds[0])


def _cut_at(
    values: FloatArray,
    known: npt.NDArray[np.bool_],
    edges: Sequence[float],
    names: Sequence[str],
    *,
    first: float | None = None,
) -> list[Cut]:
    part = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")
    bounds = [first, *edges, None]
    return [
        Cut(name, low, high, known & (part == number))
        for number, (name, (low, high)) in enumerate(zip(names, pairwise(bounds), strict=True))
    ]


def _name_slice(attribute: Attribute, low: float | None, high: float | None) -> str:
    noun, unit = attribute.noun, attribute.unit
    if low is None:
        assert high is not None
        words = f"{noun} under {_write(high)} {unit}"
    elif high is None:
        words = f"{noun} {_write(low)} {unit} or more"
    elif not attribute.counts:
        words = f"{noun} {_write(low)}-{_write(high)} {unit}"
    elif high - low > 1:
        words = f"{noun} {_write(low)}-{_write(high - 1)} {unit}"
    else:
        words = f"{noun} {_write(low)} {unit if low != 1 else unit.removesuffix('s')}"
    return words.strip()


def _write(value: float) -> str:
    return format_number(value, 6)
