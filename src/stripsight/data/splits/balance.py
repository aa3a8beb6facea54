"""How evenly parts share classes and label sets: what each part holds, and how far it strays.

A part of n images should hold n times a class's prevalence of its positives. The deviation is given
in images, and for classes relative to that number as well. A label set (all classes of an image
together, `clean` for none) may be on one image only, so for it images alone mean something.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CLEAN = "clean"


@dataclass(frozen=True)
class PartCounts:
    """What one part of a split holds: images, images without defect, images per class name."""

    images: int
    clean: int
    classes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Deviation:
    """`found` images of `name`, a class or label set, in `part`, where `expected` were even."""

    name: str
    part: str
    found: int
    expected: float

    @property
    def images(self) -> float:
        """How many images too many or too few."""
        return abs(self.found - self.expected)

    @property
    def relative(self) -> float:
        """The same as a share of what was expected, which is above 0."""
        return abs(self.found / self.expected - 1)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "images": self.images, "relative": self.relative}


@dataclass(frozen=True)
class Balance:
    """How even the parts are.

    Attributes:
        parts: what each holds, in order.
        total: all of them together.
        classes: the largest deviation of each class that has positives, relatively.
        label_sets: the largest deviation of each label set in images.
    """

    parts: dict[str, PartCounts]
    total: PartCounts
    classes: tuple[Deviation, ...]
    label_sets: tuple[Deviation, ...]

    @property
    def worst_relative(self) -> Deviation | None:
        """Of the class whose prevalence strays furthest; None where no image has a defect."""
        return max(self.classes, key=lambda d: d.relative, default=None)

    @property
    def worst_images(self) -> Deviation | None:
        """Of the class that strays by most images; None where no image has a defect."""
        return max(self.classes, key=lambda d: d.images, default=None)

    @property
    def worst_label_set(self) -> Deviation:
        """Of the label set that strays by most images."""
        return max(self.label_sets, key=lambda d: d.images)

    @property
    def absent(self) -> dict[str, tuple[str, ...]]:
        """Names of the classes without a positive in each part, where there are such."""
        gone = {p: tuple(n for n, k in c.classes.items() if not k) for p, c in self.parts.items()}
        return {part: names for part, names in gone.items() if names}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "parts": {part: asdict(counts) for part, counts in self.parts.items()},
            "total": asdict(self.total),
            "classes": [deviation.to_json() for deviation in self.classes],
            "largest_label_set": self.worst_label_set.to_json(),
            "label_sets": len(self.label_sets),
            "absent": {part: list(names) for part, names in self.absent.items()},
        }


def count_part(labels: npt.NDArray[np.uint8], names: Sequence[str]) -> PartCounts:
    """Count the images of one part, labels uint8 `[N, C]`."""
    return PartCounts(
        images=len(labels),
        clean=int((labels.sum(axis=1) == 0).sum()),
        classes=dict(zip(names, labels.sum(axis=0).tolist(), strict=True)),
    )


def measure_balance(
    labels: npt.NDArray[np.uint8],
    parts: npt.NDArray[np.str_],
    *,
    class_names: Sequence[str],
    part_names: Sequence[str],
) -> Balance:
    """Compare parts with what an even division would hold.

    Args:
        labels: uint8 `[N, C]`, N at least 1.
        parts: `[N]`, which of `part_names` each image is in; none of them is empty.
        class_names: C names.
        part_names: in the order to show.
    """
    sets, set_of_image = np.unique(labels, axis=0, return_inverse=True)
    set_names = ["+".join(np.array(class_names)[row == 1].tolist()) or CLEAN for row in sets]
    one_hot = np.eye(len(sets), dtype=np.int64)[set_of_image]
    member = np.stack([parts == name for name in part_names])
    by_class = _find_deviations(labels.astype(np.int64), member, class_names, part_names)
    by_set = _find_deviations(one_hot, member, set_names, part_names)
    return Balance(
        parts={
            p: count_part(labels[m], class_names) for p, m in zip(part_names, member, strict=True)
        },
        total=count_part(labels, class_names),
        classes=tuple(max(of_one, key=lambda d: d.relative) for of_one in by_class),
        label_sets=tuple(max(of_one, key=lambda d: d.images) for of_one in by_set),
    )


def _find_deviations(
    indicator: npt.NDArray[np.int64],
    member: npt.NDArray[np.bool_],
    names: Sequence[str],
    part_names: Sequence[str],
) -> list[list[Deviation]]:
    """Of each column that is anywhere 1 in each part; `indicator` `[N, S]`, `member` `[P, N]`."""
    found = member.astype(np.int64) @ indicator
    expected = member.mean(axis=1)[:, None] * indicator.sum(axis=0)[None, :]
    return [
        [
            Deviation(name, part, int(found[p, column]), float(expected[p, column]))
            for p, part in enumerate(part_names)
        ]
        for column, name in enumerate(names)
        if indicator[:, column].any()
    ]
