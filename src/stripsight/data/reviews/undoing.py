"""Taking the last review back, and what remains of it.

    reviews/undone/0001-20260131T120000.123456Z.json    the review as it was, who undid it, and when

The copy is written first; deleting the review itself is the one step that undoes it. A command that
is killed between the two leaves the review in force with a copy beside it, which `load_undone` does
not list and the next undo replaces.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stripsight.atomic import write_atomically
from stripsight.data.reviews.review import (
    FOLDER,
    NO_RECORD,
    SCHEMA_VERSION,
    Review,
    check_text,
    check_time,
    parse_review,
)
from stripsight.data.reviews.store import UNDONE, list_records, load_reviews, lock_reviews
from stripsight.documents import parse_json
from stripsight.errors import DatasetError


@dataclass(frozen=True)
class UndoneReview:
    """A review that is in force no more.

    Attributes:
        review: as it was.
        undone_by: who undid it.
        undone: when, ISO 8601 in UTC.
    """

    review: Review
    undone_by: str
    undone: str

    def describe(self) -> str:
        """One line for people."""
        return f"undone by {self.undone_by}, {self.undone}: {self.review.describe()}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for its file."""
        return {
            "schema_version": SCHEMA_VERSION,
            "undone_by": self.undone_by,
            "undone": self.undone,
            "review": self.review.to_json(),
        }


def undo_last_review(root: Path, *, reviewer: str, when: datetime) -> UndoneReview:
    """Undo the last review, keep it among the undone ones, and return it.

    Args:
        root: folder of the data set.
        reviewer: who takes it back.
        when: with a time zone.

    Raises:
        DatasetError: there is none, or the reviews cannot be read.
        OSError: the disk is full or read-only; the review is still in force.
    """
    with lock_reviews(root):
        reviews = load_reviews(root)
        if not reviews:
            raise DatasetError(f"{root} has no review to undo")
        review = reviews[-1]
        when = when.astimezone(UTC)
        undone = UndoneReview(review, reviewer, when.isoformat(timespec="seconds"))
        folder = root / UNDONE
        earlier_ones = list(_read_undone(root))
        folder.mkdir(exist_ok=True)
        for path, earlier in earlier_ones:
            if earlier.review == review:
                path.unlink()
        path = folder / f"{review.number:04d}-{when:%Y%m%dT%H%M%S.%fZ}.json"
        write_atomically(path, (json.dumps(undone.to_json(), indent=2) + "\n").encode())
        (root / FOLDER / f"{review.number:04d}.json").unlink()
        return undone


def load_undone(root: Path, in_force: Sequence[Review]) -> tuple[UndoneReview, ...]:
    """Every review that was undone, the first undone first; none that is `in_force`.

    Raises:
        DatasetError: a file that is damaged.
    """
    found = [undone for _, undone in _read_undone(root) if undone.review not in in_force]
    return tuple(sorted(found, key=lambda u: (u.undone, -u.review.number)))


def check_undone(root: Path) -> Iterator[str]:
    """What is wrong with the undone reviews, in words.

    Raises:
        Nothing: what cannot be read is a finding.
    """
    try:
        paths = list_records(root, UNDONE)
    except DatasetError as error:
        yield str(error)
        return
    for path in paths:
        try:
            _read_file(path)
        except DatasetError as error:
            yield str(error)


def _read_undone(root: Path) -> Iterator[tuple[Path, UndoneReview]]:
    for path in list_records(root, UNDONE):
        yield path, _read_file(path)


def _read_file(path: Path) -> UndoneReview:
    try:
        record = parse_json(path.read_bytes())
        return UndoneReview(
            parse_review(record["review"]),
            check_text("undone_by", record["undone_by"]),
            check_time("undone", record["undone"]),
        )
    except NO_RECORD as error:
        raise DatasetError(f"{path} is damaged ({error}): restore or delete it") from error
