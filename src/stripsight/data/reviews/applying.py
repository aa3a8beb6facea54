"""A filled-in sheet becomes a review: read, held against the labels, stored whole or not at all."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.reviews.overlay import overlay_changes
from stripsight.data.reviews.review import Review
from stripsight.data.reviews.sheet import check_version, judge_sheet, read_sheet
from stripsight.data.reviews.store import lock_reviews, save_review
from stripsight.errors import DataError


@dataclass(frozen=True)
class SheetOutcome:
    """What came of a sheet.

    Attributes:
        review: as stored; None where rows were refused and nothing was changed.
        undecided: number of rows without a decision.
        faults: rows that were refused, in words.
    """

    review: Review | None
    undecided: int
    faults: tuple[str, ...]


def apply_sheet(root: Path, sheet: Path, *, reviewer: str, when: datetime) -> SheetOutcome:
    """Apply a sheet to a data set, unless any of its rows does not fit.

    Args:
        root: folder of the data set.
        sheet: the CSV file.
        reviewer: who decided.
        when: it is applied; with a time zone.

    Raises:
        DatasetError: no whole data set, or another review is being applied.
        DataError: the sheet is not there, is none, decides nothing, or is of other labels.
        OSError: the sheet cannot be read or the review not be written; nothing was changed.
    """
    load_prepared(root)  # before anything is opened in what may be no data set
    data = _read_bytes(sheet, root)
    with lock_reviews(root):
        dataset = load_prepared(root)
        digest = hashlib.sha256(data).hexdigest()
        for earlier in dataset.reviews:
            if earlier.sheet_sha256 == digest:
                raise DataError(f"{sheet} was applied already: reviews/{earlier.number:04d}.json")
        try:
            rows = read_sheet(data)
            check_version(rows, dataset)
        except DataError as error:
            raise DataError(f"{sheet}: {error}") from error
        decided = judge_sheet(rows, dataset)
        if decided.faults:
            return SheetOutcome(None, decided.undecided, decided.faults)
        if not decided.changes:
            raise DataError(f"{sheet}: no row has a decision (keep, remove, add, drop-image)")
        review = Review(
            number=len(dataset.reviews) + 1,
            reviewer=reviewer,
            applied=when.isoformat(timespec="seconds"),
            sheet=sheet.name,
            sheet_sha256=digest,
            before=dataset.content_hash(),
            after="",
            changes=decided.changes,
        )
        review = replace(review, after=_overlay(dataset, review).content_hash())
        save_review(root, review)
    return SheetOutcome(review, decided.undecided, ())


def _read_bytes(sheet: Path, root: Path) -> bytes:
    try:
        return sheet.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else "is a folder"
        written = root / "audit" / "review.csv"
        hint = (
            f"did you mean {written}?"
            if written.is_file()
            else f"`stripsight data audit {root} --predictions RUN...` writes one"
        )
        raise DataError(f"the sheet {sheet} {what}: {hint}") from error


def _overlay(dataset: PreparedDataset, review: Review) -> PreparedDataset:
    images, annotations = overlay_changes(
        dataset.images, dataset.annotations, dataset.classes, review.changes
    )
    return replace(dataset, images=images, annotations=annotations)
