"""Named splits of a prepared data set: made once, stored beside it, checked whenever read.

    splits/<name>.csv     id,split with split one of train, validation, test
    splits/<name>.json    seed, fractions, scheme, data-set hash, counts; absent for a split that
                          somebody wrote by hand

Which image goes where is `stratify.py`'s business.
"""

import csv
import hashlib
import io
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stripsight.atomic import write_atomically
from stripsight.data.prepared import PreparedDataset
from stripsight.data.stratify import PARTS, check_fractions, make_holdout_split
from stripsight.errors import SplitError

__all__ = [
    "PARTS",
    "PartCounts",
    "Split",
    "classes_without_positives",
    "describe_split",
    "load_split",
    "make_holdout_split",
    "make_split",
    "save_split",
]

logger = logging.getLogger(__name__)

_HEADER = ["id", "split"]


@dataclass(frozen=True)
class Split:
    """Which labelled image belongs to which part.

    Attributes:
        name: of the file.
        seed: it was made with; None when somebody wrote it by hand.
        fractions: of train, validation and test that were asked for; None likewise.
        scheme: how it was made, `stratified-group-holdout` or `given`.
        assignment: part of each image id, every labelled image once.
        dataset_hash: content hash of the data set it was made for; None when not recorded.
    """

    name: str
    seed: int | None
    fractions: tuple[float, float, float] | None
    scheme: str
    assignment: dict[str, str]
    dataset_hash: str | None

    @property
    def hash(self) -> str:
        """sha256 over ids and parts: the same for the same split, however it came about."""
        rows = sorted(self.assignment.items())
        return hashlib.sha256("".join(f"{i}\t{p}\n" for i, p in rows).encode()).hexdigest()

    def ids(self, part: str) -> list[str]:
        """Ids of one part, sorted.

        Raises:
            SplitError: `part` is no part.
        """
        if part not in PARTS:
            raise SplitError(f"part {part!r} does not exist: choose {', '.join(PARTS)}")
        return sorted(name for name, where in self.assignment.items() if where == part)


@dataclass(frozen=True)
class PartCounts:
    """What one part of a split holds: images, images without defect, images per class name."""

    images: int
    clean: int
    classes: dict[str, int]


def make_split(
    dataset: PreparedDataset, name: str, *, fractions: Sequence[float], seed: int
) -> Split:
    """A stratified holdout of the labelled images; look-alikes stay on one side.

    Raises:
        SplitError: see `make_holdout_split`, or an unusable name.
    """
    _check_name(name)
    shares = check_fractions(fractions)
    table = dataset.labelled_images
    parts = make_holdout_split(
        dataset.label_matrix(),
        table["duplicate_group"].to_numpy(dtype=np.int64),
        fractions=shares.tolist(),
        seed=seed,
    )
    return Split(
        name=name,
        seed=seed,
        fractions=(float(shares[0]), float(shares[1]), float(shares[2])),
        scheme="stratified-group-holdout",
        assignment={str(i): str(p) for i, p in zip(table["id"], parts, strict=True)},
        dataset_hash=dataset.content_hash(),
    )


def describe_split(dataset: PreparedDataset, split: Split) -> dict[str, PartCounts]:
    """Counts per part, in the order train, validation, test."""
    labels = dataset.label_matrix()
    parts = np.array([split.assignment[name] for name in dataset.labelled_images["id"]])
    return {
        part: PartCounts(
            images=int((parts == part).sum()),
            clean=int((labels[parts == part].sum(axis=1) == 0).sum()),
            classes=dict(
                zip(dataset.classes.names, labels[parts == part].sum(axis=0).tolist(), strict=True)
            ),
        )
        for part in PARTS
    }


def classes_without_positives(dataset: PreparedDataset, split: Split, part: str) -> tuple[str, ...]:
    """Names of the classes that no image of `part` carries.

    Raises:
        SplitError: `part` is no part.
    """
    split.ids(part)
    counts = describe_split(dataset, split)[part].classes
    return tuple(name for name, count in counts.items() if count == 0)


def save_split(dataset: PreparedDataset, split: Split) -> Path:
    """Write a split beside its data set and return the CSV's path.

    Raises:
        SplitError: it does not fit the data set.
        OSError: the disk is full or read-only; nothing is half-written.
    """
    _check_name(split.name)
    _check_fit(dataset, split)
    folder = dataset.root / "splits"
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "name": split.name,
        "scheme": split.scheme,
        "seed": split.seed,
        "fractions": None if split.fractions is None else list(split.fractions),
        "dataset_hash": split.dataset_hash,
        "split_hash": split.hash,
        "counts": {
            part: {"images": c.images, "clean": c.clean, "classes": c.classes}
            for part, c in describe_split(dataset, split).items()
        },
    }
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(sorted(split.assignment.items()))
    # A full disk fails here, with the older split intact. What comes later can only leave a CSV
    # without its record, which is a split like one written by hand.
    write_atomically(folder / f"{split.name}.csv", table.getvalue().encode())
    record_path = folder / f"{split.name}.json"
    record_path.unlink(missing_ok=True)
    write_atomically(record_path, (json.dumps(record, indent=2) + "\n").encode())
    return folder / f"{split.name}.csv"


def load_split(dataset: PreparedDataset, name: str) -> Split:
    """Read a stored split and check it against its data set.

    Raises:
        SplitError: absent or damaged; an id that is unknown, unlabelled, twice or missing; a part
            that does not exist; look-alikes in two parts; changed after it was made.
    """
    _check_name(name)
    path = dataset.root / "splits" / f"{name}.csv"
    assignment = _read_assignment(path)
    record = _read_record(path.with_suffix(".json"))
    try:
        fractions = record.get("fractions")
        split = Split(
            name=name,
            seed=None if record.get("seed") is None else int(record["seed"]),
            fractions=None if fractions is None else (fractions[0], fractions[1], fractions[2]),
            scheme=str(record.get("scheme", "given")),
            assignment=assignment,
            dataset_hash=record.get("dataset_hash"),
        )
    except (TypeError, ValueError, OverflowError, LookupError) as error:
        raise SplitError(
            f"{path.with_suffix('.json')} is damaged ({error!r}): make the split again"
        ) from error
    _check_fit(dataset, split)
    if record and record.get("split_hash") != split.hash:
        raise SplitError(
            f"{path} was changed after it was made: make it again,"
            f" or delete {path.with_suffix('.json').name} to use it as your own"
        )
    if split.dataset_hash not in (None, dataset.content_hash()):
        logger.warning(
            "split %r was made before the data set last changed; its ids still fit", name
        )
    return split


def _read_assignment(path: Path) -> dict[str, str]:
    try:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True))
    except FileNotFoundError as error:
        raise SplitError(
            f"split {path.stem!r} does not exist ({path}): `stripsight train` makes and stores one"
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


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise SplitError(f"{path} is damaged ({error}): make the split again") from error
    if not isinstance(record, dict) or not record:
        raise SplitError(f"{path} is damaged (an object is expected): make the split again")
    return record


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name, re.ASCII):
        raise SplitError(f"split name {name!r}: use letters, digits, dot, dash and underscore only")


def _check_fit(dataset: PreparedDataset, split: Split) -> None:
    table = dataset.labelled_images
    labelled = {str(name) for name in table["id"]}
    strange = [name for name in split.assignment if name not in labelled]
    if strange:
        known = bool((dataset.images["id"] == strange[0]).any())
        why = "has no known labels" if known else "is not in the data set"
        raise SplitError(f"split {split.name!r}: image {strange[0]!r} {why}")
    absent = sorted(labelled - split.assignment.keys())
    if absent:
        raise SplitError(
            f"split {split.name!r} lacks {len(absent)} labelled images, the first is {absent[0]!r}:"
            " make it again"
        )
    first_of_group: dict[int, str] = {}
    for name, group in zip(table["id"], table["duplicate_group"], strict=True):
        first = first_of_group.setdefault(int(group), str(name)) if group >= 0 else str(name)
        if split.assignment[first] != split.assignment[str(name)]:
            raise SplitError(
                f"split {split.name!r} puts the look-alike images {first!r} and {name!r}"
                f" into {split.assignment[first]} and {split.assignment[str(name)]}:"
                " they must stay together"
            )
