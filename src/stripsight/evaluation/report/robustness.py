"""How the run bears what a camera may do, where `--stress` was asked for."""

from collections.abc import Iterator

import numpy as np

from stripsight.evaluation.operating_curves import FloatArray
from stripsight.evaluation.report.blocks import (
    build_figure,
    capitalise,
    write_caption,
    write_value,
)
from stripsight.evaluation.report.evidence import VERY_FEW_POSITIVES
from stripsight.evaluation.stress.stress_test import StressCurve, StressLevel, StressTest
from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import STEEL
from stripsight.reporting.curves import Curve, draw_curves
from stripsight.reporting.frame import Axis
from stripsight.reporting.page import Block, Cell, Column, FigureGrid, Note, Notice, Section, Table
from stripsight.reporting.quantities import format_number, format_quantity

_MONITOR = "macro_average_precision"
_RECALL = "macro_recall"
_RECALL_COLOR = "#b3261e"
_TITLES = {_MONITOR: "macro AP", _RECALL: "macro recall"}
_MILD = 2  # levels of five


def find_worst_corruption(stress: StressTest | None) -> Iterator[Notice]:
    """The corruption under which a figure falls at the mildest strength, if any does at all.

    None where a class of the means is shown too seldom: two images more or less are no finding.
    """
    if stress is None or _list_few(stress):
        return
    falls = [
        (fall.level, change.value, curve, name, fall)
        for curve in stress.curves
        for name in _TITLES
        if (fall := curve.find_fall(name)) is not None
        and (change := curve.levels[-1].changes[name]) is not None
    ]
    if not falls:
        return
    level, _, curve, name, fall = min(falls, key=lambda found: found[:2])
    others = {entry[2].title for entry in falls} - {curve.title}
    also = f" Later, or less, it falls under {', '.join(sorted(others))}." if others else ""
    few = (
        f" On {stress.images:,} of {stress.part_images:,} images: it may fall earlier."
        if stress.images < stress.part_images
        else ""
    )
    values = [
        write_value(_value(of_level, name))
        for of_level in (curve.levels[0], fall, curve.levels[-1])
    ]
    yield Notice(
        "look" if level <= _MILD else "note",
        f"{capitalise(curve.title)} makes it worse first",
        _strength(fall),
        f"{curve.unit}: strength {level} of {len(curve.levels) - 1}",
        f"From there on the {_TITLES[name]} is below the {values[0]} without corruption:"
        f" {values[1]} there, {values[2]} at the strongest. That is so beyond chance (95 %, all"
        f" corruptions and strengths counted).{also}{few}",
        "Keep the camera from it, watch for it with stripsight data compare, or train with images"
        " like that (augmentation) and judge again.",
    )


def _list_few(stress: StressTest) -> str:
    """Classes of the means that the images show too seldom to find a fall on."""
    return ", ".join(
        f"{name} ({count:,})"
        for name, count in zip(stress.class_names, stress.positives, strict=True)
        if 0 < count < VERY_FEW_POSITIVES
    )


def _say_fall(curve: StressCurve, name: str) -> str:
    fall = curve.find_fall(name)
    return "not shown" if fall is None else f"{_strength(fall)} {curve.unit}"


def show_stress(stress: StressTest) -> Section:
    """Every corruption as a plot, and from which strength on the figures fall."""
    columns = [Column("corruption")]
    for figure in ("AP", "recall"):
        columns += [
            Column(f"{figure} surely falls from"),
            Column(f"{figure} as it is", numeric=True),
            Column(f"{figure} at the strongest", numeric=True),
        ]
    rows: list[tuple[Cell, ...]] = []
    for curve in stress.curves:
        cells: list[Cell] = [capitalise(curve.title)]
        for name in (_MONITOR, _RECALL):
            cells += [
                _say_fall(curve, name),
                write_value(_value(curve.levels[0], name)),
                write_value(_value(curve.levels[-1], name)),
            ]
        rows.append(tuple(cells))
    plots = [
        build_figure(capitalise(curve.title), _draw(curve), write_caption(curve.note))
        for curve in stress.curves
    ]
    lead = (
        f"{format_quantity(stress.images, 'image')} of {stress.part}, each as it is and corrupted"
        f" in {len(stress.curves)} ways; calibration and thresholds stay as they are. A fall is"
        " called where it is beyond chance, all corruptions, strengths and both figures counted."
    )
    blocks: list[Block] = [
        Table("Where it begins to fail", columns, rows),
        FigureGrid(plots, "Figures against strength", dense=True),
    ]
    notes = []
    if stress.images < stress.part_images:
        notes.append(
            f"Only {stress.images:,} of {stress.part_images:,} images were corrupted; they hold"
            " more of the rare classes than the part does."
        )
    if few := _list_few(stress):
        notes.append(
            f"Too few images show {few}: no finding is made of a fall. At least"
            f" {VERY_FEW_POSITIVES} of each class are needed, look-alikes counted once."
        )
    return Section("stress", "What it bears", [*map(Note, notes), *blocks], lead)


def _draw(curve: StressCurve) -> Plot:
    places = np.arange(len(curve.levels), dtype=np.float64)
    words = ["as is", *(_strength(level) for level in curve.levels[1:])]
    return draw_curves(
        [
            Curve(
                label,
                places,
                _read(curve, name, "value"),
                color,
                low=_read(curve, name, "low"),
                high=_read(curve, name, "high"),
            )
            for label, name, color in (
                ("macro AP", _MONITOR, STEEL),
                ("macro recall", _RECALL, _RECALL_COLOR),
            )
        ],
        Axis(curve.unit, (0.0, float(places[-1])), ticks=tuple(zip(places, words, strict=True))),
        Axis("", (0.0, 1.0)),
        band="95 % interval",
    )


def _read(curve: StressCurve, name: str, attribute: str) -> FloatArray:
    values = [level.figures[name] for level in curve.levels]
    return np.array([np.nan if v is None else getattr(v, attribute) for v in values])


def _strength(level: StressLevel) -> str:
    assert level.strength is not None, "only the first level has none"
    return format_number(level.strength)


def _value(level: StressLevel, name: str) -> float | None:
    figure = level.figures[name]
    return None if figure is None else figure.value
