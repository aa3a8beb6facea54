"""The two files of a stored split, from bytes and to bytes.

Whether a split fits its data set is `store.py`'s business.
"""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.partition import GIVEN, By, Fold, Split, check_name, describe_split
from stripsight.data.splits.stratify import MIN_FOLDS, PARTS, check_fractions
from stripsight.errors import SplitError

SCHEMA_VERSION = 1
_HEADER = ["id", "split"]


def format_record(dataset: PreparedDataset, split: Split) -> bytes:
    """The record of a split as JSON."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "name": split.name,
        "scheme": split.scheme,
        "by": split.by,
        "seed": split.seed,
        "fractions": None if split.fractions is None else list(split.fractions),
        "fold": None if split.fold is None else asdict(split.fold),
        "dataset_hash": split.dataset_hash,
        "split_hash": split.hash,
        "counts": {part: asdict(c) for part, c in describe_split(dataset, split).items()},
    }
    return (json.dumps(record, indent=2) + "\n").encode()


def format_table(split: Split) -> bytes:
    """The table of a split as CSV, sorted by id."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(sorted(split.assignment.items()))
    return table.getvalue().encode()


def parse_split(path: Path, record: dict[str, Any], assignment: dict[str, str]) -> Split:
    """The split of a record, read from `path`, and a table; an empty record is one by hand.

    Raises:
        SplitError: the record is damaged.
    """
    try:
        by = record.get("by", "group")
        if by not in ("group", "random"):
            raise ValueError(f"by {str(by)[:40]!r}")
        seed, dataset_hash = record.get("seed"), record.get("dataset_hash")
        return Split(
            name=path.stem,
            seed=None if seed is None else _check_count("seed", seed, 0),
            fractions=_parse_fractions(record.get("fractions")),
            scheme=_check_text("scheme", record.get("scheme", GIVEN)),
            assignment=assignment,
            dataset_hash=None if dataset_hash is None else _check_text("hash", dataset_hash),
            by=cast(By, by),
            fold=_parse_fold(record.get("fold")),
        )
    except (TypeError, ValueError, LookupError, SplitError) as error:
        raise SplitError(f"{path} is damaged ({error}): make the split again") from error


def _parse_fractions(value: Any) -> tuple[float, float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or any(type(share) not in (int, float) for share in value):
        raise ValueError("its fractions are no list of numbers")
    train, validation, test = check_fractions(value).tolist()
    return train, validation, test


def _parse_fold(value: Any) -> Fold | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"of", "number", "count", "set_hash"}:
        raise ValueError("its fold is none")
    of, count = _check_text("fold", value["of"]), _check_count("count", value["count"], MIN_FOLDS)
    number = _check_count("number", value["number"], 1)
    check_name(of)
    if number > count:
        raise ValueError(f"fold {number} of {count}")
    return Fold(of, number, count, _check_text("hash", value["set_hash"]))


def _check_count(what: str, value: object, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"its {what} is no number from {least} on")
    return value


def _check_text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its {what} is no text")
    return value


def read_table(path: Path, record: dict[str, Any]) -> dict[str, str]:
    """Part of each image id.

    Raises:
        SplitError: absent, unreadable, or a row that is none.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True))
    except FileNotFoundError as error:
        if record.get("fold"):
            raise SplitError(
                f"split {path.stem!r} was not written to its end ({path} is missing): make its set"
                " of folds again with --force"
            ) from error
        raise SplitError(
            f"split {path.stem!r} does not exist ({path}): `stripsight data split` makes one"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SplitError(f"{path} cannot be read: {error}") from error
    if not rows or rows[0] != _HEADER:
        raise SplitError(f"{path}: the first line must be `id,split`")
    assignment: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue  # a blank line, as editors leave at the end
        if len(row) != len(_HEADER):
            raise SplitError(f"{path}, line {number}: {len(row)} cells, 2 are expected")
        image_id, part = row
        if part not in PARTS:
            raise SplitError(
                f"{path}, line {number}: image {image_id!r} is in part {part!r};"
                f" choose {', '.join(PARTS)}"
            )
        if image_id in assignment:
            raise SplitError(f"{path}, line {number}: image {image_id!r} is listed twice")
        assignment[image_id] = part
    return assignment


def read_record(path: Path) -> dict[str, Any]:
    """The record of a split as it stands, empty where there is none.

    Raises:
        SplitError: damaged, or of a newer StripSight.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise SplitError(f"{path} is damaged ({error}): make the split again") from error
    if not isinstance(record, dict) or not record:
        raise SplitError(f"{path} is damaged (an object is expected): make the split again")
    version = record.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise SplitError(
            f"{path} has schema version {json.dumps(version)[:40]}, this StripSight reads up to"
            f" {SCHEMA_VERSION}: make the split again"
        )
    return record


def find_set(path: Path) -> str | None:
    """The set of folds that the record at `path` names; None where it names none."""
    try:
        fold = read_record(path).get("fold")
    except SplitError:
        return None
    return str(fold["of"]) if isinstance(fold, dict) and "of" in fold else None
