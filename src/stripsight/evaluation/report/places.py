"""Whether heatmaps point at the defects."""

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.localisation.places import Found
from stripsight.evaluation.report import figures
from stripsight.evaluation.report.blind_maps import MEASURE_TITLES
from stripsight.evaluation.report.blocks import (
    build_figure,
    build_tag,
    write_note,
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


def show_places(evaluation: Evaluation) -> Section:
    """Whether the heatmaps point at the defects."""
    places = evaluation.places
    blocks: list[Block] = []
    if places.macro:
        columns = [Column("class"), Column("images", numeric=True), Column("truth", numeric=True)]
        columns += [Column(title, numeric=True) for title in MEASURE_TITLES.values()]
        rows: list[tuple[Cell, ...]] = [
            (
                build_tag(evaluation, column),
                f"{row.images:,}",
                row.against,
                *(_write(row.found.get(name)) for name in MEASURE_TITLES),
            )
            for column, row in enumerate(places.classes)
        ]
        macro = (_write(places.macro.get(name)) for name in MEASURE_TITLES)
        rows.append(("macro", "", "", *macro))
        blocks += [
            Table("Maps, and in brackets the better of two guesses", columns, rows),
            FigureGrid(
                [
                    build_figure(
                        "Lead over guessing, mean over the classes",
                        figures.draw_place_leads(places),
                        "Right of the line the maps know more than where such defects usually lie.",
                    )
                ]
            ),
            Note(
                "Pointing: the hottest pixel lies on the defect. Energy: share of the heat on it."
                " Dice: overlap, from the level fitted on validation. Pixel AP: average precision"
                " of the pixels. The guesses are the middle of the image and the mean mask of"
                " validation."
            ),
        ]
    blocks += _show_agreement(evaluation)
    blocks += [Note(write_note(evaluation, note)) for note in places.notes]
    return Section(
        "places",
        "Where it sees them",
        blocks,
        f"Maps of {places.map_size[1]} \u00d7 {places.map_size[0]} places on images of"
        f" {places.image_size[1]} \u00d7 {places.image_size[0]} pixels.",
    )


def _show_agreement(evaluation: Evaluation) -> list[Block]:
    """Of heatmaps and Grad-CAM, where it was asked for."""
    if evaluation.agreement is None:
        return []
    columns = [Column("class"), Column("images", numeric=True), Column("agreement", numeric=True)]
    rows: list[tuple[Cell, ...]] = [
        (
            build_tag(evaluation, column),
            f"{one.images:,}",
            "\u2013" if one.correlation is None else f"{one.correlation:.2f}",
        )
        for column, one in enumerate(evaluation.agreement)
    ]
    return [
        Table("Heatmaps against Grad-CAM", columns, rows),
        Note(
            "Grad-CAM asks the gradients of an earlier layer where the network looked, and knows"
            " nothing of the heatmaps. Agreement: mean rank correlation of the two, -1 to 1; near 0"
            " neither picture should be believed image by image."
        ),
    ]


def _write(found: Found | None) -> str:
    if found is None:
        return "\u2013"
    guesses = [guess for guess in (found.centre, found.mean_mask) if guess is not None]
    beside = f" ({max(guesses):.3f})" if guesses else ""
    return f"{found.value:.3f}{beside}"
