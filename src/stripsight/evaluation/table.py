"""A judgement as a table for the terminal."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stripsight.evaluation.judgement import Judgement

_OPTIMISTIC = (
    "note: thresholds and best epoch were chosen on these very images, so the figures look better"
    " than they are: --split test judges"
)


def build_table(judgement: Judgement) -> Group:
    """Per class and macro, narrow enough for 80 columns; positives, escapes and overkills last."""
    table = Table(
        title=f"{judgement.part} split, {judgement.images:,} images"
        " (thresholds fitted on validation)"
        + (f"\nof {judgement.split}" if judgement.split else ""),
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        title_justify="left",
    )
    table.add_column("class", no_wrap=True)
    for heading in ("AP", "AUROC", "F1", "prec.", "recall", "thresh.", "pos.", "esc.", "overk."):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in judgement.classes:
        counts = row.confusion
        table.add_row(
            Text(row.name),
            _figure(row.average_precision),
            _figure(row.auroc),
            _figure(row.f1),
            _figure(row.precision),
            _figure(row.recall),
            _figure(row.threshold),
            f"{row.positives:,}",
            f"{counts.false_negatives:,}" if counts else "-",
            f"{counts.false_positives:,}" if counts else "-",
        )
    table.add_section()
    macro = judgement.macro
    table.add_row(
        "macro",
        _figure(macro["average_precision"]),
        _figure(macro["auroc"]),
        _figure(macro["f1"]),
        _figure(macro["precision"]),
        _figure(macro["recall"]),
        "",
        "",
        "",
        "",
    )
    lines = [
        f"exact match {_figure(judgement.exact_match)}    "
        f"Hamming loss {_figure(judgement.hamming_loss)}",
        *(f"note: {note}" for note in judgement.notes),
        *([_OPTIMISTIC] if judgement.part == "validation" else []),
    ]
    return Group(table, *(Text(line) for line in lines))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
