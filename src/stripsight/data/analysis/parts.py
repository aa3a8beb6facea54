"""A split seen from the data: what each part holds, what crosses it, where its parts differ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stripsight.data.prepared import PreparedDataset
from stripsight.data.shift.comparison import COMPARED, compare_statistic, join_groups
from stripsight.data.shift.stability import MODERATE, Stability, choose_bin_count, compute_psi
from stripsight.data.splits.balance import Balance, measure_balance
from stripsight.data.splits.choice import DEFAULT_SPLIT
from stripsight.data.splits.leaks import Leak, find_leaks
from stripsight.data.splits.listing import list_splits
from stripsight.data.splits.partition import Split
from stripsight.data.splits.store import load_split
from stripsight.data.splits.stratify import PARTS


@dataclass(frozen=True)
class Shift:
    """A measure that two parts do not share, as `data compare` finds it.

    Attributes:
        measure: column of the statistics.
        first: part.
        second: part.
        stability: PSI of the second part against the first, and what chance alone reaches.
        medians: of the first and the second part; None where no image has a value.
    """

    measure: str
    first: str
    second: str
    stability: Stability
    medians: tuple[float | None, float | None]


@dataclass(frozen=True)
class Parts:
    """A split as it lies over the data set.

    Attributes:
        split: the split.
        balance: how even its parts are; None where no image is labelled.
        leaks: one for each group of look-alikes that crosses it.
        shifts: measures that differ beyond chance, the largest PSI first.
    """

    split: Split
    balance: Balance | None
    leaks: tuple[Leak, ...]
    shifts: tuple[Shift, ...]

    @property
    def test_share(self) -> float:
        """Images of the test part over all."""
        return len(self.split.ids("test")) / max(1, len(self.split.assignment))


def find_split_name(dataset: PreparedDataset) -> str | None:
    """The split to show where none is named: `holdout`, else the first stored one."""
    names = list_splits(dataset.root)
    return DEFAULT_SPLIT if DEFAULT_SPLIT in names else next(iter(names), None)


def describe_parts(dataset: PreparedDataset, name: str, statistics: pd.DataFrame) -> Parts:
    """Read a split, leaks and all, and compare its parts.

    Raises:
        SplitError: it does not exist or does not fit the data set.
        DatasetError: the stored links are damaged.
    """
    split = load_split(dataset, name, leaks="ignore")
    table = dataset.labelled_images
    assigned = [split.assignment.get(image_id) for image_id in table["id"]]
    known = np.array([part is not None for part in assigned], dtype=bool)
    where = np.array([part for part in assigned if part is not None], dtype=str)
    present = [part for part in PARTS if (where == part).any()]
    balance = (
        measure_balance(
            dataset.label_matrix()[known],
            where,
            class_names=dataset.classes.names,
            part_names=present,
        )
        if present
        else None
    )
    return Parts(
        split, balance, find_leaks(dataset, split), find_shifts(dataset, split, statistics)
    )


def find_shifts(
    dataset: PreparedDataset, split: Split, statistics: pd.DataFrame
) -> tuple[Shift, ...]:
    """Measures that differ between training and another part beyond chance.

    Judged as `data compare` judges them: PSI, with look-alikes shuffled together.

    Args:
        dataset: with the groups that follow from its links.
        split: of it.
        statistics: one row an image that can be read.
    """
    table = dataset.images.merge(statistics.drop(columns="sha256"), on="id", how="inner")
    where = np.array([split.assignment.get(i, "") for i in table["id"]], dtype=str)
    in_train = np.flatnonzero(where == "train")
    shifts = []
    for part in PARTS[1:]:
        in_part = np.flatnonzero(where == part)
        if not len(in_train) or not len(in_part):
            continue
        rows = np.concatenate([in_train, in_part])
        both = table.iloc[rows]
        is_b = np.arange(len(rows)) >= len(in_train)
        groups = join_groups([str(g) for g in both["duplicate_group"]], both["sha256"].tolist())
        bins = choose_bin_count(len(in_train), len(in_part))
        for name in COMPARED:
            values = both[name].to_numpy(np.float64, na_value=np.nan)
            known = np.nan_to_num(values, nan=0.0)
            if compute_psi(known[~is_b], known[is_b], bins) < MODERATE:
                continue  # whatever chance reaches, so it need not be asked
            found = compare_statistic(name, values, is_b, groups)
            if found.stability.verdict in ("moderate", "large"):
                shifts.append(Shift(name, "train", part, found.stability, found.medians))
    return tuple(sorted(shifts, key=lambda s: -s.stability.psi))
