"""What a user wants to know of splits just made: how even they are, and whether anything leaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.balance import Balance, Deviation, measure_balance
from stripsight.data.splits.partition import Split, describe_split
from stripsight.data.splits.stratify import PARTS
from stripsight.reporting.quantities import format_quantity

_FEWEST = 5
"""Images of a class in a part, below which a single image moves recall by more than a fifth."""


@dataclass(frozen=True)
class SplitReport:
    """One split, or the folds of one set.

    Attributes:
        splits: as stored.
        balance: over train, validation and test, or over the folds' test parts.
        unlabelled: images of the data set that are in no part, their labels not being known.
        groups: of labelled images; an image without look-alikes is a group by itself.
        large_groups: those of several images.
        largest_group: images in the largest.
        crossing: groups that lie in more than one part, or in more than one fold's test part.
        searched: whether look-alikes were searched; else only identical files form groups.
        absent: for each class that is absent somewhere, where: (split name, part).
        scarce: likewise where it is on fewer than 5 images, and on how many: (split, part, count).
    """

    splits: tuple[Split, ...]
    balance: Balance
    unlabelled: int
    groups: int
    large_groups: int
    largest_group: int
    crossing: int
    searched: bool
    absent: dict[str, tuple[tuple[str, str], ...]]
    scarce: dict[str, tuple[tuple[str, str, int], ...]]

    @property
    def title(self) -> str:
        """Name and making in words."""
        first = self.splits[0]
        if first.fold is None:
            return first.title
        how = "by group" if first.by == "group" else "BY RANDOM"
        return f"{first.fold.of} ({first.fold.count} folds {how}; below, the test part of each)"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        first = self.splits[0]
        return {
            "scheme": first.scheme,
            "by": first.by,
            "seed": first.seed,
            "splits": [
                {
                    "name": split.name,
                    "title": split.title,
                    "hash": split.hash,
                    "images": {part: len(split.ids(part)) for part in PARTS},
                }
                for split in self.splits
            ],
            "balance": self.balance.to_json(),
            "unlabelled": self.unlabelled,
            "look_alikes_searched": self.searched,
            "groups": self.groups,
            "groups_of_several": self.large_groups,
            "largest_group": self.largest_group,
            "groups_that_cross": self.crossing,
            "absent": {
                name: [{"split": split, "part": part} for split, part in places]
                for name, places in self.absent.items()
            },
            "scarce": {
                name: [{"split": split, "part": part, "images": n} for split, part, n in places]
                for name, places in self.scarce.items()
            },
        }

    def format_lines(self) -> list[str]:
        """How even, what is absent where, what was left out, and whether a group crosses."""
        return [
            *self._say_even(),
            *self._say_absent(),
            *self._say_scarce(),
            *self._say_left_out(),
            self._say_crossing(),
        ]

    def _say_even(self) -> list[str]:
        relative, images = self.balance.worst_relative, self.balance.worst_images
        lines = []
        if relative is not None and images is not None:
            most = f"at most {images.images:.2f} images ({_say(images)})"
            # Per cents of less than an image or two say nothing.
            if relative.relative > 1:
                lines.append(f"class prevalence strays by {most}")
            else:
                share = f"{relative.relative:.2%} ({_say(relative)})"
                lines.append(f"class prevalence strays by at most {share}")
                lines.append(f"... and by {most}")
        worst, count = self.balance.worst_label_set, len(self.balance.label_sets)
        lines.append(
            f"label sets ({count}) stray by at most {worst.images:.2f} images ({_say(worst)})"
        )
        return lines

    def _say_absent(self) -> list[str]:
        lines = []
        for name, places in self.absent.items():
            if not self.balance.total.classes[name]:
                lines.append(f"note: no image shows {name}")
                continue
            parts = {part: [s for s, p in places if p == part] for part in PARTS}
            where = "; ".join(f"{part} of {', '.join(s)}" for part, s in parts.items() if s)
            lines.append(f"note: no image shows {name} in {where}")
        return lines

    def _say_scarce(self) -> list[str]:
        if self.splits[0].fold:
            remedy = "judge the folds together with `stripsight folds`"
        else:
            remedy = "use --scheme kfold, whose folds `stripsight folds` judges on every image once"
        classes = [
            f"{name} ({', '.join(self._describe_scarce(places))})"
            for name, places in self.scarce.items()
        ]
        if not classes:
            return []
        return [
            f"warning: on fewer than {_FEWEST} images of a part, and not to be judged there:"
            f" {'; '.join(classes)}: {remedy}"
        ]

    def _describe_scarce(self, places: Sequence[tuple[str, str, int]]) -> list[str]:
        """Counts by part: of one split as they are, of folds from the fewest to the most."""
        words = []
        for part in PARTS:
            counts = [count for _, where, count in places if where == part]
            if not counts:
                continue
            ends = " to ".join(dict.fromkeys(str(end) for end in (min(counts), max(counts))))
            of = len(self.splits)
            every = "every fold" if len(counts) == of else f"{len(counts)} of {of} folds"
            words.append(f"{ends} in {part}{f' of {every}' if of > 1 else ''}")
        return words

    def _say_left_out(self) -> list[str]:
        if not self.unlabelled:
            return []
        return [
            f"note: in no part, their labels not being known: {self.unlabelled:,} of the images"
        ]

    def _say_crossing(self) -> str:
        kinds = "look-alikes" if self.searched else "identical files (look-alikes: not searched)"
        of_several = f"{format_quantity(self.large_groups, 'group')} of {kinds}"
        if self.splits[0].by == "random":
            return (
                "BY RANDOM: a plain shuffle of the images, not stratified, look-alikes not kept"
                f" together: on two sides of it, {self.crossing:,} of {of_several}. For comparison"
                " with others' numbers only"
            )
        if self.crossing:
            return f"LEAKS: on two sides of it, {self.crossing:,} of {of_several}"
        largest = f", the largest of {self.largest_group:,} images" if self.large_groups else ""
        in_all = f"{format_quantity(self.groups, 'group')} of labelled images in all"
        return f"verified: no group crosses it ({of_several}{largest}; {in_all})"


def report_splits(
    dataset: PreparedDataset, splits: Sequence[Split], *, searched: bool
) -> SplitReport:
    """Measure one split, or all folds of one set, as they are stored."""
    table = dataset.labelled_images
    labels = dataset.label_matrix()
    ids = [str(name) for name in table["id"]]
    if splits[0].fold is None:
        names: list[str] = list(PARTS)
        parts = np.array([splits[0].assignment[name] for name in ids])
    else:
        names = [f"fold {split.fold.number}" for split in splits if split.fold]
        fold_of = {
            name: fold
            for fold, split in zip(names, splits, strict=True)
            for name in split.ids("test")
        }
        parts = np.array([fold_of[name] for name in ids])
    groups = table["duplicate_group"]
    sizes = groups[groups >= 0].value_counts()
    parts_of_group = pd.Series(parts)[groups >= 0].groupby(groups[groups >= 0]).nunique()
    absent: dict[str, tuple[tuple[str, str], ...]] = {}
    scarce: dict[str, tuple[tuple[str, str, int], ...]] = {}
    for split in splits:
        for part, counts in describe_split(dataset, split).items():
            for name, positives in counts.classes.items():
                if not positives:
                    absent[name] = (*absent.get(name, ()), (split.name, part))
                elif positives < _FEWEST:
                    scarce[name] = (*scarce.get(name, ()), (split.name, part, positives))
    return SplitReport(
        splits=tuple(splits),
        balance=measure_balance(labels, parts, class_names=dataset.classes.names, part_names=names),
        unlabelled=len(dataset.images) - len(ids),
        groups=len(sizes) + int((groups < 0).sum()),
        large_groups=int((sizes > 1).sum()),
        largest_group=int(sizes.max()) if len(sizes) else 1,
        crossing=int((parts_of_group > 1).sum()),
        searched=searched,
        absent=absent,
        scarce=scarce,
    )


def _say(deviation: Deviation) -> str:
    return (
        f"{deviation.name} in {deviation.part}: {deviation.found:,} where"
        f" {deviation.expected:,.1f} would be even"
    )
