"""The figures of the analysis: which numbers go into which plot."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stripsight.data.analysis.appearance import MEASURES
from stripsight.data.analysis.counts import LabelCounts, name_classes
from stripsight.data.analysis.defects import QUANTILES
from stripsight.data.analysis.study import Study
from stripsight.labels import ClassList
from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import STEEL
from stripsight.reporting.plots import (
    Bar,
    Spread,
    draw_bars,
    draw_distribution,
    draw_map,
    draw_matrix,
)
from stripsight.reporting.quantities import (
    format_count,
    format_number,
    format_quantity,
    format_share,
)

_MOST_SETS = 12
_MOST_IN_MATRIX = 12
_EXPECTED_TO_COLOR = 5
READING = "Boxes hold the middle half, the dot is the median, lines run from 5 to 95 %."
"""How to read a distribution."""
assert QUANTILES == (0.05, 0.25, 0.5, 0.75, 0.95), "the caption says which"


@dataclass(frozen=True)
class NamedPlot:
    """A plot with its file name (no suffix), heading, caption, and what it shows in words."""

    name: str
    title: str
    caption: str
    alt: str
    plot: Plot


def label_class(classes: ClassList, column: int) -> str:
    """A class as the plots name it: by its name."""
    return classes.names[column]


def draw_labels(study: Study) -> Iterator[NamedPlot]:
    """Class counts, classes per image, label sets, co-occurrence; nothing without labels."""
    counts, classes = study.counts, study.dataset.classes
    if not counts.labelled:
        return
    yield NamedPlot(
        "classes",
        "Images per class",
        "Share of the labelled images; an image may carry several classes.",
        "Bars: "
        + "; ".join(f"{c.name} {format_quantity(c.images, 'image')}" for c in counts.classes),
        draw_bars(
            [_bar("no defect", counts.clean, counts), *_class_bars(counts, classes)],
            whole=counts.labelled,
        ),
    )
    yield NamedPlot(
        "classes_per_image",
        "Classes per image",
        "How many different classes one image carries.",
        "Bars: "
        + "; ".join(
            f"{_name_number(number)} on {format_quantity(images, 'image')}"
            for number, images in enumerate(counts.images_by_labels)
        ),
        draw_bars(
            [
                _bar(_name_number(number), images, counts)
                for number, images in enumerate(counts.images_by_labels)
            ],
            whole=counts.labelled,
        ),
    )
    shown = counts.label_sets[:_MOST_SETS]
    more = len(counts.label_sets) - len(shown)
    yield NamedPlot(
        "label_sets",
        "Label sets",
        "All classes of an image together, the most frequent first"
        + (f"; {format_count(more)} rarer ones are in analysis.json." if more else "."),
        "Bars: "
        + "; ".join(f"{name_classes(classes, s.classes)} {format_count(s.images)}" for s in shown),
        draw_bars(
            [_bar(name_classes(classes, s.classes), s.images, counts) for s in shown],
            whole=counts.labelled,
        ),
    )
    if len(classes) > 1 and any(pair.images for pair in counts.pairs):
        yield _draw_pairs(counts, classes)


def draw_defect_sizes(study: Study) -> Iterator[NamedPlot]:
    """Number, area, width and height of the drawn defects; nothing where none is drawn."""
    table, classes = study.defects.table, study.dataset.classes
    if table.empty:
        return
    yield NamedPlot(
        "defects",
        "Defects per class",
        "Connected pieces of the masks or boxes; defects that touch count as one.",
        "Bars: "
        + "; ".join(
            f"{name} {format_count(d.defects)}"
            for name, d in zip(classes.names, study.defect_counts, strict=True)
        ),
        draw_bars(
            [
                Bar(
                    label_class(classes, column),
                    d.defects,
                    format_count(d.defects),
                    classes.color(column),
                    aside=f"on {format_quantity(d.images, 'image')}",
                )
                for column, d in enumerate(study.defect_counts)
            ]
        ),
    )
    for field, title, unit in (
        ("area", "Area", "px\u00b2, log scale"),
        ("width", "Width", "px along the image, log scale"),
        ("height", "Height", "px down the image, log scale"),
    ):
        rows = [Spread("all defects", table[field].to_numpy(dtype=np.float64))]
        rows += [
            Spread(label_class(classes, column), values, classes.color(column))
            for column, c in enumerate(classes)
            if len(values := study.defects.of_class(c.id)[field].to_numpy(dtype=np.float64))
        ]
        yield NamedPlot(
            f"defect_{field}",
            f"{title} of a defect",
            "",
            f"Distribution of the defects' {field} in pixels, per class;"
            f" median {format_number(float(np.median(rows[0].values)))}",
            draw_distribution(rows, unit, counted="defects", scale="log"),
        )


def draw_places(study: Study) -> Iterator[NamedPlot]:
    """One map over the image plane for each class that is drawn anywhere."""
    sizes = study.counts.sizes
    for column, c in enumerate(study.dataset.classes):
        plane = study.defects.coverage.get(c.id)
        if plane is None or not plane.any():
            continue
        drawn = study.defects.drawn[c.id]
        highest = format_share(float(plane.max()))
        yield NamedPlot(
            f"where_{c.id}",
            label_class(study.dataset.classes, column),
            f"Drawn on {format_quantity(drawn, 'image')}."
            + (" Images of all sizes, stretched onto one." if len(sizes) > 1 else ""),
            f"Map of the image plane: where {c.name} lies; at most {highest} of its images"
            " at one place",
            draw_map(
                plane,
                width=sizes[0].width,
                height=sizes[0].height,
                highest=highest,
                unit="of its images have it there",
            ),
        )


def draw_measures(study: Study) -> Iterator[NamedPlot]:
    """The distribution of every measure, over all images, per class and per part."""
    if study.statistics.empty:
        return
    for measure in MEASURES:
        values = study.statistics[measure.column].to_numpy(dtype=np.float64) * measure.factor
        counted = values > 0 if measure.skips_zero else np.ones(len(values), dtype=bool)
        if not counted.any():
            continue
        rows = [Spread("all images", values[counted])]
        for name, label, color in _name_groups(study):
            chosen = values[study.groups[name] & counted]
            if len(chosen):
                rows.append(Spread(label, chosen, color))
        only = (
            f" Only images that have any: {format_count(int(counted.sum()))} of"
            f" {format_count(len(values))}."
            if measure.skips_zero
            else ""
        )
        yield NamedPlot(
            measure.column,
            measure.title,
            f"{measure.caption}{only}",
            f"Distribution of {measure.title.lower()} ({measure.unit}) per class and part;"
            f" median {format_number(float(np.median(values[counted])))}",
            draw_distribution(
                rows,
                measure.unit + (", log scale" if measure.scale == "log" else ""),
                counted="images",
                scale=measure.scale,
                limits=measure.limits,
            ),
        )


def _name_groups(study: Study) -> Iterator[tuple[str, str, str]]:
    yield "clean", "clean", STEEL
    for column, c in enumerate(study.dataset.classes):
        yield (
            f"class {c.id}",
            label_class(study.dataset.classes, column),
            study.dataset.classes.color(column),
        )
    for part in ("train", "validation", "test"):
        if f"part {part}" in study.groups:
            yield f"part {part}", f"{part} part", "#8a97a3"


def _bar(label: str, images: int, counts: LabelCounts, color: str = STEEL) -> Bar:
    share = format_share(images / counts.labelled)
    return Bar(label, images, format_count(images), color, aside=share)


def _class_bars(counts: LabelCounts, classes: ClassList) -> list[Bar]:
    return [
        _bar(label_class(classes, column), c.images, counts, classes.color(column))
        for column, c in enumerate(counts.classes)
    ]


def _name_number(number: int) -> str:
    return {0: "none", 1: "1 class"}.get(number, f"{number} classes")


def _draw_pairs(counts: LabelCounts, classes: ClassList) -> NamedPlot:
    order = sorted(range(len(classes)), key=lambda column: -counts.classes[column].images)
    columns = sorted(order[:_MOST_IN_MATRIX])
    ids = [counts.classes[column].id for column in columns]
    size = len(columns)
    texts = [["" for _ in range(size)] for _ in range(size)]
    strengths = np.full((size, size), np.nan)
    for place, column in enumerate(columns):
        texts[place][place] = format_count(counts.classes[column].images)
    place_of = {class_id: place for place, class_id in enumerate(ids)}
    for pair in counts.pairs:
        if pair.first not in place_of or pair.second not in place_of:
            continue
        i, j = place_of[pair.first], place_of[pair.second]
        lift = pair.lift
        for a, b in ((i, j), (j, i)):
            times = "" if lift is None else f"\n\u00d7{format_number(lift, 2)}"
            texts[a][b] = f"{format_count(pair.images)}{times}"
            if lift is not None and pair.expected >= _EXPECTED_TO_COLOR:
                # From a quarter of what chance gives to four times of it.
                strengths[a, b] = np.clip(np.log2(max(lift, 1e-9)) / 2, -1, 1)
    left_out = len(classes) - size
    return NamedPlot(
        "cooccurrence",
        "Classes that meet",
        "Images with both classes, and how many times as often as chance would give (lift);"
        " orange is rarer, purple more often. White: chance would give fewer than 5. The diagonal"
        " counts each class."
        + (f" The {left_out} rarest classes are left out." if left_out else ""),
        "Table of class pairs: "
        + "; ".join(
            f"{p.first} and {p.second} on {format_count(p.images)} images"
            for p in counts.pairs
            if p.images
        )[:400],
        draw_matrix([str(i) for i in ids], [classes.color(c) for c in columns], texts, strengths),
    )
