"""A comparison as a picture: every difference from the first with its interval."""

from stripsight.evaluation.comparison.comparison import Comparison
from stripsight.evaluation.comparison.report import (
    BETTER_LOW,
    DRAWN,
    TITLES,
    format_difference,
    format_interval,
)
from stripsight.evaluation.comparison.seeds import SeedFigure
from stripsight.evaluation.intervals.differences import Difference
from stripsight.reporting.canvas import Plot
from stripsight.reporting.frame import Axis
from stripsight.reporting.intervals import IntervalRow, draw_intervals


def draw_comparison(comparison: Comparison) -> Plot:
    """Differences from the first with their intervals, or the figures of a single configuration."""
    if not comparison.contrasts:
        rows = [
            _build_row(name, figure)
            for name in DRAWN
            if (figure := comparison.figures[0][name]) is not None
        ]
        return draw_intervals(rows, Axis("share", kind="share"))
    first = comparison.configurations[0].name
    rows = []
    for configuration, contrast in zip(
        comparison.configurations[1:], comparison.contrasts, strict=True
    ):
        prefix = f"{configuration.name}: " if len(comparison.contrasts) > 1 else ""
        rows += [
            _build_difference_row(f"{prefix}{TITLES[name]}, {_say_better(name)}", difference)
            for name in DRAWN
            if (difference := contrast.differences[name]) is not None
        ]
    only = comparison.configurations[1].name if len(comparison.contrasts) == 1 else "each"
    return draw_intervals(
        rows,
        Axis(f"{only} minus {first}, {comparison.images:,} {comparison.part} images, at 95 %"),
        reference=0.0,
        reference_label=f"as {first}",
        apart="interval leaves out 0",
        not_apart="interval holds 0",
    )


def _build_row(name: str, figure: SeedFigure) -> IntervalRow:
    interval = figure.mean.interval
    spread = "" if figure.spread is None else f", spread {figure.spread:.3f}"
    text = f"{figure.mean.value:.3f} ({format_interval(interval)}){spread}"
    return IntervalRow(TITLES[name], figure.mean.value, interval.low, interval.high, text)


def _say_better(name: str) -> str:
    return "less is better" if name in BETTER_LOW else "more is better"


def _build_difference_row(label: str, difference: Difference) -> IntervalRow:
    interval = difference.interval
    text = format_difference(difference)
    return IntervalRow(label, difference.value, interval.low, interval.high, text)
