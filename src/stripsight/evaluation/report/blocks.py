"""Pieces that several sections of a report are made of."""

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.intervals.interval import Figure as MeasuredFigure
from stripsight.evaluation.report.words import write_figure
from stripsight.reporting.canvas import Plot
from stripsight.reporting.page import (
    Figure,
    Tag,
)
from stripsight.reporting.pictures import to_figure_picture


def build_tag(evaluation: Evaluation, column: int) -> Tag:
    """A class by its number, name and colour."""
    classes = evaluation.opened.data.classes
    defect = classes.classes[column]
    return Tag(str(defect.id), defect.name, classes.color(column))


def build_figure(title: str, plot: Plot, caption: str) -> Figure:
    """A plot under its heading."""
    return Figure(title, to_figure_picture(plot, title), caption)


def write_cell(figure: MeasuredFigure | None) -> str:
    """A figure and its interval for a table's cell, which breaks between the two only."""
    return write_figure(figure).replace(" ", "\u00a0").replace("\u00a0(", " (")


def write_threshold(value: float | None) -> str:
    """A threshold on probabilities; `never` where none reaches it."""
    if value is None:
        return "\u2013"
    return "never" if value > 1 else f"{value:.3f}"


def write_value(value: float | None) -> str:
    """Four decimals, or a dash."""
    return "\u2013" if value is None else f"{value:.4f}"


def write_note(evaluation: Evaluation, note: str) -> str:
    """A note as a sentence; a class's name at its head stays as it is."""
    names = evaluation.opened.data.classes.names
    named = note.startswith(tuple(f"{name}{mark}" for name in names for mark in ":,"))
    return end_sentence(note if named else capitalise(note))


def write_caption(text: str) -> str:
    """A sentence of its own; nothing remains nothing."""
    return end_sentence(capitalise(text)) if text else ""


def end_sentence(text: str) -> str:
    """With a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def capitalise(text: str) -> str:
    """The first letter large, the others as they are."""
    return text[:1].upper() + text[1:]
