"""A judgement as tables for the terminal: figures with intervals, then decisions."""

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stripsight.decision.outcomes import Counts
from stripsight.evaluation.intervals.interval import Figure
from stripsight.evaluation.judgement import Judgement
from stripsight.evaluation.localisation.agreement import Agreement
from stripsight.reporting.quantities import format_share

_OPTIMISTIC = (
    "note: thresholds and best epoch were chosen on these very images, so the figures look better"
    " than they are: --split test judges"
)


def build_table(judgement: Judgement, *, of_folds: Sequence[str] | None = None) -> Group:
    """Two tables of a row a class, narrow enough for 80 columns, and what must be said below.

    `of_folds` gives the thresholds of each class in words, where every fold has its own.
    """
    alike = "" if judgement.groups == judgement.images else f" in {judgement.groups:,} groups"
    table = _start(
        f"{judgement.part} split, {judgement.images:,} images{alike}"
        + (f", of {judgement.split}" if judgement.split else "")
        + "\nfigures with 95 % intervals"
    )
    table.add_column("class", no_wrap=True)
    for heading in ("positives", "AP", "AUROC", "F1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in judgement.classes:
        names = ("average_precision", "auroc", "f1")
        table.add_row(
            Text(row.name), f"{row.positives:,}", *(format_figure(row.figures[n]) for n in names)
        )
    table.add_section()
    macro = [format_figure(judgement.macro[n]) for n in ("average_precision", "auroc", "f1")]
    table.add_row("macro", "", *macro)

    fitted_on = "validation" if of_folds is None else "each fold's validation images"
    calls = _start(
        f"decisions by {judgement.policy}, thresholds fitted on {fitted_on}"
        "\na class's counts are of labels (one class on one image), the last line's of whole images"
    )
    calls.add_column("class", no_wrap=True)
    for heading in ("defect from", "precision", "recall", "escapes", "overkills", "reviews"):
        calls.add_column(heading, justify="right", no_wrap=True)
    limits = [
        "-" if row.thresholds.defect_from is None else f"{row.thresholds.defect_from:.3f}"
        for row in judgement.classes
    ]
    for row, limit in zip(judgement.classes, of_folds or limits, strict=True):
        calls.add_row(
            Text(row.name),
            limit,
            format_value(row.figures["precision"]),
            format_value(row.figures["recall"]),
            *_counts(row.counts),
        )
    calls.add_section()
    calls.add_row("whole images", "", "", "", *_counts(judgement.counts))
    overall = judgement.overall
    lines = [
        "images: " + _describe_images(judgement),
        f"exact match {format_figure(overall['exact_match'])}    "
        f"Hamming loss {format_value(overall['hamming_loss'])}",
        *(f"note: {note}" for note in judgement.notes),
        *([_OPTIMISTIC] if judgement.part == "validation" else []),
    ]
    return Group(table, calls, *(Text(line) for line in lines))


def tabulate_agreement(agreements: Sequence[Agreement]) -> Table:
    """A row a class: how far Grad-CAM agrees with the heatmaps."""
    table = _start(
        "heatmaps against Grad-CAM\nmean rank correlation, -1 to 1; near 0, believe neither picture"
    )
    table.add_column("class", no_wrap=True)
    for heading in ("images", "agreement"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in agreements:
        found = "-" if one.correlation is None else f"{one.correlation:.2f}"
        table.add_row(Text(one.name), f"{one.images:,}", found)
    return table


def format_figure(figure: Figure | None) -> str:
    """`0.873 (0.78-0.94)`, or a dash."""
    if figure is None:
        return "-"
    interval = figure.interval
    return f"{figure.value:.3f} ({interval.low:.2f}-{interval.high:.2f})"


def format_value(figure: Figure | None) -> str:
    """`0.873`, or a dash."""
    return "-" if figure is None else f"{figure.value:.3f}"


def _start(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False, title_justify="left")


def _counts(counts: Counts | None) -> tuple[str, str, str]:
    if counts is None:
        return "-", "-", "-"
    return (
        f"{counts.escapes:,} of {counts.positives:,}",
        f"{counts.overkills:,} of {counts.negatives:,}",
        f"{counts.reviews:,}" + (f" (+{counts.overruled:,})" if counts.overruled else ""),
    )


def _describe_images(judgement: Judgement) -> str:
    """Rates of whole images with their intervals."""
    counts = judgement.counts
    rates = (
        ("defective but called clean", "image_escape_rate", counts.positives),
        ("clean but called defect", "image_overkill_rate", counts.negatives),
        ("to a person", "image_review_rate", judgement.images),
    )
    return "\n        ".join(
        f"{what} {format_share_figure(judgement.overall[name])} of {count:,}"
        for what, name, count in rates
    )


def format_share_figure(figure: Figure | None) -> str:
    """`9.4 % (6.2 % to 13.1 %)`, or a dash."""
    if figure is None:
        return "-"
    low, high = figure.interval.low, figure.interval.high
    return f"{format_share(figure.value)} ({format_share(low)} to {format_share(high)})"
