"""Whether a prepared data set still holds: tables, annotations, splits, and every image's bytes.

Errors are what would make a training wrong or stop it; warnings are images that decode and yet may
show no steel.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from stripsight.data.inspection import ImageFacts, UnreadableImage, inspect_images
from stripsight.data.lookalikes.links import LINKS_FILE, check_links
from stripsight.data.prepared import KINDS, PreparedDataset, apply_reviews, read_tables
from stripsight.data.reconciliation import describe_missing
from stripsight.data.reviews.store import UNDONE
from stripsight.data.reviews.undoing import check_undone
from stripsight.data.rle import parse_runs
from stripsight.data.source import UNFINISHED, read_file
from stripsight.data.splits.leaks import describe_leaks, find_leaks
from stripsight.data.splits.store import PARTS, load_split
from stripsight.errors import DatasetError, RunLengthError, SplitError
from stripsight.reporting.quantities import format_quantity

_SHOWN = 20

logger = logging.getLogger(__name__)

ReportProgress = Callable[[int, int], None]
"""Called with the number of images done and the number in all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: `error` or `warning`, a word to count by, where, and what."""

    severity: str
    kind: str
    where: str
    message: str


@dataclass(frozen=True)
class CheckReport:
    """All findings on one data set."""

    root: str
    images: int
    annotations: int
    splits: int
    reviews: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """Findings that are errors."""
        return sum(1 for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> int:
        """Findings that are warnings."""
        return len(self.findings) - self.errors

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with every finding."""
        return {
            "root": self.root,
            "images": self.images,
            "annotations": self.annotations,
            "splits": self.splits,
            "reviews": self.reviews,
            "errors": self.errors,
            "warnings": self.warnings,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def format_text(self) -> str:
        """One line a finding, at most twenty of a kind."""
        lines: list[str] = []
        kinds = dict.fromkeys((f.severity, f.kind) for f in self.findings)
        for severity, kind in kinds:
            same = [f for f in self.findings if (f.severity, f.kind) == (severity, kind)]
            lines.extend(f"{severity}: {f.where}: {f.message}" for f in same[:_SHOWN])
            if len(same) > _SHOWN:
                lines.append(f"{severity}: ... and {len(same) - _SHOWN:,} more ({kind})")
        reviews = f", {format_quantity(self.reviews, 'review')}" if self.reviews else ""
        lines.append(
            f"{self.root}: {format_quantity(self.images, 'image')},"
            f" {format_quantity(self.annotations, 'annotation')} (one per image"
            f" and class), {format_quantity(self.splits, 'split file')}{reviews};"
            f" {format_quantity(self.errors, 'error')},"
            f" {format_quantity(self.warnings, 'warning')}"
        )
        return "\n".join(lines)


def check_dataset(
    root: Path,
    *,
    workers: int | None = None,
    report_progress: ReportProgress = lambda done, total: None,
) -> CheckReport:
    """Check a prepared data set.

    Args:
        root: its folder.
        workers: threads that decode; one per core if None.
        report_progress: called after each image.

    Raises:
        DatasetError: no prepared data set, or tables that cannot be read at all.
    """
    dataset, recorded_hash = read_tables(root)
    reviewed, review_findings = _lay_reviews_over(dataset, recorded_hash)
    split_names = sorted(path.stem for path in (root / "splits").glob("*.csv"))
    findings = [
        *_check_whole(dataset, recorded_hash),
        *_check_source(dataset),
        *_check_image_table(dataset),
        *_check_annotations(dataset),
        *(_error("look-alikes", LINKS_FILE, fault) for fault in check_links(dataset)),
        *review_findings,
        *(_error("review", UNDONE, fault) for fault in check_undone(root)),
        *_check_splits(reviewed, split_names),
        *_check_records(dataset),
    ]
    facts = inspect_images(list(dataset.images["file"]), _make_reader(dataset), workers=workers)
    rows = _rows(dataset.images)
    for done, (row, image) in enumerate(zip(rows, facts, strict=True), start=1):
        findings.extend(_check_image(row, image))
        report_progress(done, len(dataset.images))
    return CheckReport(
        root=str(root),
        images=len(dataset.images),
        annotations=len(reviewed.annotations),
        splits=len(split_names),
        reviews=len(reviewed.reviews),
        findings=tuple(findings),
    )


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    # pandas-stubs give every cell of a named row the union of all types there are.
    return iter(table.itertuples(index=False))


def _error(kind: str, where: object, message: str) -> Finding:
    return Finding("error", kind, str(where), message)


def _make_reader(dataset: PreparedDataset) -> Callable[[str, int], bytes]:
    def read(file: str, limit: int) -> bytes:
        return read_file(dataset.image_root / file, limit)

    return read


def _check_whole(dataset: PreparedDataset, recorded_hash: str) -> Iterator[Finding]:
    if (dataset.root / UNFINISHED).exists():
        message = "`data prepare` did not come to its end: run it again"
        yield _error("unfinished", dataset.root, message)
    if dataset.content_hash() != recorded_hash:
        message = "the tables do not match the content hash: prepare the data set again"
        yield _error("hash", "dataset.json", message)
    if dataset.images.empty:
        yield _error("images", "images.parquet", "it lists no image")


def _check_source(dataset: PreparedDataset) -> Iterator[Finding]:
    try:
        words = describe_missing(dataset.reconciliation)
    except DatasetError as error:
        yield _error("account", "dataset.json", str(error))
        return
    if words:
        message = f"{words}: was the archive whole? (`missing_images` in it names them)"
        yield Finding("warning", "missing images", "dataset.json", message)


def _lay_reviews_over(
    dataset: PreparedDataset, recorded_hash: str
) -> tuple[PreparedDataset, list[Finding]]:
    try:
        return apply_reviews(dataset, recorded_hash), []
    except DatasetError as error:
        return dataset, [_error("review", "reviews", str(error))]


def _check_image_table(dataset: PreparedDataset) -> Iterator[Finding]:
    images = dataset.images
    for column in ("id", "file"):
        for value in images.loc[images[column].duplicated(), column]:
            yield _error("image twice", value, f"this {column} stands in images.parquet twice")
    for row in _rows(images):
        path = PurePosixPath(str(row.file))
        if path.is_absolute() or ".." in path.parts:
            yield _error("image path", row.id, f"file {str(path)[:80]!r} leaves the image root")
        if row.height < 1 or row.width < 1:
            yield _error("image size", row.id, f"size {row.width}x{row.height} is recorded")
    first_of: dict[str, Any] = {}
    for row in _rows(images):
        first = first_of.setdefault(row.sha256, row)
        if first.duplicate_group != row.duplicate_group:
            message = f"identical to {first.id}, but in another duplicate group"
            yield _error("duplicate group", row.id, message)


def _check_annotations(dataset: PreparedDataset) -> Iterator[Finding]:
    sizes = {row.id: (int(row.height), int(row.width)) for row in _rows(dataset.images)}
    seen: set[tuple[str, int]] = set()
    for row in _rows(dataset.annotations):
        where = f"annotation of {row.image_id}, class {row.class_id}"
        if row.class_id not in dataset.classes.column_of:
            yield _error("unknown class", where, "the class is not in dataset.json")
        if (row.image_id, row.class_id) in seen:
            yield _error("annotation twice", where, "this pair stands in the table twice")
        seen.add((row.image_id, row.class_id))
        if row.image_id not in sizes:
            yield _error("unknown image", where, "the image is not in images.parquet")
        elif fault := _find_shape_fault(row, *sizes[row.image_id]):
            yield _error("shape", where, fault)


def _find_shape_fault(row: Any, height: int, width: int) -> str | None:
    if row.kind not in KINDS:
        return f"kind {str(row.kind)[:40]!r} is none of {', '.join(KINDS)}"
    if row.kind == "presence":
        drawn = not (pd.isna(row.rle) and pd.isna(row.area))
        return "a presence has neither mask nor area" if drawn else None
    if pd.isna(row.rle) or pd.isna(row.area):
        return f"a {row.kind} needs its mask and its area"
    try:
        runs, _ = parse_runs(row.rle, height, width)
    except RunLengthError as error:
        return str(error)
    area = int(runs[:, 1].sum())
    return None if area == row.area else f"area {row.area:,} is recorded, the mask has {area:,}"


def _check_splits(dataset: PreparedDataset, names: list[str]) -> Iterator[Finding]:
    older = 0
    for name in names:
        try:
            split = load_split(dataset, name, leaks="ignore", quiet=True)
            leaks = find_leaks(dataset, split)
        except (SplitError, DatasetError) as error:
            yield _error("split", f"splits/{name}.csv", str(error))
            continue
        older += split.dataset_hash not in (None, dataset.content_hash())
        if leaks:
            yield _error("leak", f"splits/{name}.csv", describe_leaks(dataset, split, leaks))
        for part in PARTS:
            if not split.ids(part):
                message = f"no image is in {part}: training and evaluation need all three parts"
                yield _error("empty part", f"splits/{name}.csv", message)
    if older:
        left_out = "; images that a review dropped are left out of them" * bool(dataset.dropped)
        logger.warning(
            "%d of %s were made before the data set last changed; their ids still fit%s",
            older,
            format_quantity(len(names), "split"),
            left_out,
        )


def _check_records(dataset: PreparedDataset) -> Iterator[Finding]:
    for path in sorted((dataset.root / "splits").glob("*.json")):
        if not path.with_suffix(".csv").exists():
            message = "a record without its table: `data split` did not come to its end, or the"
            yield _error("split", f"splits/{path.name}", f"{message} table was deleted")


def _check_image(row: Any, image: ImageFacts | UnreadableImage) -> Iterator[Finding]:
    if image.sha256 is not None and image.sha256 != row.sha256:
        yield _error("image changed", row.file, "its bytes are not those that were prepared")
    if isinstance(image, UnreadableImage):
        yield _error("image unreadable", row.file, image.reason)
        return
    if (image.height, image.width) != (row.height, row.width):
        message = f"{image.width}x{image.height} pixels, {row.width}x{row.height} are recorded"
        yield _error("image size", row.file, message)
    if image.suspicion:
        yield Finding("warning", "suspect image", row.file, image.suspicion)


def raise_on_errors(report: CheckReport) -> None:
    """Turn errors into a failure of the command.

    Raises:
        DatasetError: the report holds an error.
    """
    if report.errors:
        raise DatasetError(
            f"{report.root}: the check found {format_quantity(report.errors, 'error')}"
        )
