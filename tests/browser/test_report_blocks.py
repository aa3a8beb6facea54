"""The blocks of a report in a real browser: strips under one another, squares side by side."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.reporting.curves import Curve, draw_curves
from stripsight.reporting.frame import Axis
from stripsight.reporting.page import (
    Column,
    Details,
    Drawing,
    Fact,
    Figure,
    FigureGrid,
    Gallery,
    GalleryItem,
    Page,
    Section,
    StripRow,
    Strips,
    Table,
    render_page,
)
from stripsight.reporting.pictures import to_figure_picture, to_picture
from stripsight.reporting.verdict import Headline, Verdict

LONG = "a-name-without-a-break-" * 6


def build_row(width: int, height: int) -> StripRow:
    picture = to_picture(Image.new("L", (width, height), 90), "steel")
    names = ("image", "true mask: 1 scratches, cracks", "heatmap")
    return StripRow(f"{LONG}.jpg", [Drawing(picture, name) for name in names], (), LONG)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    headlines = [
        Headline(f"{n}. figure", "3.1 %", "95 % interval 1.9 to 4.8 %", "of 1,290 defects",
                 value, 0.0, 1.0, target=0.5, target_label="promised: at most 50 %")
        for n, value in enumerate((0.0, 0.5, 1.0, None))
    ]  # fmt: skip
    x = np.linspace(0, 1, 30)
    curves = [Curve(f"class {n}", x, x ** (n + 1), value="AP 0.9") for n in range(4)]
    plot = draw_curves(curves, Axis("recall"), Axis("precision"))
    blocks = [
        Verdict("care", "Use with care", f"It finds `most` of them. {LONG}", headlines, LONG),
        FigureGrid([Figure("Curves", to_figure_picture(plot, "curves"))]),
        Strips("Strips", [build_row(1600, 256)], LONG),
        Strips("Squares", [build_row(200, 200)]),
        Details([Fact(f"`{LONG}`", "command"), Fact("a" * 200, "hash")], "Provenance"),
    ]
    path = tmp_path_factory.mktemp("blocks") / "report.html"
    path.write_text(render_page(Page("Report", "of a run", [], [Section("one", "One", blocks)])))
    return path


@pytest.fixture(scope="module")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is too long or too wide for a phone."""
    x = np.linspace(0, 1, 30)
    plot = draw_curves([Curve("class", x, x, value="AP 0.9")], Axis("recall"), Axis("precision"))
    small = to_picture(Image.new("L", (200, 200), 90), "steel")
    blocks = [
        Strips("Folded", [build_row(200, 200)] * 5),
        Gallery("Folded", [GalleryItem(small, f"image {n}") for n in range(9)], shape="square"),
        FigureGrid(
            [Figure(f"{n}", to_figure_picture(plot, "curves")) for n in range(5)],
            "Five",
            dense=True,
        ),
        Table(
            "Wide",
            [Column("class"), Column("words"), *(Column(f"figure {n}", True) for n in range(9))],
            [(LONG, "images with an overkill", *(["1.000 (0.900 to 1.000)"] * 9))] * 4,
        ),
    ]
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(render_page(Page("Report", "of a run", [], [Section("one", "One", blocks)])))
    return path


def list_boxes(browser, selector: str) -> np.ndarray:
    """Left, top, width and height of every element that the selector finds."""
    script = (
        f"[...document.querySelectorAll('{selector}')].map(e => e.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.width, b.height])"
    )
    return np.array(browser.run(script))


@pytest.mark.parametrize("width", [390, 760, 1440])
def test_pictures_stand_as_their_shape_asks(browser, page, width):
    browser.open(page.as_uri(), width=width)
    assert browser.list_requests() == []
    assert browser.list_complaints() == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    strips = list_boxes(browser, ".drawings.wide img")
    assert len(strips) == 3
    assert (strips[:, 0] == strips[0, 0]).all()
    assert (np.diff(strips[:, 1]) > strips[0, 3]).all()
    assert (strips[:, 2] > min(width - 70, 900)).all()
    squares = list_boxes(browser, ".drawings.square img")
    assert (squares[:, 1] == squares[0, 1]).all()
    assert (np.diff(squares[:, 0]) > squares[0, 2]).all()
    assert (squares[:, 2] >= 100).all()
    assert squares[:, 2] == pytest.approx(squares[:, 3], rel=0.01)


@pytest.mark.parametrize("width", [390, 1440])
def test_marks_lie_on_their_track(browser, page, width):
    browser.open(page.as_uri(), width=width)
    tracks = list_boxes(browser, ".track")
    dots = list_boxes(browser, ".track .dot")
    assert len(tracks) == 4
    assert len(dots) == 3
    middles = dots[:, 0] + dots[:, 2] / 2
    wanted = tracks[:3, 0] + tracks[:3, 2] * np.array([0, 0.5, 1])
    assert middles == pytest.approx(wanted, abs=1)
    assert (tracks[:, 2] > 130).all()
    bars = list_boxes(browser, ".track .interval")
    assert bars[:, 2] == pytest.approx(tracks[:, 2], abs=1)
    rows = len(set(tracks[:, 1].round()))
    assert rows == (2 if width == 390 else 1)


def test_the_sentence_is_read_before_its_figures(browser, page):
    browser.open(page.as_uri(), width=390)
    text = browser.run("document.querySelector('.verdict').innerText")
    places = [text.index(word) for word in ("Use with care", "It finds", "0. figure", "3.1\u00a0%")]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [390, 760, 1440])
def test_no_table_is_wider_than_the_page(browser, long_page, width):
    browser.open(long_page.as_uri(), width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 760, 1440])
def test_words_in_a_table_do_not_stand_a_letter_a_line(browser, long_page, width):
    browser.open(long_page.as_uri(), width=width)
    words = list_boxes(browser, ".table tbody td:not(.numeric)")
    assert len(words) == 4
    assert (words[:, 2] >= 90).all()
    assert (words[:, 3] < 400).all()


def test_what_is_wide_scrolls_in_its_own_box(browser, long_page):
    browser.open(long_page.as_uri(), width=390)
    for selector in (".table.scrolls", ".figures.scrolls"):
        (box,) = browser.run(
            f"[...document.querySelectorAll('{selector}')].map(e => {{ const start = e.scrollWidth;"
            " e.scrollLeft = 9999; return [start, e.clientWidth, e.scrollLeft, e.tabIndex]; })"
        )
        wide, shown, scrolled, focus = box
        assert wide > 1.5 * shown
        assert scrolled == pytest.approx(wide - shown, abs=2)
        assert focus == 0
    # The name of a row stays while its figures pass.
    (left,) = set(list_boxes(browser, ".table tbody th")[:, 0])
    assert left == pytest.approx(list_boxes(browser, ".table")[0, 0], abs=1)


def test_galleries_fold_after_the_first_few_and_open_without_a_script(browser, long_page):
    browser.open(long_page.as_uri(), width=390)
    words = browser.run("[...document.querySelectorAll('summary')].map(s => s.textContent)")
    assert words == ["3 more", "3 more"]
    height = "document.documentElement.scrollHeight"
    folded = browser.run(height)
    browser.run("document.querySelectorAll('summary').forEach(s => s.click())")
    assert browser.run(height) > folded + 300


def test_on_paper_nothing_is_folded_and_nothing_scrolls(browser, long_page):
    browser.open(long_page.as_uri(), width=390)
    browser.call("Emulation.setEmulatedMedia", media="print")
    shown = browser.run(
        "[...document.images].every(i => i.checkVisibility({contentVisibilityAuto: true})"
        " && i.getBoundingClientRect().height > 20)"
    )
    summaries = browser.run("[...document.querySelectorAll('summary')].map(s => s.offsetHeight)")
    scrolled = browser.run(
        "[...document.querySelectorAll('.scrolls')].map(e => getComputedStyle(e).overflowX)"
    )
    browser.call("Emulation.setEmulatedMedia", media="")
    assert shown
    assert set(summaries) == {0}
    assert set(scrolled) == {"visible"}
