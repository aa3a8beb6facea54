"""Named splits of a prepared data set: made once, stored beside it, checked whenever read.

    splits/<name>.csv     id,split with split one of train, validation, test
    splits/<name>.json    schema version, scheme, by, seed, fractions, fold, hashes, counts; absent
                          for a split that somebody wrote by hand

The folds of a cross-validation are one set: they are written all or none, and a fold whose set is
not whole is refused.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from stripsight.atomic import name_in_errors, name_own_temporary
from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.balance import PartCounts
from stripsight.data.splits.files import (
    find_set,
    format_record,
    format_table,
    parse_split,
    read_record,
    read_table,
)
from stripsight.data.splits.leaks import find_leaks, summarise_leaks
from stripsight.data.splits.partition import (
    Fold,
    Split,
    check_name,
    classes_without_positives,
    describe_split,
    make_folds,
    make_split,
)
from stripsight.data.splits.stratify import PARTS
from stripsight.errors import SplitError, UsageError
from stripsight.reporting.quantities import format_quantity

__all__ = [
    "PARTS",
    "Fold",
    "PartCounts",
    "Split",
    "check_unused",
    "classes_without_positives",
    "describe_split",
    "is_stored",
    "load_split",
    "make_folds",
    "make_split",
    "save_split",
    "save_splits",
]

logger = logging.getLogger(__name__)


def save_split(dataset: PreparedDataset, split: Split) -> Path:
    """Write one split beside its data set, in place of one of its name; returns the CSV's path.

    Raises:
        As `save_splits`.
    """
    return save_splits(dataset, [split])[0]


def save_splits(dataset: PreparedDataset, splits: Sequence[Split]) -> tuple[Path, ...]:
    """Write splits beside their data set, all or none, in place of those of their names.

    Of a set of folds that is replaced by fewer, the rest go as well. Killed half-way, this leaves
    what `load_split` refuses until the same is written again.

    Raises:
        SplitError: one does not fit the data set.
        OSError: the disk is full or read-only; what was there before is intact.
    """
    files: dict[Path, bytes] = {}
    folder = dataset.root / "splits"
    for split in splits:
        check_name(split.name)
        _check_fit(dataset, split)
        files[folder / f"{split.name}.json"] = format_record(dataset, split)
    for split in splits:
        files[folder / f"{split.name}.csv"] = format_table(split)
    folder.mkdir(parents=True, exist_ok=True)
    temporaries = {path: name_own_temporary(path) for path in files}
    try:
        for path, data in files.items():
            temporary = temporaries[path]
            with name_in_errors(path, temporary), temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        _replace(temporaries, _find_leftover(folder, splits))
    except BaseException:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        raise
    return tuple(folder / f"{split.name}.csv" for split in splits)


def is_stored(dataset: PreparedDataset, name: str) -> bool:
    """Whether a split of that name is there, or the record of a fold whose table is not.

    Raises:
        SplitError: an unusable name, or a damaged record.
    """
    check_name(name)
    path = dataset.root / "splits" / f"{name}.csv"
    return path.exists() or bool(read_record(path.with_suffix(".json")).get("fold"))


def check_unused(
    dataset: PreparedDataset, names: Sequence[str], *, of: str | None = None, force: bool
) -> None:
    """Refuse names that are taken: without `force` all, with it those of other sets' folds.

    Args:
        dataset: beside which the splits will lie.
        names: of the splits.
        of: the set that they are the folds of; None for a split that stands alone.
        force: the splits of these names are to be replaced.

    Raises:
        SplitError: an unusable name.
        UsageError: a name is taken.
    """
    for name in names:
        check_name(name)
        path = dataset.root / "splits" / f"{name}.csv"
        record_path = path.with_suffix(".json")
        if (path.exists() or record_path.exists()) and not force:
            raise UsageError(
                f"split {name!r} exists ({path}): choose another --name, or replace it with"
                " --force (runs that were made on it can then no longer be judged)"
            )
        other = find_set(record_path)
        if other not in (None, of):
            raise UsageError(
                f"split {name!r} is a fold of the set {other!r}, which would not be whole"
                " without it: choose another --name"
            )


def load_split(
    dataset: PreparedDataset,
    name: str,
    *,
    leaks: Literal["refuse", "warn", "ignore"] = "refuse",
    quiet: bool = False,
) -> Split:
    """Read a stored split and check it against its data set.

    Images that a review has dropped since it was made are left out, with one warning line.

    Args:
        dataset: it was made for.
        name: of the split.
        leaks: what to do where look-alikes lie in two parts: `refuse`, unless the split was made
            by random, which says so in one warning line; `warn` says so of any; `ignore`.
        quiet: say nothing of images left out, nor that the data set changed since.

    Raises:
        SplitError: absent or damaged; an id that is unknown, unlabelled, twice or missing; a part
            that does not exist; look-alikes in two parts; changed after it was made; a fold whose
            set is not whole.
    """
    check_name(name)
    path = dataset.root / "splits" / f"{name}.csv"
    record = read_record(path.with_suffix(".json"))
    stored = parse_split(path.with_suffix(".json"), record, read_table(path, record))
    if stored.fold is not None:
        _check_set(path.parent, stored.fold)
    split = _leave_out_dropped(dataset, stored, quiet=quiet)
    _check_fit(dataset, split)
    if record and record.get("split_hash") != stored.hash:
        remedy = f"make it again, or delete {path.with_suffix('.json').name} to use it as your own"
        if stored.fold:
            remedy = f"make all folds of {stored.fold.of!r} again with --force"
        raise SplitError(
            f"{path} was changed after it was made, or not written to its end: {remedy}"
        )
    if not quiet and split.dataset_hash not in (None, dataset.content_hash()):
        logger.warning(
            "split %r was made before the data set last changed; its ids still fit", name
        )
    if leaks != "ignore":
        _mind_leaks(dataset, split, refuse=leaks == "refuse")
    return split


def _leave_out_dropped(dataset: PreparedDataset, split: Split, *, quiet: bool) -> Split:
    """The split without the images that a review has taken out since; one line says how many."""
    left_out = dataset.dropped & split.assignment.keys()
    if not left_out:
        return split
    if not quiet:
        logger.warning(
            "split %r: %s left out, dropped by a review",
            split.name,
            format_quantity(len(left_out), "image"),
        )
    kept = {name: part for name, part in split.assignment.items() if name not in left_out}
    return replace(split, assignment=kept)


def _mind_leaks(dataset: PreparedDataset, split: Split, *, refuse: bool) -> None:
    found = find_leaks(dataset, split)
    if found and split.by == "random":
        logger.warning(
            "split %s: %s of look-alikes on two sides, so its figures look better than they are",
            split.title,
            format_quantity(len(found), "group"),
        )
    elif found and refuse:
        raise SplitError(summarise_leaks(dataset, split, found))
    elif found:
        logger.warning("%s", summarise_leaks(dataset, split, found))


def _find_leftover(folder: Path, splits: Sequence[Split]) -> list[Path]:
    """Tables of older folds of the same sets that none of `splits` takes the place of."""
    names: set[str] = set()
    for of in {split.fold.of for split in splits if split.fold}:
        names |= {path.stem for path in folder.glob(f"{of}-*.json") if find_set(path) == of}
    return [folder / f"{name}.csv" for name in sorted(names - {split.name for split in splits})]


def _replace(temporaries: dict[Path, Path], leftover: Sequence[Path]) -> None:
    """Put records and tables in their places, so that a half-done set is refused at every step.

    An older set lacks its leftover tables first; then its tables do not fit the new records; then
    they are gone, until all new ones are there. A table never lies there without its record, as one
    by hand does.
    """
    records = [path for path in temporaries if path.suffix == ".json"]
    tables = [path for path in temporaries if path.suffix == ".csv"]
    for path in leftover:
        path.unlink(missing_ok=True)
    for path in records:
        temporaries[path].replace(path)
    for path in tables:
        path.unlink(missing_ok=True)
    for path in tables:
        temporaries[path].replace(path)
    for path in leftover:
        path.with_suffix(".json").unlink(missing_ok=True)


def _check_set(folder: Path, fold: Fold) -> None:
    for number in range(1, fold.count + 1):
        path = folder / f"{fold.of}-{number}.csv"
        other = read_record(path.with_suffix(".json")).get("fold")
        belongs = isinstance(other, dict) and other.get("set_hash") == fold.set_hash
        if not path.exists() or not belongs:
            raise SplitError(
                f"the {fold.count} folds {fold.of!r} are not whole (fold {number}, {path}, is not"
                " there or not of the set): make them again with --force"
            )


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
