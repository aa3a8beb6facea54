"""How good a run is: how it ranks images, and what its decisions come to."""

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report import figures
from stripsight.evaluation.report.blocks import (
    build_figure,
    build_tag,
    write_cell,
    write_threshold,
)
from stripsight.evaluation.report.words import write_number
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
    columns = [Column("class")] + [
        Column(title, numeric=True)
        for title in (
            "clean below",
            "defect from",
            "precision",
            "recall",
            "escapes",
            "overkills",
            "reviews",
        )
    ]
    rows = []
    for column, row in enumerate(judgement.classes):
        counts, recall = row.counts, row.figures["recall"]
        rows.append(
            (
                build_tag(evaluation, column),
                write_threshold(row.thresholds.clean_below),
                write_threshold(row.thresholds.defect_from),
                write_number(row.figures["precision"]),
                write_cell(recall),
                *(
                    ("\u2013", "\u2013", "\u2013")
                    if counts is None
                    else (
                        f"{counts.escapes:,} of {counts.positives:,}",
                        f"{counts.overkills:,} of {counts.negatives:,}",
                        f"{counts.reviews:,}",
                    )
                ),
            )
        )
    scans = [
        build_figure(row.name, plot, "")
        for column, row in enumerate(judgement.classes)
        if (plot := figures.draw_threshold_scan(evaluation, column)) is not None
    ]
    blocks: list[Block] = [
        Table(f"Decisions by {judgement.policy}", columns, rows),
        *_show_outcomes(evaluation),
        *([FigureGrid(scans, "Other thresholds, on validation", dense=True)] if scans else []),
        Note(
            "Thresholds are on calibrated probabilities. stripsight decide chooses others without"
            " training again: for a price of escapes and overkills, a promised recall, or a share"
            " of images to review."
        ),
    ]
    return Section(
        "decisions", "What it decides", blocks, "Fitted on validation, counted on what is judged."
    )


def _show_outcomes(evaluation: Evaluation) -> list[Block]:
    outcomes, risk = figures.draw_outcomes(evaluation), figures.draw_risk_coverage(evaluation)
    if outcomes is None:
        return [Note("No class has a threshold, so nothing is decided.")]
    shown = [
        build_figure(
            "What became of the images",
            outcomes,
            "An escape is a defect called clean, an overkill a class called that is not there.",
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
