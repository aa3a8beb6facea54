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
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    color: str = STEEL
    aside: str = ""

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
    the interval reaches it.

    Args:
        rows: in the order to show.
        axis: what all rows measure.
        reference: a value to compare with, drawn as a dashed line.
        reference_label: what it is: `all images, 3.1 %`.
        apart: what a full dot means: `differs from all images`.
        not_apart: what a hollow one means.
    """
    values = [[v for v in (r.value, r.low, r.high) if v is not None] for r in rows]
    ruler = rule_axis(axis, [*values, [] if reference is None else [reference]])
    key = _list_key(reference, reference_label, apart, not_apart)
    with styled():
        tall = _ROW * len(rows)
        canvas = Canvas(tall + 42 + measure_key(key))
        sheet = canvas.add_sheet()
        left, width = 12.0, WIDTH - 24.0

        def place(value: float) -> float:
            inside = min(max(value, ruler.low), ruler.high)
            return left + width * (inside - ruler.low) / (ruler.high - ruler.low)

        places = [place(p) for p in ruler.places]
        _add_scale(sheet, places, ruler, tall)
        aside = max((measure(row.aside, SMALL) + 14 for row in rows if row.aside), default=0.0)
        for index, row in enumerate(rows):
            _add_words(sheet, _ROW * index + 10, row, aside)
            y = _ROW * index + 27
            sheet.plot([left, left + width], [y, y], color=RULE, linewidth=0.8, zorder=1)
            for at in places:
                sheet.plot([at, at], [y - 4, y + 4], color=RULE, linewidth=0.8, zorder=1)
            if reference is not None:
                at = place(reference)
                sheet.plot([at, at], [y - 8, y + 8], color=MUTED, linewidth=1.2, dashes=(3, 1.5),
                           zorder=2)  # fmt: skip
            if row.low is not None and row.high is not None:
                _add_interval(sheet, place(row.low), place(row.high), y)
            if row.value is not None:
                filled = reference is None or row.is_apart(reference)
                add_dot(sheet, place(row.value), y, row.color, filled=filled)
        add_key(sheet, tall + 44, key)
        return canvas.save()


def _list_key(
    reference: float | None, reference_label: str, apart: str, not_apart: str
) -> list[KeyItem]:
    if reference is None:
        return []
    items = [
        KeyItem("dashes", reference_label),
        KeyItem("filled", apart, STEEL),
        KeyItem("hollow", not_apart),
    ]
    return [item for item in items if item.label]


def _add_words(sheet: Axes, y: float, row: IntervalRow, aside: float) -> None:
    """Name at the left, figure and aside at the right."""
    end = WIDTH - PAD
    if row.aside:
        write(sheet, end, y, row.aside, ha="right", color=MUTED, fontsize=SMALL)
    write(sheet, end - aside, y, row.text, ha="right", color=INK)
    room = end - aside - measure(row.text) - 14 - PAD
    write(sheet, PAD, y, shorten(row.label, room), color=INK)


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
