"""What an audit leaves behind: `review.csv` to fill in, `audit.html` to look at, `audit.json`.

A sheet with decisions that were not applied yet is somebody's work and is never written over.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stripsight.atomic import write_atomically
from stripsight.data.audit.confident_learning import Audit
from stripsight.data.audit.look_alikes import name_groups
from stripsight.data.audit.page import build_audit_page
from stripsight.data.audit.sheet import format_sheet
from stripsight.data.audit.sureness import (
    compute_doubt,
    explain_expectation,
    is_weak,
    warn_of_weakness,
)
from stripsight.data.prepared import PreparedDataset
from stripsight.data.reviews.sheet import name_version, read_sheet
from stripsight.errors import DataError
from stripsight.reporting.folder import check_report_folder
from stripsight.reporting.quantities import format_quantity

SCHEMA_VERSION = 2
SHEET, PAGE, RECORD = "review.csv", "audit.html", "audit.json"


@dataclass(frozen=True)
class AuditReport:
    """An audit and what it stands on.

    Attributes:
        dataset: as it is labelled now.
        audit: the result, without what was confirmed.
        files: the prediction files.
        images_of_part: how many predictions come from validation and from test.
        confirmed: suspects left out because a review has decided on them.
    """

    dataset: PreparedDataset
    audit: Audit
    files: tuple[str, ...]
    images_of_part: dict[str, int]
    confirmed: int

    @property
    def images(self) -> int:
        """How many images were audited."""
        return sum(self.images_of_part.values())

    @property
    def group_of(self) -> dict[str, int]:
        """The group of look-alikes of each image of the data set."""
        return name_groups(self.dataset.images)

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits the result, in words."""
        notes = []
        labelled = int(self.dataset.images["labelled"].sum())
        if self.images < labelled:
            notes.append(
                f"{self.images:,} of {labelled:,} labelled images are audited: the others are in no"
                " prediction file"
            )
        if not self.images_of_part["test"]:
            notes.append(
                "all predictions come from validation, on which the epoch and the thresholds were"
                " chosen: the network is a little too sure there; predictions of test are better"
            )
        elif count := self.images_of_part["validation"]:
            notes.append(f"{count:,} predictions come from validation, on which epochs were chosen")
        notes += [
            f"{c.name}: nothing proposed; {c.why_none}" for c in self.audit.classes if c.why_none
        ]
        weak = (
            warn_of_weakness(c, self.audit.suspects, column, self.group_of)
            for column, c in enumerate(self.audit.classes)
        )
        notes += [warning for warning in weak if warning]
        if self.audit.suspects:
            notes.append(explain_expectation())
        if self.confirmed:
            notes.append(
                f"{format_quantity(self.confirmed, 'suspect')} left out: a review decided on them"
            )
        if not self.audit.suspects:
            notes.append(f"nothing to review: {self._explain_none()}")
        return tuple(notes)

    def _explain_none(self) -> str:
        classes = self.audit.classes
        unjudged = sum(1 for c in classes if c.why_none)
        if unjudged == len(classes):
            return "no class can be judged by these predictions, for the reasons above"
        what = "are decided on already" if self.confirmed else "agree with the predictions"
        if not unjudged:
            return f"the labels {what}"
        return (
            f"{unjudged:,} of {len(classes):,} classes cannot be judged, for the reasons above;"
            f" the labels of the others {what}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for `audit.json`."""
        names = self.dataset.classes.names
        content_hash = self.dataset.content_hash()
        return {
            "schema_version": SCHEMA_VERSION,
            "data_set": self.dataset.name,
            "content_hash": content_hash,
            "labels_version": name_version(content_hash),
            "predictions": list(self.files),
            "images": self.images,
            "labelled_images": int(self.dataset.images["labelled"].sum()),
            "images_of_part": self.images_of_part,
            "notes": list(self.notes),
            "classes": [
                asdict(c)
                | {
                    "doubt": compute_doubt(self.audit.suspects, column, self.group_of),
                    "weak_network": is_weak(c),
                }
                for column, c in enumerate(self.audit.classes)
            ],
            "suspects": [
                {
                    "image": s.image,
                    "class": names[s.column],
                    "given": s.given,
                    "probability": s.probability,
                    "score": s.score,
                }
                for s in self.audit.suspects
            ],
        }


def leave_out_decided(audit: Audit, dataset: PreparedDataset) -> tuple[Audit, int]:
    """The audit without the pairs that a review has decided on, and how many those were."""
    decided = {
        (change.image, change.class_name)
        for review in dataset.reviews
        for change in review.changes
        if change.class_name is not None
    }
    names = dataset.classes.names
    kept = tuple(s for s in audit.suspects if (s.image, names[s.column]) not in decided)
    return Audit(audit.classes, kept), len(audit.suspects) - len(kept)


def check_sheet_is_free(out: Path, dataset: PreparedDataset) -> None:
    """Refuse a folder of other things, or whose sheet holds decisions that were not applied.

    Raises:
        UsageError: the folder holds what is no audit.
        DataError: the sheet holds such decisions, or is no sheet.
    """
    check_report_folder(
        out, numbers=RECORD, keys=("suspects", "content_hash"), others=(PAGE, SHEET)
    )
    path = out / SHEET
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    if hashlib.sha256(data).hexdigest() in {r.sheet_sha256 for r in dataset.reviews}:
        return
    try:
        decided = sum(1 for row in read_sheet(data) if row.decision)
    except DataError as error:
        raise DataError(
            f"{path} is in the way ({error}): name another folder with --out"
        ) from error
    if decided:
        raise DataError(
            f"{path} holds {format_quantity(decided, 'decision')}: apply them with"
            " `stripsight data apply-review`, or name another folder with --out"
        )


def write_audit(
    report: AuditReport, out: Path, *, report_progress: Callable[[int, int], None]
) -> None:
    """Write the three files; `report_progress` takes (pictures done, pictures in all).

    Raises:
        DataError: see `check_sheet_is_free`.
        OSError: the folder cannot be written.
    """
    check_sheet_is_free(out, report.dataset)
    out.mkdir(parents=True, exist_ok=True)
    page = build_audit_page(
        report.dataset,
        report.audit,
        images=report.images,
        notes=report.notes,
        report_progress=report_progress,
    )
    sheet = format_sheet(report.audit, report.dataset.images, report.dataset.content_hash())
    write_atomically(out / PAGE, page.encode())
    write_atomically(out / RECORD, (json.dumps(report.to_json(), indent=2) + "\n").encode())
    write_atomically(out / SHEET, sheet)
