"""Figures as the report writes them: value and interval, in per cent or as a number."""

from collections.abc import Sequence

from stripsight.decision.outcomes import Counts
from stripsight.evaluation.intervals.interval import Figure
from stripsight.evaluation.judgement import ClassJudgement
from stripsight.reporting.quantities import format_share

INTERVAL = "95 % interval"
OVERRULED = (
    "Overruled: a review of a class on an image that another class makes defective; no person gets"
    " it. What costs work are the images to a person."
)


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


def write_counts(counts: Counts | None, *, is_overruled: bool = False) -> tuple[str, ...]:
    """Escapes, overkills and reviews for a table, overruled reviews too if asked; or dashes."""
    if counts is None:
        return ("\u2013",) * (4 if is_overruled else 3)
    return (
        f"{counts.escapes:,} of {counts.positives:,}",
        f"{counts.overkills:,} of {counts.negatives:,}",
        f"{counts.reviews:,}",
        *([f"{counts.overruled:,}"] if is_overruled else []),
    )


def has_overruled(rows: Sequence[ClassJudgement]) -> bool:
    """Whether any class has reviews that no person gets."""
    return any(row.counts is not None and row.counts.overruled for row in rows)


def write_share(figure: Figure | None) -> str:
    """`94.1 %`, or a dash."""
    return "\u2013" if figure is None else format_share(figure.value)


def write_share_limits(figure: Figure | None) -> str:
    """`90.2 % to 97.0 %`, or a dash."""
    if figure is None:
        return "\u2013"
    interval = figure.interval
    return f"{format_share(interval.low)} to {format_share(interval.high)}"
