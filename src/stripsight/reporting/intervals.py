"""Figures with their intervals, one below the other: runs compared, slices, classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from stripsight.reporting.canvas import WIDTH, Canvas, Plot, measure, shorten, styled, write
from stripsight.reporting.colors import INK, MUTED, RULE, STEEL
from stripsight.reporting.frame import (
    PAD,
    SMALL,
    Axis,
    KeyItem,
    Ruler,
    add_dot,
    add_key,
    measure_key,
    rule_axis,
)

_ROW = 38.0
_LINE = 18.0  # more where the figure stands below the name


@dataclass(frozen=True)
class IntervalRow:
    """One figure.

    Attributes:
        label: what it is of.
        value: the figure, or None where it cannot be had.
        low: lower end of its interval; None with `high` where there is no interval.
        high: upper end.
        text: the figure and its interval in words, or why there is none.
        color: of its dot.
        aside: what is said besides at the right edge: `43 positives`.
        reference: what this row is compared with, where every row has its own.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    color: str = STEEL
    aside: str = ""
    reference: float | None = None

    def is_apart(self, reference: float) -> bool:
        """Whether the whole interval lies on one side of `reference`."""
        if self.low is None or self.high is None:
            return False
        return self.low > reference or self.high < reference


def draw_intervals(
    rows: Sequence[IntervalRow],
    axis: Axis,
    *,
    reference: float | None = None,
    reference_label: str = "",
    apart: str = "",
    not_apart: str = "",
) -> Plot:
    """A dot with its interval a row, on one scale.

    With a reference, a dot is full where the whole interval lies on one side of it and hollow where
    the interval reaches it. Where a name does not fit beside its figure, all names get a line of
    their own.

    Args:
        rows: in the order to show.
        axis: what all rows measure.
        reference: a value to compare with, drawn as a dashed line; a row's own goes before.
        reference_label: what it is: `all images, 3.1 %`.
        apart: what a full dot means: `differs from all images`.
        not_apart: what a hollow one means.
    """
    references = [reference if r.reference is None else r.reference for r in rows]
    values = [(r.value, r.low, r.high, own) for r, own in zip(rows, references, strict=True)]
    ruler = rule_axis(axis, [[v for v in row if v is not None] for row in values])
    compares = any(own is not None for own in references)
    key = _list_key(reference_label, apart, not_apart) if compares else []
    with styled():
        aside = max((measure(row.aside, SMALL) + 14 for row in rows if row.aside), default=0.0)
        beside = WIDTH - 2 * PAD - aside - 14
        stacked = any(measure(row.label) + measure(row.text) > beside for row in rows)
        high = _ROW + (_LINE if stacked else 0)
        tall = high * len(rows)
        canvas = Canvas(tall + 42 + measure_key(key))
        sheet = canvas.add_sheet()
        left, width = 12.0, WIDTH - 24.0

        def place(value: float) -> float:
            inside = min(max(value, ruler.low), ruler.high)
            return left + width * (inside - ruler.low) / (ruler.high - ruler.low)

        places = [place(p) for p in ruler.places]
        _add_scale(sheet, places, ruler, tall)
        for index, (row, own) in enumerate(zip(rows, references, strict=True)):
            _add_words(sheet, high * index + 10, row, aside, stacked=stacked)
            y = high * (index + 1) - 11
            sheet.plot([left, left + width], [y, y], color=RULE, linewidth=0.8, zorder=1)
            for at in places:
                sheet.plot([at, at], [y - 4, y + 4], color=RULE, linewidth=0.8, zorder=1)
            if own is not None:
                at = place(own)
                sheet.plot([at, at], [y - 8, y + 8], color=MUTED, linewidth=1.2, dashes=(3, 1.5),
                           zorder=2)  # fmt: skip
            if row.low is not None and row.high is not None:
                _add_interval(sheet, place(row.low), place(row.high), y)
            if row.value is not None:
                filled = own is None or row.is_apart(own)
                add_dot(sheet, place(row.value), y, row.color, filled=filled)
        add_key(sheet, tall + 44, key)
        return canvas.save()


def _list_key(reference_label: str, apart: str, not_apart: str) -> list[KeyItem]:
    items = [
        KeyItem("dashes", reference_label),
        KeyItem("filled", apart, STEEL),
        KeyItem("hollow", not_apart),
    ]
    return [item for item in items if item.label]


def _add_words(sheet: Axes, y: float, row: IntervalRow, aside: float, *, stacked: bool) -> None:
    """Name at the left, figure and aside at the right; or the figure below the name."""
    end = WIDTH - PAD
    if row.aside:
        write(sheet, end, y, row.aside, ha="right", color=MUTED, fontsize=SMALL)
    write(sheet, PAD, y, shorten(row.label, end - aside - PAD), color=INK)
    if stacked:
        write(sheet, PAD, y + _LINE, shorten(row.text, end - PAD), color=MUTED)
    else:
        write(sheet, end - aside, y, row.text, ha="right", color=INK)


def _add_interval(sheet: Axes, low: float, high: float, y: float) -> None:
    sheet.plot([low, high], [y, y], color=INK, linewidth=1.8, solid_capstyle="butt", zorder=4)
    for end in (low, high):
        sheet.plot([end, end], [y - 4, y + 4], color=INK, linewidth=1.4, zorder=4)


def _add_scale(sheet: Axes, places: Sequence[float], ruler: Ruler, tall: float) -> None:
    """Tick words and the title below the rows."""
    taken = -1e9
    for at, word in zip(places, ruler.words, strict=True):
        half = measure(word, SMALL) / 2
        middle = min(max(at, PAD + half), WIDTH - PAD - half)
        if middle - half > taken + 6:
            taken = middle + half
            write(sheet, middle, tall + 12, word, ha="center", color=MUTED, fontsize=SMALL)
    title = shorten(ruler.title, WIDTH - 2 * PAD, SMALL)
    write(sheet, WIDTH / 2, tall + 31, title, ha="center", color=MUTED, fontsize=SMALL)
