"""The page as text: whole, escaped, self-contained. How it looks is tests/browser's business."""

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from stripsight.reporting.page import (
    Column,
    Details,
    Drawing,
    Fact,
    Figure,
    FigureGrid,
    Gallery,
    GalleryItem,
    Meter,
    Note,
    Notice,
    Notices,
    Page,
    Picture,
    Section,
    StripRow,
    Strips,
    Table,
    Tag,
    render_page,
)
from stripsight.reporting.verdict import Headline, Verdict

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def build_page(text: str) -> Page:
    """Every kind of block, with `text` wherever words stand."""
    picture, tag = Picture(PIXEL, text, 1, 1), Tag(text, text, "#E69F00")
    blocks = [
        Notices([Notice("serious", text, text, text, text, text, (text,))]),
        FigureGrid([Figure(text, picture, text)], text),
        Table(text, [Column(text), Column(text, True)], [(tag, text), (text, Meter(text, 0.5))]),
        Gallery(text, [GalleryItem(picture, text, (tag,), text)], text, tag),
        Note(text),
        Verdict(
            "care",
            text,
            text,
            [
                Headline(text, text, text, text, 0.2, 0.1, 0.3, (0, 1), (text, text), 0.5, text),
                Headline(text, text, text),
            ],
            text,
        ),
        Strips(text, [StripRow(text, [Drawing(picture, text)], (tag,), text)], text),
        Details([Fact(text, text)], text),
    ]
    return Page(text, text, [Fact(text, text)], [Section("one", text, blocks, text)], text)


class Reader(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.values, self.open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.values += [value for _, value in attributes]
        if tag not in {"meta", "link", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


USUAL = Reader(render_page(build_page("word")))


def test_every_tag_is_closed():
    assert USUAL.open == []
    assert USUAL.tags.count("h1") == 1


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_no_text_becomes_markup(text):
    found = Reader(render_page(build_page(text)))
    # A backtick turns what follows into code; nothing else changes the tags.
    assert [t for t in found.tags if t != "code"] == [t for t in USUAL.tags if t != "code"]
    assert found.open == []
    assert text in found.values  # the alternative text, quotes and all
    assert text in found.text


def test_it_refers_to_nothing_outside():
    html = render_page(build_page("word")).replace(PIXEL, "")
    assert not re.search(r"(https?:)?//[a-z]", html)
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src 'none'" in html
    assert "<script" not in html


def test_commands_stand_as_code():
    html = render_page(build_page("run `stripsight data split` now"))
    assert "<code>stripsight data split</code>" in html


def test_there_is_no_em_dash():
    assert "\u2014" not in render_page(build_page("word"))


def test_no_line_ends_between_a_number_and_its_percent_sign():
    html = render_page(Page("t", "3.1 % of all", [], []))
    assert "3.1\u00a0% of all" in html
