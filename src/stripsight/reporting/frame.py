"""The frame of a plot with two axes: limits, ticks with units, grid lines, titles, and its key.

Ticks are found before anything is drawn, so that the margin is as wide as their words need.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from stripsight.reporting.canvas import TYPE, WIDTH, Canvas, measure, shorten, write
from stripsight.reporting.colors import INK, MUTED, RULE, deepen
from stripsight.reporting.quantities import format_number

PAD = 2.0
"""Points between what is drawn and the figure's edge."""
SMALL = TYPE - 1
"""Size of type of ticks and keys."""
BAND = "#dfe6ec"
"""Fill of an interval or a span that has no colour of its own."""
_KEY_ROW = 19.0
_SAMPLE = 20.0  # width of a key's drawing

KeyKind = Literal["dashes", "band", "ring", "filled", "small", "hollow", "bar"]


@dataclass(frozen=True)
class Axis:
    """What an axis measures.

    Attributes:
        title: the quantity with its unit; a share needs none, its ticks say per cent.
        limits: ends of the axis; the data's own with some room if None.
        kind: `share` writes 0 to 1 as per cent.
        ticks: places and their words; found from the limits if empty.
    """

    title: str
    limits: tuple[float, float] | None = None
    kind: Literal["number", "share"] = "number"
    ticks: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Ruler:
    """An axis with everything found: ends, tick places, tick words."""

    title: str
    low: float
    high: float
    places: tuple[float, ...]
    words: tuple[str, ...]

    @property
    def room(self) -> float:
        """Width of the widest tick word in points."""
        return max((measure(word, SMALL) for word in self.words), default=0.0)


@dataclass(frozen=True)
class KeyItem:
    """One entry of a key: how it is drawn, and what it means."""

    kind: KeyKind
    label: str
    color: str = MUTED


def rule_axis(axis: Axis, values: Iterable[npt.ArrayLike], most: int = 5) -> Ruler:
    """Find the ends and at most about `most` round ticks of an axis that shows `values`."""
    if axis.limits is not None:
        low, high = axis.limits
    else:
        low, high = _find_ends(values)
    if not low < high:
        low, high = low - 0.5, low + 0.5
    if axis.ticks:
        inside = [(place, word) for place, word in axis.ticks if low <= place <= high]
    else:
        found = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        slack = 1e-9 * (high - low)
        inside = [(float(p), _say(p, axis)) for p in found if low - slack <= p <= high + slack]
    places, words = zip(*inside, strict=True) if inside else ((), ())
    return Ruler(axis.title, float(low), float(high), tuple(places), tuple(words))


def add_frame(
    canvas: Canvas,
    sheet: Axes,
    across: Ruler,
    up: Ruler,
    place: tuple[float, float, float, float],
    *,
    foot: float | None = None,
) -> Axes:
    """Axes at (left, top, width, height) with grid lines; titles above and below.

    Tick words of the height stand left of `left`, the height's title at the figure's left edge, 16
    points above. Tick words and title of the width take 40 points from `foot` downwards, which is
    the lower edge of the axes unless something stands between.
    """
    left, top, width, height = place
    foot = top + height if foot is None else foot
    axes = canvas.add_axes(*place)
    axes.set_xlim(across.low, across.high)
    axes.set_ylim(up.low, up.high)
    axes.set_xticks(across.places, labels=["" for _ in across.places])
    axes.set_yticks(up.places, labels=["" for _ in up.places])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=4)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    for y, word in zip(up.places, up.words, strict=True):
        at = top + height * (1 - (y - up.low) / (up.high - up.low))
        write(sheet, left - 7, at, word, ha="right", color=MUTED, fontsize=SMALL)
    _add_words_below(sheet, across, left, width, foot)
    write(sheet, PAD, top - 16, shorten(up.title, WIDTH - 2 * PAD, SMALL), color=MUTED,
          fontsize=SMALL)  # fmt: skip
    title = shorten(across.title, WIDTH - 2 * PAD, SMALL)
    half = measure(title, SMALL) / 2
    middle = min(max(left + width / 2, PAD + half), WIDTH - PAD - half)
    write(sheet, middle, foot + 33, title, ha="center", color=MUTED, fontsize=SMALL)
    return axes


def _add_words_below(sheet: Axes, across: Ruler, left: float, width: float, foot: float) -> None:
    """Tick words under the axis; those that would run into the one before are left out."""
    taken = -1e9
    for x, word in zip(across.places, across.words, strict=True):
        half = measure(word, SMALL) / 2
        at = left + width * (x - across.low) / (across.high - across.low)
        at = min(max(at, PAD + half), WIDTH - PAD - half)
        if at - half < taken + 4:
            continue
        taken = at + half
        write(sheet, at, foot + 14, word, ha="center", color=MUTED, fontsize=SMALL)


def measure_key(items: Sequence[KeyItem]) -> float:
    """Height in points that `add_key` will take."""
    return _KEY_ROW * len(_break_rows(items)) + (8 if items else 0)


def add_key(sheet: Axes, top: float, items: Sequence[KeyItem]) -> None:
    """What the marks mean, in as many rows as it takes, from `top` downwards."""
    for index, row in enumerate(_break_rows(items)):
        y = top + 8 + _KEY_ROW * (index + 0.5)
        x = PAD
        for item in row:
            _add_sample(sheet, x, y, item)
            label = shorten(item.label, WIDTH - 2 * PAD - _SAMPLE - 6, SMALL)
            write(sheet, x + _SAMPLE + 6, y, label, color=MUTED, fontsize=SMALL)
            x += _SAMPLE + 22 + measure(label, SMALL)


def spread_apart(
    wanted: Sequence[float], sizes: Sequence[float], low: float, high: float
) -> list[float]:
    """Middles of labels as near to `wanted` as they go without touching one another.

    Args:
        wanted: middles in rising order.
        sizes: heights of the labels.
        low: first place that may be used.
        high: last place; if all together are larger than the room, they run beyond it.

    The least sum of squared distances: isotonic regression by pooling neighbours that violate the
    order (Barlow and others, 1972), after the heights before each label have been taken off.
    """
    before = np.concatenate([[0.0], np.cumsum(sizes)])[:-1] + np.asarray(sizes) / 2
    pools: list[tuple[float, int]] = []
    for target in (np.asarray(wanted, dtype=np.float64) - before).tolist():
        mean, count = float(target), 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean = (mean * count + other * more) / (count + more)
            count += more
        pools.append((mean, count))
    starts = np.repeat([mean for mean, _ in pools], [count for _, count in pools])
    starts = np.clip(starts, low, max(low, high - float(np.sum(sizes))))
    return [float(value) for value in starts + before]


def _find_ends(values: Iterable[npt.ArrayLike]) -> tuple[float, float]:
    parts = [np.asarray(part, dtype=np.float64).ravel() for part in values]
    flat = np.concatenate([np.empty(0), *parts])
    flat = flat[np.isfinite(flat)]
    if not len(flat):
        return 0.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    if 0 <= low <= 0.4 * high:
        return 0.0, high * 1.05
    margin = (high - low) * 0.05 or max(abs(high) * 0.05, 0.5)
    return low - margin, high + margin


def _say(value: float, axis: Axis) -> str:
    value = 0.0 if abs(value) < 1e-12 else float(value)
    return f"{value * 100:.4g} %" if axis.kind == "share" else format_number(value)


def _break_rows(items: Sequence[KeyItem]) -> list[list[KeyItem]]:
    rows: list[list[KeyItem]] = []
    used = float(WIDTH)
    for item in items:
        wide = _SAMPLE + 22 + measure(item.label, SMALL)
        if not rows or used + wide > WIDTH + 12:
            rows.append([])
            used = PAD
        rows[-1].append(item)
        used += wide
    return rows


def _add_sample(sheet: Axes, x: float, y: float, item: KeyItem) -> None:
    middle = x + _SAMPLE / 2
    if item.kind == "dashes":
        sheet.plot([x, x + _SAMPLE], [y, y], color=item.color, linewidth=1.2, dashes=(4, 2.5))
    elif item.kind == "band":
        sheet.add_patch(Rectangle((x, y - 5), _SAMPLE, 10, facecolor=item.color, edgecolor="none"))
        for edge in (y - 5, y + 5):
            sheet.plot([x, x + _SAMPLE], [edge, edge], color=RULE, linewidth=0.8)
    elif item.kind == "bar":
        sheet.plot([x, x + _SAMPLE], [y, y], color=item.color, linewidth=1.6)
    elif item.kind == "ring":
        add_ring(sheet, middle, y, item.color)
    else:
        add_dot(
            sheet, middle, y, item.color, filled=item.kind != "hollow", small=item.kind == "small"
        )


def add_dot(
    axes: Axes, x: float, y: float, color: str, *, filled: bool = True, small: bool = False
) -> None:
    """A value: full, or hollow where it is not told apart from what it is compared with.

    `small` where it rests on next to nothing.
    """
    face = deepen(color) if filled else "white"
    axes.plot([x], [y], "o", color=face, markeredgecolor=INK, markeredgewidth=0.8 if small else 1.2,
              markersize=4.5 if small else 8, clip_on=False, zorder=6)  # fmt: skip


def add_ring(axes: Axes, x: float, y: float, color: str) -> None:
    """A point that was chosen: a disc in two rings."""
    for size, face in ((12.5, INK), (10.5, "white"), (7.0, color)):
        axes.plot([x], [y], "o", color=face, markeredgewidth=0, markersize=size, clip_on=False,
                  zorder=7)  # fmt: skip
