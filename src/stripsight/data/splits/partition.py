"""A split in memory: which labelled image belongs to which part, and how that was decided.

How splits are stored and read is `store.py`'s business, how even they are `balance.py`'s, which
image goes where `stratify.py`'s.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.balance import PartCounts, count_part
from stripsight.data.splits.stratify import (
    PARTS,
    check_fractions,
    make_fold_numbers,
    make_holdout_split,
    share_equally,
    shuffle_parts,
)
from stripsight.errors import SplitError

By = Literal["group", "random"]
GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Fold:
    """Which fold a split is: `number` from 1 to `count` of the set named `of`.

    `set_hash` is the same for all folds of one set and tells them from another's.
    """

    of: str
    number: int
    count: int
    set_hash: str


@dataclass(frozen=True)
class Split:
    """Which labelled image belongs to which part.

    Attributes:
        name: of the file.
        seed: it was made with; None when somebody wrote it by hand.
        fractions: of train, validation and test that were asked for; None likewise.
        scheme: how it was made: `stratified-group-holdout`, `stratified-group-kfold`,
            `random-holdout`, `random-kfold` (a plain shuffle of the images) or `given`.
        assignment: part of each image id, every labelled image once.
        dataset_hash: content hash of the data set it was made for; None when not recorded.
        by: `group` keeps look-alikes on one side, `random` does not.
        fold: which of a set of folds it is; None for a split that stands alone.
    """

    name: str
    seed: int | None
    fractions: tuple[float, float, float] | None
    scheme: str
    assignment: dict[str, str]
    dataset_hash: str | None
    by: By = "group"
    fold: Fold | None = None

    @property
    def hash(self) -> str:
        """sha256 over ids and parts: the same for the same split, however it came about."""
        return _hash_rows(self.assignment.items())

    @property
    def title(self) -> str:
        """Name and making in words, for whatever shows a figure of it."""
        fold = f"fold {self.fold.number} of {self.fold.count}, " if self.fold else ""
        if self.by == "random":
            return f"{self.name} ({fold}BY RANDOM, look-alikes not kept together)"
        return f"{self.name} ({fold}{'written by hand' if self.scheme == GIVEN else 'by group'})"

    def ids(self, part: str) -> list[str]:
        """Ids of one part, sorted.

        Raises:
            SplitError: `part` is no part.
        """
        if part not in PARTS:
            raise SplitError(f"part {part!r} does not exist: choose {', '.join(PARTS)}")
        return sorted(name for name, where in self.assignment.items() if where == part)


def make_split(
    dataset: PreparedDataset,
    name: str,
    *,
    fractions: Sequence[float],
    seed: int,
    by: By = "group",
) -> Split:
    """A holdout of the labelled images; the order of the tables' rows changes nothing.

    Args:
        dataset: whose `duplicate_group` stay whole.
        name: of the split.
        fractions: of train, validation and test.
        seed: of the choice among equals, or of the shuffle.
        by: `group` stratifies over classes and label sets with look-alikes on one side; `random` is
            a plain shuffle of the images, not stratified, for comparison with others' numbers.

    Raises:
        SplitError: an unusable name; see `make_holdout_split`.
    """
    check_name(name)
    shares = check_fractions(fractions)
    ids, labels, groups = _read_rows(dataset)
    if by == "random":
        parts = np.array(PARTS)[shuffle_parts(len(ids), shares, seed=seed)]
    else:
        parts = make_holdout_split(labels, groups, fractions=shares.tolist(), seed=seed)
    return Split(
        name=name,
        seed=seed,
        fractions=(float(shares[0]), float(shares[1]), float(shares[2])),
        scheme="random-holdout" if by == "random" else "stratified-group-holdout",
        assignment=dict(zip(ids, parts.tolist(), strict=True)),
        dataset_hash=dataset.content_hash(),
        by=by,
    )


def make_folds(
    dataset: PreparedDataset, name: str, *, folds: int, seed: int, by: By = "group"
) -> tuple[Split, ...]:
    """Cross-validation: `folds` splits `name`-1, `name`-2, ... over equal parts.

    In fold i, part i is test, the next part (after the last, the first) validation, and the rest
    train. So every image is once in test, and thresholds fitted on validation never see it.

    Args:
        dataset: whose `duplicate_group` stay whole.
        name: of the set.
        folds: at least 3.
        seed: as for `make_split`.
        by: as for `make_split`.

    Raises:
        SplitError: an unusable name; see `make_fold_numbers`.
    """
    check_name(f"{name}-{folds}")
    shares = share_equally(folds)
    ids, labels, groups = _read_rows(dataset)
    if by == "random":
        numbers = shuffle_parts(len(ids), shares, seed=seed)
    else:
        numbers = make_fold_numbers(labels, groups, folds=folds, seed=seed)
    set_hash = _hash_rows(zip(ids, map(str, numbers.tolist()), strict=True))
    content_hash = dataset.content_hash()
    # Where a part lies as seen from the fold: 0 itself, 1 the next, anything else the rest.
    roles = np.array(["test", "validation", *["train"] * (folds - 2)])
    return tuple(
        Split(
            name=f"{name}-{number}",
            seed=seed,
            fractions=((folds - 2) / folds, 1 / folds, 1 / folds),
            scheme="random-kfold" if by == "random" else "stratified-group-kfold",
            assignment=dict(zip(ids, roles[(numbers - number + 1) % folds].tolist(), strict=True)),
            dataset_hash=content_hash,
            by=by,
            fold=Fold(of=name, number=number, count=folds, set_hash=set_hash),
        )
        for number in range(1, folds + 1)
    )


def describe_split(dataset: PreparedDataset, split: Split) -> dict[str, PartCounts]:
    """Counts per part, in the order train, validation, test."""
    labels = dataset.label_matrix()
    parts = np.array([split.assignment[name] for name in dataset.labelled_images["id"]])
    return {part: count_part(labels[parts == part], dataset.classes.names) for part in PARTS}


def classes_without_positives(dataset: PreparedDataset, split: Split, part: str) -> tuple[str, ...]:
    """Names of the classes that no image of `part` carries.

    Raises:
        SplitError: `part` is no part.
    """
    split.ids(part)
    counts = describe_split(dataset, split)[part].classes
    return tuple(name for name, count in counts.items() if count == 0)


def check_name(name: str) -> None:
    """Refuse a split name that is no plain file name.

    Raises:
        SplitError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name, re.ASCII):
        raise SplitError(f"split name {name!r}: use letters, digits, dot, dash and underscore only")


def _read_rows(
    dataset: PreparedDataset,
) -> tuple[list[str], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Ids of the labelled images, sorted; labels `[N, C]`; groups `[N]`, numbered by first image.

    So neither the order of the rows nor how the groups happen to be numbered has a part in a split.
    """
    table = dataset.labelled_images
    ids = [str(name) for name in table["id"]]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    own = table["duplicate_group"].to_numpy(dtype=np.int64)
    numbers: dict[int, int] = {}
    groups = [
        numbers.setdefault(int(own[row]) if own[row] >= 0 else -1 - row, len(numbers))
        for row in order
    ]
    return (
        [ids[row] for row in order],
        dataset.label_matrix()[order],
        np.array(groups, dtype=np.int64),
    )


def _hash_rows(rows: Iterable[tuple[str, str]]) -> str:
    return hashlib.sha256("".join(f"{i}\t{p}\n" for i, p in sorted(rows)).encode()).hexdigest()
