"""The one style of all plots: size, type, ink, and how they become PNG files.

Drawn 400 points wide, which is what a phone shows, so that the type keeps its size there. No pyplot
and no global state: figures are objects, and whoever draws in threads or processes may.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from stripsight.reporting.colors import INK, MUTED, RULE

WIDTH = 400
"""Points; every figure is so wide."""
_POINTS_PER_INCH = 72
_PIXELS_PER_POINT = 2.2
TYPE = 12.5
"""Size of type in points."""
_FONT = "DejaVu Sans"  # comes with matplotlib: the same picture on every machine

_STYLE: dict[Any, Any] = {
    "font.family": _FONT,
    "font.size": TYPE,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": TYPE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.unicode_minus": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": TYPE - 1,
    "ytick.labelsize": TYPE - 1,
}

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Plot:
    """A drawn figure: PNG bytes and size in pixels."""

    png: bytes
    width: int
    height: int


class Canvas:
    """A figure under way, measured in points from the top left."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(
            figsize=(WIDTH / _POINTS_PER_INCH, height / _POINTS_PER_INCH),
            dpi=_POINTS_PER_INCH * _PIXELS_PER_POINT,
        )
        self.figure.patch.set_facecolor("white")

    def add_axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a place of the figure."""
        return self.figure.add_axes(
            (
                left / WIDTH,
                1 - (top + height) / self.height,
                width / WIDTH,
                height / self.height,
            )
        )

    def add_sheet(self) -> Axes:
        """Bare axes over the whole figure, one unit a point, y downwards."""
        axes = self.add_axes(0, 0, WIDTH, self.height)
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(self.height, 0)
        axes.set_axis_off()
        return axes

    def save(self) -> Plot:
        """Draw it."""
        canvas = FigureCanvasAgg(self.figure)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", metadata={"Software": None})
        width, height = canvas.get_width_height()
        return Plot(buffer.getvalue(), width, height)


@contextmanager
def styled() -> Iterator[None]:
    """The style while a figure is drawn."""
    with mpl.rc_context(_STYLE):
        yield


def write(axes: Axes, x: float, y: float, text: str, **options: object) -> Text:
    """Text at a place, what the typeface lacks replaced; never read as mathematics."""
    options.setdefault("va", "center")
    return axes.text(x, y, to_drawable(text), **options)  # type: ignore[arg-type]


def to_drawable(text: str) -> str:
    """What of `text` the typeface can draw; a box stands for a run of what it cannot."""
    known = _known_characters()
    drawn: list[str] = []
    for character in text:
        if ord(character) in known or character == "\n":
            drawn.append(character)
        elif not drawn or drawn[-1] != "\u25a1":
            drawn.append("\u25a1")
    return "".join(drawn)


def shorten(text: str, points: float, size: float = TYPE) -> str:
    """`text` cut with an ellipsis so that it fits `points`."""
    text = to_drawable(text)
    if measure(text, size) <= points:
        return text
    while text and measure(text + "\u2026", size) > points:
        text = text[:-1]
    return text.rstrip() + "\u2026"


def measure(text: str, size: float = TYPE) -> float:
    """Width of one line in points."""
    font = get_font(findfont(_FONT))
    font.set_size(size, _POINTS_PER_INCH)
    font.set_text(to_drawable(text), 0.0)
    return float(font.get_width_height()[0]) / 64


@cache
def _known_characters() -> frozenset[int]:
    return frozenset(get_font(findfont(_FONT)).get_charmap())
