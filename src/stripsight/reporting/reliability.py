"""A reliability diagram: whether 30 % said is 30 % seen, and how often what is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from stripsight.reporting.canvas import WIDTH, Canvas, Plot, measure, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, STEEL, deepen
from stripsight.reporting.frame import (
    PAD,
    SMALL,
    Axis,
    KeyItem,
    add_dot,
    add_frame,
    add_key,
    measure_key,
    rule_axis,
)
from stripsight.reporting.quantities import format_quantity

_BEFORE = "#8b98a5"
_HILL = 44.0
_GAP = 26.0  # above each histogram, for its words


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin of images with like probabilities.

    Attributes:
        predicted: their mean probability, 0 to 1.
        observed: the share of them that has the class, 0 to 1.
        low: lower end of the interval around `observed`.
        high: its upper end.
    """

    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreCounts:
    """How many images of one kind have a probability in each of K equal bins of 0 to 1.

    Attributes:
        label: the kind: `with scratches`.
        counts: int `[K]`.
        color: of the bars.
    """

    label: str
    counts: npt.NDArray[np.integer]
    color: str = STEEL


def draw_reliability(
    points: Sequence[ReliabilityPoint],
    scores: Sequence[ScoreCounts] = (),
    *,
    before: Sequence[ReliabilityPoint] = (),
    color: str = STEEL,
    interval: str = "95 % interval",
) -> Plot:
    """Observed against predicted over the histograms of the probabilities on the same axis.

    Args:
        points: in rising order of `predicted`.
        scores: one histogram a kind of image, each with its own height.
        before: the same bins before calibration, drawn hollow and without intervals.
        color: of the points.
        interval: what the points' lines are.
    """
    ruler = rule_axis(Axis("predicted probability", (0, 1), "share"), [])
    tall = rule_axis(Axis("share of images that have it", (0, 1), "share"), [])
    items = [KeyItem("filled", "calibrated" if before else "a bin of images", color)]
    if before:
        items.append(KeyItem("hollow", "before calibration"))
    items += [KeyItem("bar", interval, INK), KeyItem("dashes", "what was said is what is seen")]
    left, top, height = PAD + tall.room + 9, 28.0, 250.0
    width = WIDTH - left - 20
    below = top + height + 4
    foot = below + (_HILL + _GAP) * len(scores)
    with styled():
        canvas = Canvas(foot + 44 + measure_key(items))
        sheet = canvas.add_sheet()
        # The frame's words stand under the histograms, which share its x axis.
        axes = add_frame(canvas, sheet, ruler, tall, (left, top, width, height), foot=foot)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.1, dashes=(4, 2.5), zorder=1)
        _add_hints(sheet, left, top, width, height)
        _add_before(axes, before)
        _add_points(axes, points, color)
        for index, kind in enumerate(scores):
            place = (left, below + (_HILL + _GAP) * index + _GAP, width, _HILL)
            _add_hill(canvas, sheet, kind, place)
        add_key(sheet, foot + 42, items)
        return canvas.save()


def _add_hints(sheet: Axes, left: float, top: float, width: float, height: float) -> None:
    """Which side of the diagonal means what."""
    write(sheet, left + 8, top + 12, "more often than said", color=MUTED, fontsize=SMALL)
    write(sheet, left + width - 4, top + height - 12, "less often than said", color=MUTED,
          fontsize=SMALL, ha="right")  # fmt: skip


def _add_before(axes: Axes, points: Sequence[ReliabilityPoint]) -> None:
    x, y = [p.predicted for p in points], [p.observed for p in points]
    axes.plot(x, y, color=_BEFORE, linewidth=1.2, dashes=(1.5, 1.5), zorder=2)
    for point in points:
        add_dot(axes, point.predicted, point.observed, MUTED, filled=False)


def _add_points(axes: Axes, points: Sequence[ReliabilityPoint], color: str) -> None:
    x, y = [p.predicted for p in points], [p.observed for p in points]
    axes.plot(x, y, color=deepen(color), linewidth=1.6, zorder=3)
    for point in points:
        ends = [point.low, point.high]
        axes.plot([point.predicted] * 2, ends, color=INK, linewidth=1.6, clip_on=False, zorder=5)
        add_dot(axes, point.predicted, point.observed, color)


def _add_hill(
    canvas: Canvas, sheet: Axes, kind: ScoreCounts, place: tuple[float, float, float, float]
) -> None:
    """Bars on a scale of their own; a bin with any image is never invisible."""
    left, top, width, height = place
    counts = np.asarray(kind.counts, dtype=np.float64)
    highest = float(counts.max(initial=0))
    step = width / max(len(counts), 1)
    axes = canvas.add_axes(*place)
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    heights = np.where(counts > 0, np.maximum(counts / (highest or 1) * height, 1.6), 0)
    starts = step * np.arange(len(counts))
    axes.bar(starts, heights, width=step - 1, align="edge", color=kind.color, edgecolor=INK,
             linewidth=0.6)  # fmt: skip
    sheet.plot([left, left + width], [top + height] * 2, color=MUTED, linewidth=0.8)
    peak = f"highest bar {format_quantity(int(highest), 'image')}"
    total = f": {format_quantity(int(counts.sum()), 'image')}"
    room = width - measure(peak, SMALL) - measure(total, SMALL) - 12
    label = shorten(kind.label, room, SMALL) + total
    write(sheet, left, top - 8, label, color=INK, fontsize=SMALL)
    write(sheet, left + width, top - 8, peak, color=MUTED, fontsize=SMALL, ha="right")
