"""Reviews: corrections of labels, kept beside the tables as prepared and laid over them on load.

    reviews/0001.json, 0002.json, ...    number, reviewer, applied, sheet and its sha256, the
                                         content hash before and after, and every change
    reviews/undone/                      those that were undone (`undoing.py`); no part in force

The tables that `data prepare` wrote are never touched. A review is one file, written in one step,
so a killed command leaves the data set as it was before or as it is after. The content hashes chain
the files: one that is missing, changed or of another data set is refused on load.

What a reviewer's sheet says is read in `sheet.py`; what is on trial here is only whether the
changes fit the labels.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stripsight.atomic import write_atomically
from stripsight.errors import DatasetError
from stripsight.labels import ClassList
from stripsight.reporting.quantities import format_quantity

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
FOLDER = "reviews"
DECISIONS = ("keep", "remove", "add", "drop-image")

NONE = "none"
PRESENCE = "presence"
LABELLED, LEFT_OUT = "labelled", "left out"
UNKNOWN = "unknown"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STATES = frozenset({"mask", "box", PRESENCE, NONE, LABELLED, LEFT_OUT})


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


def load_reviews(root: Path) -> tuple[Review, ...]:
    """Every review of a data set, in order; whether they fit it is `overlay_changes`' question.

    Raises:
        DatasetError: a file that cannot be read, is damaged, or is missing from the numbers.
    """
    files = sorted(path for path in (root / FOLDER).glob("*.json"))
    reviews = tuple(_read_review(path) for path in files)
    for number, (path, review) in enumerate(zip(files, reviews, strict=True), start=1):
        if path.name != f"{number:04d}.json" or review.number != number:
            raise DatasetError(
                f"{path}: review {number} is expected here, its file is missing or renamed:"
                f" restore {FOLDER}/{number:04d}.json"
            )
        if number > 1 and review.before != reviews[number - 2].after:
            raise DatasetError(f"{path} does not follow the review before it: restore both files")
    return reviews


def has_reviews(root: Path) -> bool:
    """Whether any review is stored."""
    return any((root / FOLDER).glob("*.json"))


def save_review(root: Path, review: Review) -> Path:
    """Write a review in one step; hold `lock_reviews` around it.

    Raises:
        OSError: the disk is full or read-only; the data set is as it was.
    """
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    os.close(os.open(folder, _DIRECTORY | os.O_NOFOLLOW))  # a link would lead out of the data set
    path = folder / f"{review.number:04d}.json"
    write_atomically(path, (json.dumps(review.to_json(), indent=2) + "\n").encode())
    return path


def remove_reviews(root: Path) -> None:
    """Delete every review, each with a warning that names it: its data set is being replaced.

    Those that were undone before go with them.
    """
    undone = sorted((root / FOLDER).glob("undone/*.json"))
    for path in [*undone, *sorted((root / FOLDER).glob("*.json"))]:
        what = str(path.relative_to(root))
        if path not in undone:
            try:
                what = _read_review(path).describe()
            except DatasetError:
                what += ", which was damaged"
        logger.warning("%s: the data set is replaced, removed %s", root, what)
        path.unlink()


@contextmanager
def lock_reviews(root: Path) -> Iterator[None]:
    """Keep other reviewers out while the block runs; the kernel lets go when the process dies.

    Raises:
        DatasetError: another process is at it.
    """
    # The data set's folder, not that of its reviews: a refused sheet must not leave one behind.
    descriptor = os.open(root, _DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(f"another review of {root} is being applied: wait") from error
        yield
    finally:
        os.close(descriptor)


def overlay_changes(
    images: pd.DataFrame,
    annotations: pd.DataFrame,
    classes: ClassList,
    changes: Sequence[Change],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables with the changes made; the arguments stay as they are.

    A label that is added has kind `presence`: nobody drew where it is. A dropped image has
    `labelled` false and no annotation.

    Raises:
        DatasetError: a change whose `was` is not what the tables say.
    """
    labels = LabelLookup(images, annotations, classes)
    removed: set[tuple[str, int]] = set()
    dropped: set[str] = set()
    added: list[tuple[str, int]] = []
    for change in changes:
        found = labels.find_state(change.image, change.class_name)
        if found != change.was:
            what = "" if change.class_name is None else f", class {change.class_name!r}"
            raise DatasetError(
                f"a review states {change.was!r} of image {change.image!r}{what}, the data set has"
                f" {found!r}: it was made for another"
            )
        if change.class_name is None:
            dropped.add(change.image)
        elif change.decision == "remove":
            removed.add((change.image, labels.id_of(change.class_name)))
        elif change.decision == "add":
            added.append((change.image, labels.id_of(change.class_name)))
    keys = zip(annotations["image_id"], annotations["class_id"], strict=True)
    stays = [(i, int(c)) not in removed and i not in dropped for i, c in keys]
    new = pd.DataFrame(
        [(i, c, PRESENCE, None, None) for i, c in sorted(added)], columns=annotations.columns
    ).astype(annotations.dtypes.to_dict())
    images = images.assign(labelled=images["labelled"] & ~images["id"].isin(list(dropped)))
    return images, pd.concat([annotations[stays], new], ignore_index=True)


class LabelLookup:
    """What the tables say of one (image, class) pair."""

    def __init__(self, images: pd.DataFrame, annotations: pd.DataFrame, classes: ClassList) -> None:
        self._labelled = dict(zip(images["id"], images["labelled"].astype(bool), strict=True))
        self._id_of = {c.name: c.id for c in classes}
        self._kind_of = {
            (image, int(class_id)): str(kind)
            for image, class_id, kind in zip(
                annotations["image_id"], annotations["class_id"], annotations["kind"], strict=True
            )
        }

    def has_image(self, image: str) -> bool:
        """Whether the image is in the data set, labelled or not."""
        return image in self._labelled

    def id_of(self, class_name: str) -> int:
        """Id of a class of the class list."""
        return self._id_of[class_name]

    def find_state(self, image: str, class_name: str | None) -> str:
        """Kind of the annotation or `none`; without a class, `labelled`.

        `unknown` where the image's labels are not known or the class is not in the class list.
        """
        if not self._labelled.get(image, False):
            return UNKNOWN
        if class_name is None:
            return LABELLED
        if class_name not in self._id_of:
            return UNKNOWN
        return self._kind_of.get((image, self._id_of[class_name]), NONE)


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


def _read_review(path: Path) -> Review:
    try:
        return parse_review(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({error}): restore the file") from error


def _check_review(review: Review) -> None:
    texts = [review.reviewer, review.applied, review.sheet, review.sheet_sha256]
    texts += [review.before, review.after]
    for change in review.changes:
        texts += [change.image, change.was, change.now]
        if change.decision not in DECISIONS:
            raise ValueError(f"decision {change.decision!r} is none")
        if not {change.was, change.now} <= _STATES:
            raise ValueError(f"{change.was!r} to {change.now!r} is no change of a label")
        if (change.class_name is None) != (change.decision == "drop-image"):
            raise ValueError(f"{change.decision} needs a class, and only drop-image has none")
        texts += [] if change.class_name is None else [change.class_name]
    if type(review.number) is not int or not all(isinstance(text, str) for text in texts):
        raise ValueError("a value is of the wrong type")
