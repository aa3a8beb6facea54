"""Whether probabilities can be believed, and where a run is worse than elsewhere."""

from collections.abc import Sequence

from stripsight.evaluation.calibration.reliability import FEWEST_TO_DRAW, WIDEST_TO_DRAW
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report import figures
from stripsight.evaluation.report.blocks import (
    build_figure,
    build_tag,
    write_caption,
    write_value,
)
from stripsight.evaluation.slices.slice import Slice
from stripsight.reporting.page import (
    Block,
    Cell,
    Column,
    FigureGrid,
    Note,
    Section,
    Table,
)
from stripsight.reporting.quantities import format_share

_MOST_DRAWN = 8
_MOST_LISTED = 12


def show_calibration(evaluation: Evaluation) -> Section:
    """Whether probabilities are frequencies."""
    columns = [Column("class"), Column("calibration")] + [
        Column(title, numeric=True)
        for title in ("log loss", "after", "Brier", "after", "ECE", "after", "ECE by chance")
    ]
    rows = []
    fits = evaluation.fitted.calibration.classes
    for column, (fit, effect) in enumerate(zip(fits, evaluation.calibration, strict=True)):
        before, after = effect.before, effect.after
        rows.append(
            (
                build_tag(evaluation, column),
                fit.chosen,
                *(
                    write_value(value)
                    for value in (
                        before.log_loss,
                        after.log_loss,
                        before.brier,
                        after.brier,
                        before.ece,
                        after.ece,
                        after.ece_by_chance,
                    )
                ),
            )
        )
    plots = [
        build_figure(
            fit.name,
            figures.draw_class_reliability(evaluation, column),
            write_caption(fit.reason),
        )
        for column, fit in enumerate(fits)
    ]
    return Section(
        "calibration",
        "Whether its probabilities can be believed",
        [
            Table("Before and after calibration; lower is better", columns, rows),
            FigureGrid(plots, "Said and seen", dense=True),
            Note(
                "A dot is the images of a tenth of the scale; below it stands how many they are."
                f" Neighbours with fewer than {FEWEST_TO_DRAW} are put together while their images"
                f" are no more than {100 * WIDEST_TO_DRAW:.0f} points apart; a small dot has fewer"
                " still and says next to nothing. The ECE has ten bins of about equally many"
                " images."
            ),
        ],
        "Of images said to be defective with 30 %, 30 % should be. Calibration was fitted on"
        " validation and is judged here. ECE by chance is what a perfect one would show on so many"
        " images.",
    )


def show_slices(evaluation: Evaluation) -> Section:
    """Where it is worse than elsewhere."""
    slices = [s for s in evaluation.slices if s.worst_rate is not None]
    worse = sum(s.is_worse for s in slices)
    if not slices:
        blocks: list[Block] = [Note("There are too few images, or all are alike: no slice.")]
    else:
        blocks = [
            FigureGrid(
                [
                    build_figure(
                        "Most evidence against them",
                        figures.draw_slices(slices[:_MOST_DRAWN]),
                        f"{worse:,} of {len(slices):,} slices are worse than the rest beyond"
                        " chance (red), with all comparisons counted.",
                    )
                ]
            ),
            _tabulate_slices(slices[:_MOST_LISTED]),
        ]
    return Section(
        "slices",
        "Where it is worse",
        blocks,
        "The same verdicts, by what an image is like: each slice of the images beside all others."
        " Worse is said where it is so beyond chance, all slices counted. A slice says where, never"
        " why.",
    )


def _tabulate_slices(slices: Sequence[Slice]) -> Table:
    columns = [Column("images that have"), Column("what is counted")] + [
        Column(title, numeric=True)
        for title in (
            "in the slice",
            "share in the slice",
            "share elsewhere",
            "surely worse by",
            "AUROC in the slice",
            "AUROC elsewhere",
        )
    ]
    rows: list[tuple[Cell, ...]] = []
    for part in slices:
        rate = part.worst_rate
        if rate is not None:
            rows.append(
                (
                    part.name,
                    f"images with an {part.worst}",
                    f"{rate.wrong:,} of {rate.images:,}",
                    format_share(rate.rate),
                    format_share(rate.rest_rate),
                    f"{100 * rate.least_gap:.1f} points" if part.is_worse else "not shown",
                    write_value(part.auroc),
                    write_value(part.rest_auroc),
                )
            )
    return Table(
        "The worst first; all of them are in metrics.json. Shares count look-alikes once, so they"
        " need not be those of the images"
        if any(
            rate.rate != rate.wrong / rate.images
            for part in slices
            if (rate := part.worst_rate) is not None
        )
        else "The worst first; all of them are in metrics.json",
        columns,
        rows,
    )
