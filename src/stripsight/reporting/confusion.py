"""What became of the images that have a class and of those that do not: counts a class.

Right and wrong are said in words in the cells, so that the shades only repeat them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from stripsight.reporting.canvas import TYPE, WIDTH, Canvas, Plot, measure, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, RULE, STEEL
from stripsight.reporting.frame import PAD, SMALL
from stripsight.reporting.quantities import format_count, format_share

_HEAD = 26.0
_CELL = 40.0
_ASIDE = 92.0  # points for the words at the left of the cells
_RIGHT, _WRONG, _WAITING = (211, 225, 236), (248, 205, 160), (232, 236, 240)


@dataclass(frozen=True)
class ClassOutcome:
    """Counts of images for one class.

    Attributes:
        label: the class's name.
        found: have it, and were called so.
        missed: have it, and were called clean of it: escapes.
        cleared: do not have it, and were called so.
        overkill: do not have it, and were called to have it.
        review_with: have it, and were handed to a person.
        review_without: do not have it, and were handed to a person.
        color: of the class.
    """

    label: str
    found: int
    missed: int
    cleared: int
    overkill: int
    review_with: int = 0
    review_without: int = 0
    color: str = STEEL


@dataclass(frozen=True)
class _Cell:
    count: int
    word: str
    ink: tuple[int, int, int]


def draw_confusion(outcomes: Sequence[ClassOutcome]) -> Plot:
    """Two rows a class, with it and without it; columns are what was decided.

    The column of reviews is left out where nothing was handed to a person. A cell is the darker,
    the larger its share of its row.
    """
    review = any(o.review_with or o.review_without for o in outcomes)
    heads = ["called defect", *(["review"] if review else []), "called clean"]
    cell = (WIDTH - _ASIDE - PAD) / len(heads)
    block = _HEAD + 2 * _CELL + 14
    with styled():
        canvas = Canvas(20 + block * len(outcomes) - 8)
        sheet = canvas.add_sheet()
        for column, head in enumerate(heads):
            x = _ASIDE + cell * (column + 0.5)
            write(sheet, x, 9, head, ha="center", color=MUTED, fontsize=SMALL)
        for index, outcome in enumerate(outcomes):
            top = 20 + block * index
            _add_name(sheet, top + _HEAD / 2 + 1, outcome)
            for line, (side, cells) in enumerate(_list_rows(outcome, review)):
                _add_row(sheet, top + _HEAD + _CELL * line, side, cells, cell)
        return canvas.save()


def _list_rows(outcome: ClassOutcome, review: bool) -> list[tuple[str, list[_Cell]]]:
    with_it = [_Cell(outcome.found, "found", _RIGHT), _Cell(outcome.missed, "escape", _WRONG)]
    without = [
        _Cell(outcome.overkill, "overkill", _WRONG),
        _Cell(outcome.cleared, "cleared", _RIGHT),
    ]
    if review:
        with_it.insert(1, _Cell(outcome.review_with, "waits", _WAITING))
        without.insert(1, _Cell(outcome.review_without, "waits", _WAITING))
    return [("with it", with_it), ("without it", without)]


def _add_name(sheet: Axes, y: float, outcome: ClassOutcome) -> None:
    sheet.add_patch(Rectangle((PAD, y - 5), 10, 10, facecolor=outcome.color, edgecolor=INK, lw=0.8))
    write(sheet, PAD + 17, y, shorten(outcome.label, WIDTH - PAD - 17), color=INK)


def _add_row(sheet: Axes, top: float, side: str, cells: Sequence[_Cell], wide: float) -> None:
    total = sum(cell.count for cell in cells)
    write(sheet, PAD, top + 13, side, color=INK, fontsize=SMALL)
    images = f"{format_count(total)} images" if total != 1 else "1 image"
    write(sheet, PAD, top + 28, images, color=MUTED, fontsize=SMALL)
    for column, cell in enumerate(cells):
        left = _ASIDE + wide * column
        share = cell.count / total if total else 0.0
        depth = 0.3 + 0.7 * share**0.5 if cell.count else 0.0
        fill = tuple((255 + (part - 255) * depth) / 255 for part in cell.ink)
        sheet.add_patch(
            Rectangle(
                (left + 1, top + 1),
                wide - 2,
                _CELL - 2,
                facecolor=fill,
                edgecolor=RULE,
                linewidth=0.8,
            )
        )
        middle = left + wide / 2
        count = format_count(cell.count)
        size = min(TYPE, TYPE * (wide - 8) / measure(count))
        write(sheet, middle, top + 13, count, ha="center", color=INK, fontsize=size)
        said = f"{cell.word} {format_share(share)}" if total else cell.word
        write(sheet, middle, top + 28, said, ha="center", color=MUTED, fontsize=SMALL - 0.5)
