"""How good a run is: how it ranks images, and what its decisions come to."""

from collections.abc import Mapping

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report import figures
from stripsight.evaluation.report.blocks import (
    build_figure,
    build_tag,
    write_cell,
    write_threshold,
)
from stripsight.evaluation.report.words import (
    OVERRULED,
    has_overruled,
    write_counts,
    write_number,
)
from stripsight.reporting.page import (
    Block,
    Cell,
    Column,
    FigureGrid,
    Note,
    Section,
    Table,
)


def show_figures(evaluation: Evaluation) -> Section:
    """How well every class is ranked and called."""
    judgement = evaluation.judgement
    columns = [Column("class")] + [
        Column(title, numeric=True) for title in ("positives", "AP", "AUROC", "F1")
    ]
    names = ("average_precision", "auroc", "f1")
    rows: list[tuple[Cell, ...]] = [
        (
            build_tag(evaluation, column),
            f"{row.positives:,}",
            *(write_cell(row.figures[name]) for name in names),
        )
        for column, row in enumerate(judgement.classes)
    ]
    rows.append(("macro", "", *(write_cell(judgement.macro[name]) for name in names)))
    return Section(
        "figures",
        "How good it is",
        [
            Table("Figures with 95 % intervals", columns, rows),
            FigureGrid(
                [
                    build_figure(
                        "Precision against recall",
                        figures.draw_precision_recall(evaluation),
                        "Up and to the right is better. AP is the area under the curve.",
                    ),
                    build_figure(
                        "ROC",
                        figures.draw_roc(evaluation),
                        "Up and to the left is better.",
                    ),
                ]
            ),
        ],
        f"On {judgement.images:,} images of {judgement.part}. Average precision (AP) and AUROC say"
        " how well images are ranked, F1 what the thresholds make of it.",
    )


def show_decisions(evaluation: Evaluation) -> Section:
    """What the thresholds come to, and what others would."""
    judgement = evaluation.judgement
    is_overruled = has_overruled(judgement.classes)
    columns = [Column("class")] + [
        Column(title, numeric=True)
        for title in (
            "clean below",
            "defect from",
            "precision",
            "recall",
            "labels that escape",
            "images overkilled",
            "images to a person",
            *(["overruled"] if is_overruled else []),
        )
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            build_tag(evaluation, column),
            write_threshold(row.thresholds.clean_below),
            write_threshold(row.thresholds.defect_from),
            write_number(row.figures["precision"]),
            write_cell(row.figures["recall"]),
            *write_counts(row.counts, is_overruled=is_overruled),
        )
        for column, row in enumerate(judgement.classes)
    ]
    whole = write_counts(judgement.counts, is_overruled=is_overruled)
    rows.append(("whole images", "", "", "", "", *whole[:3], *([""] if is_overruled else [])))
    scans = [
        build_figure(row.name, plot, "")
        for column, row in enumerate(judgement.classes)
        if (plot := figures.draw_threshold_scan(evaluation, column)) is not None
    ]
    blocks: list[Block] = [
        Table(f"Decisions by {judgement.policy}", columns, rows),
        *([Note(OVERRULED)] if is_overruled else []),
        *_show_outcomes(evaluation),
        *_show_called_instead(evaluation),
        *([FigureGrid(scans, "Other thresholds, on validation", dense=True)] if scans else []),
        Note(
            "Thresholds are on calibrated probabilities. stripsight decide chooses others without"
            " training again: for a price of escapes and overkills, a promised recall, or a share"
            " of images to review."
        ),
    ]
    return Section(
        "decisions",
        "What it decides",
        blocks,
        "Fitted on validation, counted on what is judged. A class's counts are of labels, one class"
        " on one image; an image escapes only where it is called clean as a whole.",
    )


def _show_called_instead(evaluation: Evaluation) -> list[Block]:
    found = evaluation.judgement.called_instead
    if not found:
        return []
    columns = [
        Column("class that escapes"),
        Column("escapes", numeric=True),
        Column("called instead, not there"),
        Column("called beside it, there"),
        Column("to a person", numeric=True),
        Column("nothing called", numeric=True),
    ]
    names = evaluation.opened.data.classes.names
    rows: list[tuple[Cell, ...]] = [
        (
            build_tag(evaluation, names.index(entry.name)),
            f"{entry.escapes:,}",
            _list_counts(entry.wrongly),
            _list_counts(entry.rightly),
            f"{entry.review:,}",
            f"{entry.nothing:,}",
        )
        for entry in found
    ]
    note = (
        "Where nothing is called the image itself escapes. Where another class is called somebody"
        " sees the steel, if for the wrong reason. An image with two calls is counted under both."
    )
    return [Table("What was called on the images of an escape", columns, rows), Note(note)]


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "\u2013"


def _explain_waiting(evaluation: Evaluation) -> str:
    """Which of those that wait do so for nobody."""
    overruled = sum(
        row.counts.overruled for row in evaluation.judgement.classes if row.counts is not None
    )
    if not overruled:
        return ""
    return f" Of those that wait, {overruled:,} are overruled: no person gets them."


def _show_outcomes(evaluation: Evaluation) -> list[Block]:
    outcomes, risk = figures.draw_outcomes(evaluation), figures.draw_risk_coverage(evaluation)
    if outcomes is None:
        return [Note("No class has a threshold, so nothing is decided.")]
    shown = [
        build_figure(
            "What became of the images",
            outcomes,
            "An escape is a label called clean, an overkill a class called that is not there."
            + _explain_waiting(evaluation),
        )
    ]
    if risk is None:
        nothing_wrong = (
            "No image is called clean that shows a defect, or defective that shows none: there is"
            " no such verdict that a person could set right."
        )
        return [FigureGrid(shown), Note(nothing_wrong)]
    shown.append(
        build_figure(
            "What a person could take over",
            risk,
            "Wrong verdicts on whole images among those that are not reviewed, if the least sure"
            " ones go to a person.",
        )
    )
    return [FigureGrid(shown)]
