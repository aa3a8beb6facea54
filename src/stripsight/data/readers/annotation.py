"""What every reader hands over: rows as their source states them, and rows it had to refuse.

A reader knows its format and nothing of the images; whether a mask fits its image is found out when
the two are joined (`join.py`). A row is the smallest statement of a source: a line of a table, an
object of a JSON or XML file, or an annotation file without any object.
"""

from dataclasses import dataclass

NAMELESS = frozenset({"malformed row", "image id"})
"""Kinds of refused rows whose image's name is itself in question."""

Point = tuple[float, float]
"""(x, y) in pixels, 0-based."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask as Kaggle writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A mask as Supervisely writes it: base64 of zlib of PNG, its upper left corner at (x, y)."""

    x: int
    y: int
    data: str


@dataclass(frozen=True, slots=True)
class Box:
    """Columns `[left, right)` and rows `[top, bottom)`, 0-based; may reach over the image."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled outline with holes."""

    outline: tuple[Point, ...]
    holes: tuple[tuple[Point, ...], ...] = ()


Shape = RunLengths | Bitmap | Box | Polygon


@dataclass(frozen=True, slots=True)
class SourceMark:
    """One class on one image; without a shape only its presence is known."""

    class_key: str
    shape: Shape | None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One statement about one image; without a mark it says "no (such) defect".

    Attributes:
        file: the annotation file, relative to the source.
        place: where in it, for people ("row 17", "object 3").
        image: the image's name as the row gives it.
        marks: what the row states.
        size: (height, width) that the row claims for the image, if it does.
        beside: path of the image that the format's own layout promises, tried before the name.
    """

    file: str
    place: str
    image: str
    marks: tuple[SourceMark, ...]
    size: tuple[int, int] | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not used.

    Attributes:
        file: the annotation file, relative to the source.
        place: where in it.
        image: the image it speaks of, where that can be told: its labels are then not known.
        kind: what is wrong, as a word to count by.
        reason: what is wrong, in full.
    """

    file: str
    place: str
    image: str | None
    kind: str
    reason: str


@dataclass(frozen=True)
class SourceTable:
    """All that one reader found.

    Attributes:
        rows: read whole; their shapes are not checked yet.
        refused: read and refused by the reader itself.
        class_keys: of a table that names classes without marking them (Kaggle's old form).
        unlisted_is_clean: whether the format says that an image it does not list has no defect.
        incomplete: images for which the source leaves some class unsaid.
    """

    rows: tuple[SourceRow, ...]
    refused: tuple[RefusedRow, ...] = ()
    class_keys: frozenset[str] = frozenset()
    unlisted_is_clean: bool = False
    incomplete: frozenset[str] = frozenset()

    @property
    def rows_read(self) -> int:
        """Used or not."""
        return len(self.rows) + len(self.refused)
