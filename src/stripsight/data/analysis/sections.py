"""The sections of numbers: labels, defects, images, split; each says what is missing."""

from collections.abc import Sequence

from stripsight.data.analysis.appearance import MEASURES
from stripsight.data.analysis.defects import TINY_SIDE
from stripsight.data.analysis.figures import READING, NamedPlot
from stripsight.data.analysis.picture_book import PictureBook
from stripsight.data.analysis.study import Study
from stripsight.data.splits.balance import PartCounts
from stripsight.labels import SEVERSTAL, SEVERSTAL_NOTE
from stripsight.reporting.page import (
    Block,
    Cell,
    Column,
    Figure,
    FigureGrid,
    Meter,
    Note,
    Section,
    Table,
)
from stripsight.reporting.pictures import to_figure_picture
from stripsight.reporting.quantities import (
    format_count,
    format_number,
    format_quantity,
    format_share,
)

_MOST_SIZES = 12
_PLURALS = {"mask": "masks", "box": "boxes", "presence": "presences"}


def show_labels(study: Study, book: PictureBook, plots: Sequence[NamedPlot]) -> Section:
    """Classes, label sets, co-occurrence."""
    if not study.counts.labelled:
        return Section(
            "labels", "Classes and labels", [Note("No image has known labels: nothing to count.")]
        )
    rows = [
        (
            book.make_tag(c.id),
            format_count(c.images),
            Meter(format_share(c.prevalence), c.prevalence),
            "none" if c.pos_weight is None else format_number(c.pos_weight),
            ", ".join(format_quantity(n, kind, _PLURALS[kind]) for kind, n in c.drawn.items() if n)
            or "none",
        )
        for c in study.counts.classes
    ]
    table = Table(
        "Classes",
        [
            Column("Class"),
            Column("Images", numeric=True),
            Column("Prevalence", numeric=True),
            Column("pos_weight", numeric=True),
            Column("Annotations", numeric=True),
        ],
        rows,
    )
    blocks: list[Block] = [table, _to_grid(plots)]
    if study.dataset.classes == SEVERSTAL:
        blocks.insert(1, Note(SEVERSTAL_NOTE))
    if len(study.dataset.classes) > 1 and not any(p.images for p in study.counts.pairs):
        blocks.append(Note("No image carries two classes, so there is no table of pairs."))
    return Section(
        "labels",
        "Classes and labels",
        blocks,
        f"Shares are of the {format_quantity(study.counts.labelled, 'image')} with known labels."
        " pos_weight is images without the class over images with it.",
    )


def show_defects(
    study: Study, book: PictureBook, sizes: Sequence[NamedPlot], places: Sequence[NamedPlot]
) -> Section:
    """Number, sizes and places of the drawn defects."""
    title = "Defects"
    if study.defects.table.empty:
        why = (
            "No image has known labels."
            if not study.counts.labelled
            else "No annotation says where a defect lies: how large defects are and where is not"
            " known."
        )
        return Section("defects", title, [Note(why)])
    rows: list[tuple[Cell, ...]] = [
        (
            book.make_tag(d.id),
            format_count(d.defects),
            *(_show_middle(values) for values in (d.area, d.width, d.height)),
            format_share(d.tiny) if d.defects else "none",
        )
        for d in study.defect_counts
    ]
    table = Table(
        "Sizes: median, and 5 to 95 % of the defects",
        [
            Column("Class"),
            Column("Defects", numeric=True),
            Column("Area, px\u00b2", numeric=True),
            Column("Width, px", numeric=True),
            Column("Height, px", numeric=True),
            Column(f"Side below {TINY_SIDE} px", numeric=True),
        ],
        rows,
    )
    blocks: list[Block] = [table, _to_grid(sizes)]
    if places:
        blocks.append(_to_grid(places, "Where they lie", dense=book.shape != "wide"))
    return Section(
        "defects",
        title,
        blocks,
        "Connected pieces of the masks or boxes, corners included. A defect is called tiny where"
        f" its shorter side is below {TINY_SIDE} px. {READING}",
    )


def _show_middle(values: tuple[float, ...] | None) -> str:
    if values is None:
        return "none"
    low, median, high = (format_number(v) for v in (values[0], values[2], values[4]))
    return f"{median} ({low} to {high})"


def show_images(study: Study, plots: Sequence[NamedPlot]) -> Section:
    """Sizes, light, borders, sharpness."""
    blocks: list[Block] = []
    sizes = study.counts.sizes
    if len(sizes) > 1:
        blocks.append(
            Table(
                f"The {_MOST_SIZES} commonest image sizes"
                if len(sizes) > _MOST_SIZES
                else "Image sizes",
                [Column("Width \u00d7 height, px"), Column("Images", numeric=True)],
                [
                    (
                        f"{size.width} \u00d7 {size.height}",
                        Meter(format_count(size.images), size.images / study.counts.images),
                    )
                    for size in sizes[:_MOST_SIZES]
                ],
            )
        )
    if plots:
        blocks.append(_to_grid(plots))
        drawn = {plot.name for plot in plots}
        none = [m.title.lower() for m in MEASURES if m.column not in drawn]
        if none:
            blocks.append(Note(f"No image has any: {'; '.join(none)}."))
    else:
        blocks.append(Note("No image could be read: nothing is known of light or sharpness."))
    return Section(
        "images",
        "Images",
        blocks,
        "Measured on the steel between the black borders, over"
        f" {format_quantity(len(study.statistics), 'image')} that can be read. {READING}",
    )


def show_parts(study: Study, book: PictureBook) -> Section:
    """What each part of the split holds."""
    parts = study.parts
    if parts is None or parts.balance is None:
        why = study.split_fault or "No split is stored in this data set."
        return Section("split", "Split", [Note(why)])
    columns = {**parts.balance.parts, "all": parts.balance.total}
    rows: list[tuple[Cell, ...]] = [
        ("images", *(format_count(part.images) for part in columns.values())),
        ("no defect", *(_show_share(part, part.clean) for part in columns.values())),
    ]
    rows += [
        (
            book.make_tag(c.id),
            *(_show_share(part, part.classes[c.name]) for part in columns.values()),
        )
        for c in study.dataset.classes
    ]
    table = Table(
        "Images, and their share of the part",
        [Column("Class"), *(Column(name, numeric=True) for name in columns)],
        rows,
    )
    crossing = "No group of look-alikes crosses it."
    if parts.leaks:
        crosses = "cross" if len(parts.leaks) > 1 else "crosses"
        crossing = f"{format_quantity(len(parts.leaks), 'group')} of look-alikes {crosses} it."
    return Section("split", "Split", [table], f"{parts.split.title}. {crossing}")


def _show_share(part: PartCounts, count: int) -> str:
    return f"{format_count(count)} ({format_share(count / part.images)})" if part.images else "0"


def _to_grid(plots: Sequence[NamedPlot], title: str = "", *, dense: bool = False) -> FigureGrid:
    figures = [Figure(p.title, to_figure_picture(p.plot, p.alt), p.caption) for p in plots]
    return FigureGrid(figures, title, dense)
