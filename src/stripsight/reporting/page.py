"""A page as plain data, and its one way to HTML.

    Page
    ├── facts           the numbers to see first
    └── Section         a heading, a sentence, and blocks:
        ├── Verdict     the sentence to remember, and its figures with their intervals
        ├── Notices     findings, the most serious first
        ├── FigureGrid  plots side by side
        ├── Table       cells of text, class tags and small bars
        ├── Gallery     pictures with tags and a note
        ├── Strips      one image in several drawings: as it is, its mask, its heatmap
        ├── Details     terms and what they are, such as where a figure comes from
        └── Note        a sentence, such as what is missing and why

The HTML is one file: styles and pictures lie inside, no script runs, and a content security policy
forbids the browser to fetch anything. All text is escaped by the template engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from stripsight.reporting.colors import choose_ink
from stripsight.reporting.template import render_template
from stripsight.reporting.verdict import Verdict

Shape = Literal["full", "wide", "crop", "square"]
"""One, two, three or six in a row on a desk; one, one, one or two on a phone."""

_FIRST_OF_SHAPE: dict[Shape, int] = {"full": 2, "wide": 4, "crop": 6, "square": 6}
_FIRST_ROWS = 2

Level = Literal["serious", "look", "note"]
LEVEL_WORDS: dict[Level, str] = {
    "serious": "Act on this",
    "look": "Look at this",
    "note": "Good to know",
}


@dataclass(frozen=True)
class Picture:
    """An image inside the page: data URI, what it shows in words, size in pixels."""

    uri: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Tag:
    """A class by mark (a short text on its colour) and name, so that colour is never alone."""

    mark: str
    name: str
    color: str
    kind: ClassVar[str] = "tag"

    @property
    def ink(self) -> str:
        """Black or white, for the mark."""
        return choose_ink(self.color)


@dataclass(frozen=True)
class Meter:
    """A number with a bar: `share` of the full width, 0 to 1."""

    text: str
    share: float
    kind: ClassVar[str] = "meter"


Cell = str | Tag | Meter


@dataclass(frozen=True)
class Column:
    """A table's column; numbers stand to the right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of a row names it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figure:
    """One plot with its heading and a caption that says how to read it."""

    title: str
    picture: Picture
    caption: str = ""


@dataclass(frozen=True)
class FigureGrid:
    """Plots side by side where there is room, under a heading of their own if they have one.

    `dense` puts more of them in a row, and on a phone all in one that is scrolled sideways.
    """

    figures: Sequence[Figure]
    title: str = ""
    dense: bool = False
    kind: ClassVar[str] = "figures"

    @property
    def slides(self) -> bool:
        """Whether a phone shows one plot after the other in a row."""
        return self.dense and len(self.figures) > 1


@dataclass(frozen=True)
class GalleryItem:
    """A picture with its tags and a line of text."""

    picture: Picture
    name: str
    tags: Sequence[Tag] = ()
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures under one heading; `shape` chooses how many stand side by side.

    With a tag, the tag is the heading and the title says in smaller type what is shown of it. All
    but the first few are folded, on paper none.
    """

    title: str
    items: Sequence[GalleryItem]
    caption: str = ""
    tag: Tag | None = None
    shape: Shape = "wide"
    kind: ClassVar[str] = "gallery"

    @property
    def shown(self) -> int:
        """How many items always show."""
        return _count_shown(self.items, _FIRST_OF_SHAPE[self.shape])


@dataclass(frozen=True)
class Drawing:
    """One drawing of an image and what it is: `true mask`."""

    picture: Picture
    caption: str


@dataclass(frozen=True)
class StripRow:
    """Drawings of one image, with its name, its tags and a line of text."""

    name: str
    drawings: Sequence[Drawing]
    tags: Sequence[Tag] = ()
    note: str = ""

    @property
    def wide(self) -> bool:
        """Whether the drawings stand under one another, as strips do, not side by side."""
        return any(d.picture.width > 2 * d.picture.height for d in self.drawings)


@dataclass(frozen=True)
class Strips:
    """Images, each in several drawings; all but the first few are folded, on paper none."""

    title: str
    rows: Sequence[StripRow]
    caption: str = ""
    kind: ClassVar[str] = "strips"

    @property
    def shown(self) -> int:
        """How many rows always show."""
        return _count_shown(self.rows, _FIRST_ROWS)


@dataclass(frozen=True)
class Fact:
    """A number to see first, and what it counts; or a term's value, and the term."""

    value: str
    label: str


@dataclass(frozen=True)
class Details:
    """Terms and what they are, under a heading of their own if they have one.

    `folded` they are behind it, on paper not.
    """

    items: Sequence[Fact]
    title: str = ""
    folded: bool = False
    kind: ClassVar[str] = "details"


@dataclass(frozen=True)
class Notice:
    """One finding: how serious, its number and unit, what it means, item by item, what to do."""

    level: Level
    title: str
    number: str
    unit: str
    text: str
    action: str
    details: Sequence[str] = ()

    @property
    def word(self) -> str:
        """The level in words."""
        return LEVEL_WORDS[self.level]


@dataclass(frozen=True)
class Notices:
    """Findings in the order given."""

    notices: Sequence[Notice]
    kind: ClassVar[str] = "notices"


@dataclass(frozen=True)
class Note:
    """A sentence between blocks."""

    text: str
    kind: ClassVar[str] = "note"


Block = Verdict | Notices | FigureGrid | Table | Gallery | Strips | Details | Note


@dataclass(frozen=True)
class Section:
    """A part of the page; `anchor` is its id in the address."""

    anchor: str
    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Page:
    """A whole page."""

    title: str
    subtitle: str
    facts: Sequence[Fact]
    sections: Sequence[Section]
    footer: str = ""
    language: str = field(default="en")


def _count_shown(items: Sequence[object], few: int) -> int:
    """How many show: to fold a single one would hide more than it saves."""
    return few if len(items) > few + 1 else len(items)


def render_page(page: Page) -> str:
    """One self-contained HTML document."""
    return render_template(page=page)
