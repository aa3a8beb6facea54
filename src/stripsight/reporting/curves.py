"""Curves: precision against recall, risk against coverage, loss against epoch, and their kin.

Every curve is named at its end, in the margin, so that no legend must be searched; colour, dashes
and markers together tell them apart, so that they hold in grey print.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from stripsight.reporting.canvas import TYPE, WIDTH, Canvas, Plot, measure, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, STEEL, deepen
from stripsight.reporting.frame import (
    BAND,
    PAD,
    SMALL,
    Axis,
    KeyItem,
    Ruler,
    add_frame,
    add_key,
    add_ring,
    measure_key,
    rule_axis,
    spread_apart,
)

FloatArray = npt.NDArray[np.floating]
_Places = tuple[FloatArray, FloatArray]

_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.6), (1.6, 1.2), (7, 1.5, 1.6, 1.5), (3, 1.2))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SAMPLE = 24.0
_LEADER = 18.0
_WIDEST_LABEL = 170.0
_EACH_POINT = 12  # curves of so few points carry a marker on each of them


@dataclass(frozen=True)
class Curve:
    """One named series.

    Attributes:
        label: its name, written at its end.
        x: float `[K]`, in rising or falling order.
        y: float `[K]`; NaN leaves a gap.
        color: of a class, or steel.
        value: what is said below the name: `AP 0.913`.
        low: float `[K]`, lower end of the interval around `y`, or None.
        high: float `[K]`, its upper end, or None.
        point: (x, y) of the place that was chosen on it, or None.
        steps: each y holds from the point before it, as precision does between two recalls.
    """

    label: str
    x: FloatArray
    y: FloatArray
    color: str = STEEL
    value: str = ""
    low: FloatArray | None = None
    high: FloatArray | None = None
    point: tuple[float, float] | None = None
    steps: bool = False


@dataclass(frozen=True)
class Reference:
    """A straight dashed line to compare with, between two places (x, y): chance, a promise."""

    label: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Span:
    """A stretch of the x axis that is shaded from top to bottom, such as the review band."""

    label: str
    low: float
    high: float


def draw_curves(
    curves: Sequence[Curve],
    across: Axis,
    up: Axis,
    *,
    references: Sequence[Reference] = (),
    spans: Sequence[Span] = (),
    point: str = "",
    band: str = "",
) -> Plot:
    """Curves in one frame, each named at its end.

    Args:
        curves: at least one; one without a finite point is named, not drawn.
        across: what x measures.
        up: what y measures.
        references: drawn behind, named in the key.
        spans: likewise.
        point: what the rings of the curves' points mean: `chosen threshold`.
        band: what the curves' bands mean: `95 % interval`.
    """
    points = [c.point for c in curves if c.point]
    lows_highs = [part for c in curves for part in (c.low, c.high) if part is not None]
    ends = [place for r in references for place in (r.start, r.end)]
    ruled_x = rule_axis(across, [*(c.x for c in curves), [x for x, _ in points]], most=4)
    ruled_y = rule_axis(up, [*(c.y for c in curves), *lows_highs, [y for _, y in (*points, *ends)]])
    key = _list_key(curves, references, spans, point, band)
    with styled():
        sizes = [TYPE + 6 + (SMALL + 3 if c.value else 0) for c in curves]
        column = _SAMPLE + 4 + max(max(measure(c.label), measure(c.value, SMALL)) for c in curves)
        column = min(column, _WIDEST_LABEL)
        left, top = PAD + ruled_y.room + 9, 28.0
        width = WIDTH - PAD - column - _LEADER - left
        height = max(min(width, 250.0), sum(sizes) - 16)
        canvas = Canvas(top + height + 44 + measure_key(key))
        sheet = canvas.add_sheet()
        axes = add_frame(canvas, sheet, ruled_x, ruled_y, (left, top, width, height))
        for span in spans:
            axes.axvspan(span.low, span.high, color=BAND, linewidth=0, zorder=0.5)
        for line in references:
            (x0, y0), (x1, y1) = line.start, line.end
            axes.plot([x0, x1], [y0, y1], color=MUTED, linewidth=1.1, dashes=(4, 2.5), zorder=1.5)
        styles = _list_styles(len(curves))
        for curve, style in zip(curves, styles, strict=True):
            _add_curve(axes, curve, style, width / height)
        for curve in curves:
            if curve.point:
                add_ring(axes, *curve.point, deepen(curve.color))
        _add_labels(sheet, curves, styles, sizes, ruled_x, ruled_y, (left, top, width, height))
        add_key(sheet, top + height + 42, key)
        return canvas.save()


@dataclass(frozen=True)
class _Style:
    dashes: tuple[float, ...]
    marker: str
    offset: float


def _list_styles(count: int) -> list[_Style]:
    kinds = zip(cycle(_DASHES), cycle(_MARKERS), strict=False)  # 35 before one comes again
    return [
        _Style(dashes, marker, 0.08 + 0.22 * index / count)
        for index, (dashes, marker) in enumerate(islice(kinds, count))
    ]


def _list_key(
    curves: Sequence[Curve],
    references: Sequence[Reference],
    spans: Sequence[Span],
    point: str,
    band: str,
) -> list[KeyItem]:
    items = []
    if point and any(c.point for c in curves):
        items.append(KeyItem("ring", point))
    if band and any(c.low is not None for c in curves):
        items.append(KeyItem("band", band, BAND))
    items += [KeyItem("dashes", line.label) for line in references if line.label]
    items += [KeyItem("band", span.label, BAND) for span in spans if span.label]
    return items


def _add_curve(axes: Axes, curve: Curve, style: _Style, aspect: float) -> None:
    color = deepen(curve.color)
    x: FloatArray = np.asarray(curve.x, dtype=np.float64)
    y: FloatArray = np.asarray(curve.y, dtype=np.float64)
    if curve.low is not None and curve.high is not None:
        axes.fill_between(x, curve.low, curve.high, color=color, alpha=0.16, linewidth=0, zorder=2)
    marked: _Places | None = (x, y) if len(x) <= _EACH_POINT else None
    if curve.steps:
        x, y = _to_steps(x, y)
    (line,) = axes.plot(x, y, color=color, linewidth=2, dashes=style.dashes, zorder=3,
              solid_joinstyle="round", dash_capstyle="butt")  # fmt: skip
    line.set_clip_box(Bbox(axes.bbox.padded(3)))  # else the edge halves a line that runs along it
    if marked is None:
        marked = _place_markers(x, y, axes, style.offset, aspect, curve.point)
    axes.plot(*marked, style.marker, color=curve.color, markeredgecolor=color, markersize=6,
              markeredgewidth=1.3, linestyle="none", clip_on=False, zorder=4)  # fmt: skip


def _to_steps(x: FloatArray, y: FloatArray) -> _Places:
    """Corners of the staircase in rising x: each y holds back to the x before it."""
    if len(x) > 1 and x[0] > x[-1]:
        x, y = x[::-1], y[::-1]
    return np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]


def _place_markers(
    x: FloatArray,
    y: FloatArray,
    axes: Axes,
    offset: float,
    aspect: float,
    point: tuple[float, float] | None,
) -> _Places:
    """Places along the drawn line, 0.3 of the axes' width apart, the first at `offset`.

    None so near the chosen point that its ring would hide it.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x):
        return x, y
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    run = np.hypot(np.diff(x) / (x1 - x0), np.diff(y) / (y1 - y0) / aspect)
    along = np.concatenate([[0.0], np.cumsum(run)])
    places = np.arange(offset, along[-1], 0.3)
    marked_x, marked_y = np.interp(places, along, x), np.interp(places, along, y)
    if point is None:
        return marked_x, marked_y
    away = np.hypot((marked_x - point[0]) / (x1 - x0), (marked_y - point[1]) / (y1 - y0) / aspect)
    return marked_x[away > 0.06], marked_y[away > 0.06]


def _add_labels(
    sheet: Axes,
    curves: Sequence[Curve],
    styles: Sequence[_Style],
    sizes: Sequence[float],
    across: Ruler,
    up: Ruler,
    place: tuple[float, float, float, float],
) -> None:
    """Names in the margin at the heights of the ends, pushed apart, with thin lines to them."""
    left, top, width, height = place
    ends = [_find_end(curve) for curve in curves]
    heights = [up.low if end is None else min(max(end[1], up.low), up.high) for end in ends]
    # Where ends meet, the curve that is higher on the whole is named above.
    order = sorted(range(len(curves)), key=lambda i: (-heights[i], -_measure_area(curves[i])))
    level = [top + height * (1 - (heights[i] - up.low) / (up.high - up.low)) for i in order]
    middles = spread_apart(level, [sizes[i] for i in order], top - 10, top + height + 14)
    start = left + width + _LEADER
    for i, y, middle in zip(order, level, middles, strict=True):
        curve, style, color = curves[i], styles[i], deepen(curves[i].color)
        name = middle - (SMALL + 3) / 2 if curve.value else middle
        if end := ends[i]:
            x = left + width * (end[0] - across.low) / (across.high - across.low) + 3
            corner = max(x, left + width + 3)
            sheet.plot([x, corner, start - 2], [y, y, name], color=MUTED, linewidth=0.6, zorder=1)
        sheet.plot([start, start + _SAMPLE - 4], [name, name], color=color, linewidth=2,
                   dashes=style.dashes)  # fmt: skip
        sheet.plot([start + _SAMPLE / 2 - 2], [name], style.marker, color=curve.color,
                   markeredgecolor=color, markersize=6, markeredgewidth=1.3)  # fmt: skip
        text = start + _SAMPLE + 4
        write(sheet, text, name, shorten(curve.label, WIDTH - text), color=INK)
        if curve.value:
            value = shorten(curve.value, WIDTH - text, SMALL)
            write(sheet, text, name + SMALL + 4, value, color=MUTED, fontsize=SMALL)


def _find_end(curve: Curve) -> tuple[float, float] | None:
    """The rightmost point that is known, and of several there the highest; None without any."""
    x, y = _sort_points(curve)
    return (float(x[-1]), float(y[-1])) if len(x) else None


def _measure_area(curve: Curve) -> float:
    x, y = _sort_points(curve)
    return float(np.trapezoid(y, x))


def _sort_points(curve: Curve) -> _Places:
    x, y = np.asarray(curve.x, dtype=np.float64), np.asarray(curve.y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    order = np.lexsort((y[known], x[known]))
    return x[known][order], y[known][order]
