"""Bars, matrices, distributions and maps: numbers in, PNG out.

Every value that matters is written beside its mark, and classes are named where they stand: nothing
rests on colour alone, so that the plots hold in grey print and for the colour-blind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from stripsight.reporting.canvas import TYPE, WIDTH, Canvas, Plot, measure, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, RULE, STEEL, choose_ink
from stripsight.reporting.quantities import format_count, format_number

FloatArray = npt.NDArray[np.floating]

_MAP = LinearSegmentedColormap.from_list("steel", ["#f2f5f8", "#9fbbd1", "#41729b", "#0b2a45"])
# Orange for less, purple for more than chance; both ends are of one grey, so in print the number in
# the cell says which. Black type stays readable on all of it.
_LIFT = LinearSegmentedColormap.from_list(
    "lift", ["#e8963f", "#fbdcb4", "#ffffff", "#d5cfe8", "#9a86c4"]
)
_PAD = 2.0


@dataclass(frozen=True)
class Bar:
    """One bar: its name, length, colour, the value in words, and what is said of it besides."""

    label: str
    value: float
    text: str
    color: str = STEEL
    aside: str = ""


@dataclass(frozen=True)
class Spread:
    """A row of a distribution plot: its name, the values, and its colour."""

    label: str
    values: FloatArray
    color: str = STEEL


def draw_bars(bars: Sequence[Bar], *, whole: float | None = None) -> Plot:
    """Horizontal bars below their names; lengths share one scale that starts at 0.

    With a `whole`, which is at least the longest, a bar that fills its grey track is all of it;
    without one there is no track, and the longest bar is as wide as the plot.
    """
    row = 36.0
    with styled():
        canvas = Canvas(row * len(bars) + 2)
        sheet = canvas.add_sheet()
        longest = whole or max((bar.value for bar in bars), default=0) or 1
        aside = max((measure(bar.aside) + 12 for bar in bars if bar.aside), default=0.0)
        for index, bar in enumerate(bars):
            top = row * index
            end = WIDTH - _PAD
            if bar.aside:
                write(sheet, end, top + 11, bar.aside, ha="right", color=MUTED)
            write(sheet, end - aside, top + 11, bar.text, ha="right", color=INK)
            room = end - aside - measure(bar.text) - 16
            write(sheet, _PAD, top + 11, shorten(bar.label, room))
            if whole is not None:
                _add_box(sheet, _PAD, top + 21, WIDTH - 2 * _PAD, 9, "#e9edf1")
            width = (WIDTH - 2 * _PAD) * bar.value / longest
            if bar.value:
                _add_box(sheet, _PAD, top + 21, max(width, 1.5), 9, bar.color)
        return canvas.save()


def draw_matrix(
    marks: Sequence[str],
    colors: Sequence[str],
    texts: Sequence[Sequence[str]],
    strengths: npt.NDArray[np.float64],
) -> Plot:
    """A square table of texts whose cells are shaded by strength.

    Args:
        marks: short names of rows and columns.
        colors: of the marks.
        texts: what stands in each cell.
        strengths: float `[N, N]` in -1 (less) .. 1 (more); NaN leaves the cell white.
    """
    count = len(marks)
    head = 34.0
    cell = (WIDTH - head - _PAD) / count
    height = min(cell, 62.0)
    with styled():
        canvas = Canvas(head + height * count + _PAD)
        sheet = canvas.add_sheet()
        size = min(TYPE, cell / 3.1)
        for index, (mark, color) in enumerate(zip(marks, colors, strict=True)):
            _add_mark(sheet, head + cell * (index + 0.5), head / 2 - 2, mark, color)
            _add_mark(sheet, head / 2 - 2, head + height * (index + 0.5), mark, color)
        for i in range(count):
            for j in range(count):
                strength = strengths[i, j]
                fill = "#f4f6f8" if i == j else "#ffffff"
                if np.isfinite(strength):
                    fill = _to_hex(_LIFT, (strength + 1) / 2)
                left, top = head + cell * j, head + height * i
                _add_box(sheet, left + 1, top + 1, cell - 2, height - 2, fill, edge=RULE)
                ink = choose_ink(fill)
                write(
                    sheet,
                    left + cell / 2,
                    top + height / 2,
                    texts[i][j],
                    ha="center",
                    color=INK if ink == "#000000" else ink,
                    fontsize=size,
                    linespacing=1.35,
                )
        return canvas.save()


def draw_distribution(
    rows: Sequence[Spread],
    unit: str,
    *,
    counted: str,
    scale: Literal["linear", "log"] = "linear",
    limits: tuple[float, float] | None = None,
) -> Plot:
    """A histogram of the first row's values above one line a row: 5 to 95 %, quartiles, median.

    The highest bar's count stands at its height.

    Args:
        rows: at least one with at least one value; the first is drawn as the histogram too.
        unit: below the axis: what is measured, and in what.
        counted: what the histogram counts: `images`.
        scale: of the axis; values of 0 or less stand at its left end on a log scale.
        limits: of the axis; the data's own if None.
    """
    row, hill = 23.0, 74.0
    left = 14 + max(measure(counted, TYPE - 1), *(measure(r.label) for r in rows))
    left = min(150.0, left)
    with styled():
        canvas = Canvas(hill + 12 + row * len(rows) + 44)
        low, high = limits or _find_limits(rows, scale)
        spread = [np.clip(np.asarray(r.values, dtype=np.float64), low, high) for r in rows]
        above = canvas.add_axes(left, 4, WIDTH - left - 24, hill)
        below = canvas.add_axes(left, hill + 12, WIDTH - left - 24, row * len(rows))
        for axes in (above, below):
            axes.set_xscale(scale)
            axes.set_xlim(low, high)
            axes.set_yticks([])
        space = np.geomspace if scale == "log" else np.linspace
        edges = space(low, high, 41)
        bars, _, _ = above.hist(spread[0], bins=edges.tolist(), color=rows[0].color, linewidth=0)
        highest = float(np.max(bars)) or 1.0
        above.set_ylim(0, highest)
        above.axhline(highest, color=RULE, linewidth=0.8, zorder=0, clip_on=False)
        above.set_xticks([], minor=False)
        above.xaxis.set_minor_locator(NullLocator())
        above.xaxis.set_major_locator(NullLocator())
        below.set_ylim(len(rows), 0)
        sheet = canvas.add_sheet()
        for y, word in ((6, format_count(highest)), (21, counted), (hill, "0")):
            write(sheet, left - 8, y, word, ha="right", color=MUTED, fontsize=TYPE - 1)
        below.grid(axis="x")
        below.set_axisbelow(True)
        for index, (line, values) in enumerate(zip(rows, spread, strict=True)):
            y = hill + 12 + row * (index + 0.5)
            write(sheet, _PAD, y, shorten(line.label, left - 14))
            _add_spread(below, index + 0.5, values, line.color)
        _set_ticks(below, scale)
        end = hill + 12 + row * len(rows) + 32
        write(sheet, WIDTH - _PAD, end, unit, ha="right", color=MUTED)
        return canvas.save()


def draw_map(plane: FloatArray, *, width: int, height: int, highest: str, unit: str) -> Plot:
    """A map over the image plane with its scale below.

    Args:
        plane: float `[h, w]`, values from 0 up.
        width: of the images in pixels.
        height: likewise.
        highest: the largest value in words.
        unit: of the values.
    """
    tallest = f"{format_number(height)} px"
    left, right = measure(tallest, TYPE - 1) + 12, 34.0
    across = WIDTH - left - right
    tall = min(across * height / width, across)
    across = min(across, tall * width / height)
    with styled():
        canvas = Canvas(tall + 66)
        axes = canvas.add_axes(left, 7, across, tall)
        axes.imshow(
            plane,
            cmap=_MAP,
            vmin=0,
            vmax=float(plane.max()) or 1.0,
            extent=(0, width, height, 0),
            aspect="auto",
            interpolation="nearest",
        )
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(RULE)
        ticks = np.linspace(0, width, 5).round().tolist()
        axes.set_xticks(
            ticks, [*(format_number(t) for t in ticks[:-1]), f"{format_number(width)} px"]
        )
        rungs = np.linspace(0, height, 5 if tall > 120 else 2).round().tolist()
        axes.set_yticks(rungs, [*(format_number(r) for r in rungs[:-1]), tallest])
        sheet = canvas.add_sheet()
        middle = tall + 51
        _add_scale(sheet, left + 14, middle, 96)
        write(sheet, left, middle, "0", fontsize=TYPE - 1, color=MUTED)
        write(sheet, left + 120, middle, f"{highest} {unit}", fontsize=TYPE - 1, color=MUTED)
        return canvas.save()


def _add_scale(sheet: Axes, left: float, middle: float, width: float) -> None:
    steps = 48
    for step in range(steps):
        color = _to_hex(_MAP, step / (steps - 1))
        _add_box(sheet, left + width * step / steps, middle - 5, width / steps + 0.4, 10, color)
    _add_box(sheet, left, middle - 5, width, 10, "none", edge=MUTED)


def _find_limits(rows: Sequence[Spread], scale: str) -> tuple[float, float]:
    values = np.concatenate([np.asarray(r.values, dtype=np.float64) for r in rows])
    if scale == "log":
        values = values[values > 0]
        if not len(values):
            return 0.1, 10.0
        low, high = float(values.min()), float(values.max())
        return low / 1.3, high * 1.3
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * 0.03 or max(abs(high) * 0.05, 0.5)
    return low - (0 if low == 0 else margin), high + margin


def _add_spread(axes: Axes, y: float, values: FloatArray, color: str) -> None:
    if not len(values):
        return
    low, first, median, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [y, y], color=INK, linewidth=1, solid_capstyle="butt", zorder=2)
    axes.plot([first, third], [y, y], color=INK, linewidth=9, solid_capstyle="butt", zorder=3)
    axes.plot([first, third], [y, y], color=color, linewidth=7.4, solid_capstyle="butt", zorder=4)
    axes.plot([median], [y], "o", color="white", markeredgecolor=INK, markersize=6.5, zorder=5)


def _set_ticks(axes: Axes, scale: str) -> None:
    if scale == "log":
        low, high = axes.get_xlim()
        decades = np.log10(high / low)
        steps = (1.0, 2.0, 5.0) if decades < 1.6 else (1.0, 3.0) if decades < 2.6 else (1.0,)
        axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))


def _add_box(
    axes: Axes, left: float, top: float, width: float, height: float, fill: str, edge: str = "none"
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((left, top), width, height, facecolor=fill, edgecolor=edge, linewidth=0.8)
    )


def _add_mark(axes: Axes, x: float, y: float, mark: str, color: str) -> None:
    wide = max(20.0, 8.0 * len(mark) + 8)
    _add_box(axes, x - wide / 2, y - 9, wide, 18, color)
    write(axes, x, y, mark, ha="center", color=choose_ink(color), fontsize=TYPE - 1)


def _to_hex(colormap: LinearSegmentedColormap, position: float) -> str:
    red, green, blue, _ = colormap(position, bytes=True)
    return f"#{red:02x}{green:02x}{blue:02x}"
