"""A split seen from the data: what each part holds, what crosses it, where its parts differ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from stripsight.data.analysis.appearance import MEASURES
from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.balance import Balance, measure_balance
from stripsight.data.splits.leaks import Leak, find_leaks
from stripsight.data.splits.partition import Split
from stripsight.data.splits.store import load_split
from stripsight.data.splits.stratify import PARTS

DEFAULT_SPLIT = "holdout"
_FEWEST = 20
_LEAST_DISTANCE = 0.1
_LARGEST_CHANCE = 0.001


@dataclass(frozen=True)
class Shift:
    """A measure that two parts do not share.

    Attributes:
        measure: column of the statistics.
        first: part.
        second: part.
        distance: largest gap of the two cumulative distributions, 0 to 1 (two-sample
            Kolmogorov-Smirnov).
        medians: of the first and the second part.
    """

    measure: str
    first: str
    second: str
    distance: float
    medians: tuple[float, float]


@dataclass(frozen=True)
class Parts:
    """A split as it lies over the data set.

    Attributes:
        split: the split.
        balance: how even its parts are; None where no image is labelled.
        leaks: one for each group of look-alikes that crosses it.
        shifts: the largest of each measure that differs.
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
    names = sorted(path.stem for path in (dataset.root / "splits").glob("*.csv"))
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
    return Parts(split, balance, find_leaks(dataset, split), find_shifts(split, statistics))


def find_shifts(split: Split, statistics: pd.DataFrame) -> tuple[Shift, ...]:
    """Measures whose distributions differ between training and another part beyond chance.

    Named are a distance of 0.1 or more that chance gives at most once in a thousand times; parts of
    fewer than 20 images are not compared.
    """
    where = np.array([split.assignment.get(i, "") for i in statistics["id"]], dtype=str)
    shifts = []
    for measure in MEASURES:
        values = statistics[measure.column].to_numpy(np.float64)
        train = values[where == "train"]
        found = []
        for part in ("validation", "test"):
            other = values[where == part]
            if min(len(train), len(other)) < _FEWEST:
                continue
            result = ks_2samp(train, other, method="asymp")
            if result.statistic >= _LEAST_DISTANCE and result.pvalue <= _LARGEST_CHANCE:
                medians = (float(np.median(train)), float(np.median(other)))
                shift = Shift(measure.column, "train", part, float(result.statistic), medians)
                found.append(shift)
        shifts += sorted(found, key=lambda s: -s.distance)[:1]
    return tuple(sorted(shifts, key=lambda s: -s.distance))
