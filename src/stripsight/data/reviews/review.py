"""A review: one sheet of decisions on labels, applied, as plain data that a file holds.

Files may have been edited by hand, so every value is checked before it is believed. Where they lie
is `store.py`'s business, whether they fit the labels `overlay.py`'s.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from stripsight.reporting.quantities import format_quantity

SCHEMA_VERSION = 1
FOLDER = "reviews"
DECISIONS = ("keep", "remove", "add", "drop-image")

NONE = "none"
PRESENCE = "presence"
LABELLED, LEFT_OUT = "labelled", "left out"
_STATES = frozenset({"mask", "box", PRESENCE, NONE, LABELLED, LEFT_OUT})

NO_RECORD = (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError)
"""What reading a record may raise where the file is damaged."""


@dataclass(frozen=True, slots=True)
class Change:
    """One decision of a reviewer.

    Attributes:
        image: its id.
        class_name: the class decided on; None for a dropped image.
        decision: one of `DECISIONS`.
        was: `mask`, `box`, `presence` or `none`; `labelled` of an image that is dropped.
        now: `presence`, `none` or what it was; `left out` of an image that is dropped.
        row: of the sheet, the header being row 1.
    """

    image: str
    class_name: str | None
    decision: str
    was: str
    now: str
    row: int


@dataclass(frozen=True)
class Review:
    """One sheet of decisions, applied.

    Attributes:
        number: 1, 2, ... in the order they were applied.
        reviewer: who decided.
        applied: when, ISO 8601 in UTC.
        sheet: name of the CSV file.
        sheet_sha256: of its bytes.
        before: content hash of the data set that was reviewed.
        after: content hash with the changes.
        changes: every decision, those that keep a label too.
    """

    number: int
    reviewer: str
    applied: str
    sheet: str
    sheet_sha256: str
    before: str
    after: str
    changes: tuple[Change, ...]

    def count(self, decision: str) -> int:
        """How many decisions of one kind."""
        return sum(1 for change in self.changes if change.decision == decision)

    def describe(self) -> str:
        """One line for people."""
        return (
            f"{FOLDER}/{self.number:04d}.json:"
            f" {format_quantity(self.count('remove'), 'label')} removed,"
            f" {self.count('add'):,} added, {self.count('keep'):,} kept,"
            f" {format_quantity(self.count('drop-image'), 'image')} left out;"
            f" by {self.reviewer}, {self.applied}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for its file."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def parse_review(record: dict[str, Any]) -> Review:
    """A review from its file's JSON.

    Raises:
        ValueError, TypeError, AttributeError, KeyError: it is none.
    """
    values = dict(record)
    if values.pop("schema_version") != SCHEMA_VERSION:
        raise ValueError("its schema version is another")
    changes = tuple(Change(**change) for change in values.pop("changes"))
    review = Review(changes=changes, **values)
    _check_review(review)
    return review


def check_text(what: str, value: object) -> str:
    """A text that can be shown and stored.

    Raises:
        ValueError: another type, or half a surrogate pair.
    """
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")
    value.encode()
    return value


def check_time(what: str, value: object) -> str:
    """A time as ISO 8601 with a zone, as text.

    Raises:
        ValueError: it is none.
    """
    if datetime.fromisoformat(check_text(what, value)).tzinfo is None:
        raise ValueError(f"{what} has no time zone")
    return str(value)


def _check_review(review: Review) -> None:
    _check_count("number", review.number)
    check_time("applied", review.applied)
    for what in ("reviewer", "sheet", "sheet_sha256", "before", "after"):
        check_text(what, getattr(review, what))
    for change in review.changes:
        _check_count("row", change.row)
        for what in ("image", "decision", "was", "now"):
            check_text(what, getattr(change, what))
        if change.decision not in DECISIONS:
            raise ValueError(f"decision {change.decision!r} is none")
        if not {change.was, change.now} <= _STATES:
            raise ValueError(f"{change.was!r} to {change.now!r} is no change of a label")
        if (change.class_name is None) != (change.decision == "drop-image"):
            raise ValueError(f"{change.decision} needs a class, and only drop-image has none")
        if change.class_name is not None:
            check_text("class_name", change.class_name)


def _check_count(what: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"{what} is no number from 1 on")
