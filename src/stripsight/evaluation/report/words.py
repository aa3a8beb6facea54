"""Figures as the report writes them: value and interval, in per cent or as a number."""

from stripsight.evaluation.intervals.interval import Figure
from stripsight.reporting.quantities import format_share

INTERVAL = "95 % interval"


def write_number(figure: Figure | None) -> str:
    """`0.873`, or a dash."""
    return "\u2013" if figure is None else f"{figure.value:.3f}"


def write_limits(figure: Figure | None) -> str:
    """`0.78 to 0.94`, or a dash."""
    if figure is None:
        return "\u2013"
    interval = figure.interval
    return f"{interval.low:.3f} to {interval.high:.3f}"


def write_figure(figure: Figure | None) -> str:
    """`0.873 (0.780 to 0.940)`, or a dash."""
    return "\u2013" if figure is None else f"{write_number(figure)} ({write_limits(figure)})"


def write_share(figure: Figure | None) -> str:
    """`94.1 %`, or a dash."""
    return "\u2013" if figure is None else format_share(figure.value)


def write_share_limits(figure: Figure | None) -> str:
    """`90.2 % to 97.0 %`, or a dash."""
    if figure is None:
        return "\u2013"
    interval = figure.interval
    return f"{format_share(interval.low)} to {format_share(interval.high)}"
