"""The reviews of a data set on disk.

    reviews/0001.json, 0002.json, ...    number, reviewer, applied, sheet and its sha256, the
                                         content hash before and after, and every change
    reviews/undone/                      those that were undone (`undoing.py`); no part in force

The tables that `data prepare` wrote are never touched. A review is one file, written in one step,
so a killed command leaves the data set as it was before or as it is after. The content hashes chain
the files: one that is missing, changed or of another data set is refused on load.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stripsight.atomic import write_atomically
from stripsight.data.reviews.review import FOLDER, NO_RECORD, Review, parse_review
from stripsight.documents import parse_json
from stripsight.errors import DatasetError

UNDONE = f"{FOLDER}/undone"

logger = logging.getLogger(__name__)


def load_reviews(root: Path) -> tuple[Review, ...]:
    """Every review of a data set, in order; whether they fit it is `overlay_changes`' question.

    Raises:
        DatasetError: a file that cannot be read, is damaged, or is missing from the numbers; a link
            or a file in the folder's place.
    """
    files = list_records(root, FOLDER)
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


def list_records(root: Path, folder: str) -> list[Path]:
    """The JSON files of a folder of the data set, by name; none where it is not there.

    Raises:
        DatasetError: a link or a file is in its place: reviews would be read from, and undone in,
            another data set.
    """
    path = root / folder
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise DatasetError(f"{path} is no folder of its own: put the folder itself there")
    return sorted(path.glob("*.json"))


def has_reviews(root: Path) -> bool:
    """Whether any review is stored."""
    return bool(list_records(root, FOLDER))


def save_review(root: Path, review: Review) -> Path:
    """Write a review in one step; hold `lock_reviews` around it.

    Raises:
        DatasetError: a link or a file is in the folder's place.
        OSError: the disk is full or read-only; the data set is as it was.
    """
    list_records(root, FOLDER)
    (root / FOLDER).mkdir(exist_ok=True)
    path = root / FOLDER / f"{review.number:04d}.json"
    write_atomically(path, (json.dumps(review.to_json(), indent=2) + "\n").encode())
    return path


def remove_reviews(root: Path) -> None:
    """Delete every review, each with a warning that names it: its data set is being replaced.

    Those that were undone before go with them.
    """
    undone = list_records(root, UNDONE)
    for path in [*undone, *list_records(root, FOLDER)]:
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
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(f"another review of {root} is being applied: wait") from error
        yield
    finally:
        os.close(descriptor)


def _read_review(path: Path) -> Review:
    try:
        return parse_review(parse_json(path.read_bytes()))
    except NO_RECORD as error:
        raise DatasetError(f"{path} is damaged ({error}): restore the file") from error
