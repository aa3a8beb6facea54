"""A reliability diagram: whether 30 % said is 30 % seen, and how often what is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from stripsight.reporting.canvas import WIDTH, Canvas, Plot, measure, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, STEEL
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
    spread_apart,
)
from stripsight.reporting.quantities import format_count, format_quantity

FEW = 10
"""A dot of fewer images is small: its interval is half the scale."""

_BEFORE = "#8b98a5"
_HILL = 44.0
_GAP = 26.0  # above each histogram, for its words
_COUNTS = 20.0  # below the frame, for how many images each dot is


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin of images with like probabilities.

    Attributes:
        predicted: their mean probability, 0 to 1.
        observed: the share of them that has the class, 0 to 1.
        low: lower end of the interval around `observed`.
        high: its upper end.
        images: how many.
    """

    predicted: float
    observed: float
    low: float
    high: float
    images: int = FEW


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
        before: the same images before calibration in bins of their own, hollow, without intervals.
        color: of the points.
        interval: what the points' lines are.
    """
    ruler = rule_axis(Axis("predicted probability", (0, 1), "share"), [])
    tall = rule_axis(Axis("share of images that have it", (0, 1), "share"), [])
    items = [KeyItem("filled", "calibrated" if before else "images of like probability", color)]
    if any(point.images < FEW for point in points):
        items.append(KeyItem("small", f"of fewer than {FEW} images", color))
    if before:
        items.append(KeyItem("hollow", "before calibration"))
    items += [KeyItem("bar", interval, INK), KeyItem("dashes", "what was said is what is seen")]
    left, top, height = PAD + tall.room + 9, 28.0, 250.0
    width = WIDTH - left - 20
    below = top + height + 4 + _COUNTS
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
        _add_counts(sheet, points, (left, top + height + 14), width)
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
    for point in points:
        ends, few = [point.low, point.high], point.images < FEW
        axes.plot([point.predicted] * 2, ends, color=INK, linewidth=0.9 if few else 1.6,
                  clip_on=False, zorder=5)  # fmt: skip
        add_dot(axes, point.predicted, point.observed, color, small=few)


def _add_counts(
    sheet: Axes, points: Sequence[ReliabilityPoint], place: tuple[float, float], width: float
) -> None:
    """How many images each dot is, below it, as near as the words let one another."""
    left, y = place
    words = [format_count(point.images) for point in points]
    sizes = [measure(word, SMALL) + 8 for word in words]
    wanted = [left + width * point.predicted for point in points]
    middles = spread_apart(wanted, sizes, left - 4, WIDTH - PAD)
    write(sheet, PAD, y, "images", color=MUTED, fontsize=SMALL)
    for word, middle in zip(words, middles, strict=True):
        write(sheet, middle, y, word, ha="center", color=INK, fontsize=SMALL)


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
