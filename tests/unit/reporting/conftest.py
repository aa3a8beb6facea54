"""What the drawn words of a plot occupy, and whether any of them collide or are cut off."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from stripsight.reporting.canvas import Canvas, Plot


@pytest.fixture
def drawn_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures behind the plots that the test draws."""
    drawn: list[Figure] = []
    save = Canvas.save

    def keep(canvas: Canvas) -> Plot:
        drawn.append(canvas.figure)
        return save(canvas)

    monkeypatch.setattr(Canvas, "save", keep)
    return drawn


@pytest.fixture
def read_words(drawn_figures: list[Figure]) -> Callable[[], list[str]]:
    """A function that lists the words of the last plot."""
    return lambda: [t.get_text() for axes in drawn_figures[-1].axes for t in axes.texts]


@pytest.fixture
def find_clashes(drawn_figures: list[Figure]) -> Callable[[], list[str]]:
    """A function that names the words of the last plot that touch others or the figure's edge."""

    def find() -> list[str]:
        figure = drawn_figures[-1]
        boxes = [
            (text.get_text(), text.get_window_extent())
            for axes in figure.axes
            for text in axes.texts
            if text.get_text().strip()
        ]
        assert boxes
        whole = figure.bbox.padded(1)
        found = [
            f"cut off: {word}"
            for word, box in boxes
            if box.x0 < whole.x0 or box.x1 > whole.x1 or box.y0 < whole.y0 or box.y1 > whole.y1
        ]
        for i, (one, box) in enumerate(boxes):
            for other, second in boxes[:i]:
                wide = min(box.x1, second.x1) - max(box.x0, second.x0)
                tall = min(box.y1, second.y1) - max(box.y0, second.y0)
                if wide > 1 and tall > 5:  # a line's box is taller than what is seen of it
                    found.append(f"{one!r} touches {other!r}")
        return found

    return find


@pytest.fixture
def read_plot() -> Callable[[Plot], np.ndarray]:
    """Pixels int `[H, W, 3]` of a plot of the size it says."""

    def read(plot: Plot) -> np.ndarray:
        image = Image.open(io.BytesIO(plot.png)).convert("RGB")
        assert image.size == (plot.width, plot.height)
        assert plot.width == 880
        return np.asarray(image).astype(int)

    return read
