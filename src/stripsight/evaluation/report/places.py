"""Whether heatmaps point at the defects."""

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.localisation.places import Found
from stripsight.evaluation.report import figures
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

_MEASURES = {"pointing": "pointing", "energy": "energy", "dice": "Dice", "pixel_ap": "pixel AP"}


def show_places(evaluation: Evaluation) -> Section:
    """Whether the heatmaps point at the defects."""
    places = evaluation.places
    blocks: list[Block] = []
    if places.macro:
        columns = [Column("class"), Column("images", numeric=True), Column("truth")]
        for title in _MEASURES.values():
            columns += [Column(title, numeric=True), Column("guess", numeric=True)]
        rows: list[tuple[Cell, ...]] = [
            (
                build_tag(evaluation, column),
                f"{row.images:,}",
                row.against,
                *(cell for name in _MEASURES for cell in _place_cells(row.found.get(name))),
            )
            for column, row in enumerate(places.classes)
        ]
        macro = (cell for name in _MEASURES for cell in _place_cells(places.macro.get(name)))
        rows.append(("macro", "", "", *macro))
        blocks += [
            Table("Maps beside the better of two guesses", columns, rows),
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
    blocks += [Note(write_note(evaluation, note)) for note in places.notes]
    return Section(
        "places",
        "Where it sees them",
        blocks,
        f"Maps of {places.map_size[1]} \u00d7 {places.map_size[0]} places on images of"
        f" {places.image_size[1]} \u00d7 {places.image_size[0]} pixels.",
    )


def _place_cells(found: Found | None) -> tuple[str, str]:
    if found is None:
        return "\u2013", "\u2013"
    guesses = [guess for guess in (found.centre, found.mean_mask) if guess is not None]
    return f"{found.value:.3f}", f"{max(guesses):.3f}" if guesses else "\u2013"
