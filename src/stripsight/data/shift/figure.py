"""The picture of a comparison: the distribution of each statistic in both sets, one over the other.

A is a filled area and B a line, so that they stay apart in grey print. What most images have none
of (borders, saturation) is drawn for those that have any, and the others are counted in words: one
bar of zeros would leave nothing else to be seen. Saturation and sharpness span decades: they stand
on a log scale. Heights are shares of the whole set.
"""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from stripsight.data.shift.comparison import Comparison, StatisticShift
from stripsight.data.shift.report import TITLES, describe_verdict
from stripsight.reporting.canvas import TYPE, WIDTH, Canvas, Plot, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, STEEL
from stripsight.reporting.quantities import format_number

_B = "#b34700"  # dark orange: 5:1 on white, and darker than A's area in grey print
_AREA = "#b9cad8"
_HEAD, _ROW, _PLOT = 62.0, 142.0, 64.0
_SKIPS_ZERO = frozenset({"border_left", "border_right", "saturated"})
_LOG = frozenset({"saturated", "sharpness"})
_BINS = 24

FloatArray = npt.NDArray[np.float64]


def draw_comparison(comparison: Comparison) -> Plot:
    """Draw all statistics, two to a row."""
    rows = -(-len(comparison.shifts) // 2)
    with styled():
        canvas = Canvas(_HEAD + _ROW * rows)
        sheet = canvas.add_sheet()
        _write_key(sheet, comparison)
        for index, shift in enumerate(comparison.shifts):
            left = 8 + (index % 2) * (WIDTH / 2)
            top = _HEAD + (index // 2) * _ROW
            width = WIDTH / 2 - 30
            verdict = f"PSI {shift.stability.psi:.2f}, {describe_verdict(shift)}"
            write(sheet, left, top + 8, shorten(TITLES[shift.name], width), color=INK)
            write(sheet, left, top + 24, shorten(verdict, width), color=MUTED, fontsize=TYPE - 1)
            counted = _draw_statistic(canvas.add_axes(left, top + 50, width, _PLOT), shift)
            write(sheet, left, top + 40, counted, color=MUTED, fontsize=TYPE - 1)
        return canvas.save()


def _write_key(sheet: Axes, comparison: Comparison) -> None:
    sheet.fill_between([6, 26], 8, 20, color=_AREA, linewidth=0)
    sheet.plot([6, 26], [8, 8], color=STEEL, linewidth=1.2)
    sheet.plot([6, 26], [38, 38], color=_B, linewidth=2.2)
    for y, name, title, images in (
        (14, "A", comparison.title_a, comparison.images_a),
        (38, "B", comparison.title_b, comparison.images_b),
    ):
        count = f" ({images:,} images)"
        # The end of a path tells sets apart, not its beginning.
        room = WIDTH - 44 - 7.6 * (len(count) + 3)
        write(sheet, 34, y, f"{name}: {_shorten_start(title, room)}{count}", color=INK)


def _shorten_start(text: str, points: float) -> str:
    return shorten(text[::-1], points)[::-1]


def _draw_statistic(axes: Axes, shift: StatisticShift) -> str:
    """Draw it; returns what is counted in words: images that are not drawn, or the highest bar."""
    a, b = (values[~np.isnan(values)] for values in (shift.values_a, shift.values_b))
    axes.set_yticks([])
    counted, sizes = "", (len(a), len(b))
    if shift.name in _SKIPS_ZERO:
        counted = f"none: {(a == 0).sum():,} of A, {(b == 0).sum():,} of B"
        a, b = a[a > 0], b[b > 0]
    both = np.concatenate([a, b])
    if not both.size:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "none has one", transform=axes.transAxes, ha="center", color=MUTED)
        return counted
    whole = bool((both == both.round()).all())
    is_log = shift.name in _LOG and bool((both > 0).any())
    edges = 10 ** _choose_edges(np.log10(both[both > 0])) if is_log else _choose_edges(both)
    highest, tallest = 0.0, ""
    for values, is_b in ((a, False), (b, True)):
        size = sizes[is_b]
        if not values.size:
            continue
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
        shares = counts / size
        if shares.max() > highest:
            highest = float(shares.max())
            tallest = f"highest: {counts.max():,} images of {'B' if is_b else 'A'}"
        if is_b:
            axes.stairs(shares, edges, color=_B, linewidth=2.2)
        else:
            axes.stairs(shares, edges, color=_AREA, fill=True)
            axes.stairs(shares, edges, color=STEEL, linewidth=1.2)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=4))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=whole))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))
    return counted or tallest


def _choose_edges(values: FloatArray) -> FloatArray:
    """Edges of the bins; the outermost hundredth at either end is drawn in the last bin."""
    low, high = np.quantile(values, [0.01, 0.99])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = (max(low - 2, 0.0) if low >= 0 else low - 2), high + 2
    edges: FloatArray = np.linspace(low, high, _BINS + 1)
    return edges
