"""What the labels say by themselves: counts, prevalence, label sets, which classes meet."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stripsight.data.prepared import KINDS, PreparedDataset
from stripsight.labels import ClassList


@dataclass(frozen=True)
class ClassCounts:
    """One class over the labelled images.

    Attributes:
        id: as its source numbers it.
        name: for files.
        title: for people.
        images: that carry it.
        prevalence: share of the labelled images that do; NaN where there are none.
        pos_weight: images without it over images with it, the rule of `loss.pos_weight=auto`
            without its limit; None where it is on no image, or on every one.
        drawn: annotations by kind (mask, box, presence).
    """

    id: int
    name: str
    title: str
    images: int
    prevalence: float
    pos_weight: float | None
    drawn: dict[str, int]


@dataclass(frozen=True)
class LabelSet:
    """All classes of an image together: ids, none for a clean image, and how many images."""

    classes: tuple[int, ...]
    images: int


@dataclass(frozen=True)
class ClassPair:
    """Two classes on one image.

    Attributes:
        first: id.
        second: id.
        images: that carry both.
        expected: that would, if the one said nothing of the other.
    """

    first: int
    second: int
    images: int
    expected: float

    @property
    def lift(self) -> float | None:
        """How many times as often as by chance; None where chance gives none."""
        return self.images / self.expected if self.expected else None


@dataclass(frozen=True)
class ImageSize:
    """A size in pixels, and how many images have it."""

    width: int
    height: int
    images: int


@dataclass(frozen=True)
class LabelCounts:
    """Counts of a whole data set.

    Attributes:
        images: all.
        labelled: whose labels are known; every share is of these.
        clean: labelled, and without a defect.
        classes: in column order.
        images_by_labels: how many images have 0, 1, 2, ... classes.
        label_sets: most frequent first.
        pairs: every two classes, in column order.
        sizes: of the images, the commonest first.
    """

    images: int
    labelled: int
    clean: int
    classes: tuple[ClassCounts, ...]
    images_by_labels: tuple[int, ...]
    label_sets: tuple[LabelSet, ...]
    pairs: tuple[ClassPair, ...]
    sizes: tuple[ImageSize, ...]


def count_dataset(dataset: PreparedDataset) -> LabelCounts:
    """Count labels, label sets and pairs of a data set."""
    labels = dataset.label_matrix().astype(np.int64)
    images = labels.sum(axis=0)
    per_image = labels.sum(axis=1)
    ids = [c.id for c in dataset.classes]
    together = labels.T @ labels
    kinds = Counter(zip(dataset.annotations["class_id"], dataset.annotations["kind"], strict=True))
    return LabelCounts(
        images=len(dataset.images),
        labelled=len(labels),
        clean=int((per_image == 0).sum()),
        classes=tuple(
            ClassCounts(
                id=c.id,
                name=c.name,
                title=c.title,
                images=int(images[column]),
                prevalence=float(images[column] / len(labels)) if len(labels) else float("nan"),
                pos_weight=suggest_pos_weight(int(images[column]), len(labels)),
                drawn={kind: kinds[c.id, kind] for kind in KINDS},
            )
            for column, c in enumerate(dataset.classes)
        ),
        images_by_labels=tuple(np.bincount(per_image).tolist()),
        label_sets=_count_sets(labels, ids),
        pairs=tuple(
            ClassPair(
                ids[i],
                ids[j],
                int(together[i, j]),
                float(images[i] * images[j] / len(labels)) if len(labels) else 0.0,
            )
            for i in range(len(ids))
            for j in range(i + 1, len(ids))
        ),
        sizes=count_sizes(dataset),
    )


def count_sizes(dataset: PreparedDataset) -> tuple[ImageSize, ...]:
    """The sizes of the images, the commonest first, then the larger."""
    sizes = Counter(zip(dataset.images["width"], dataset.images["height"], strict=True))
    found = [ImageSize(int(width), int(height), n) for (width, height), n in sizes.items()]
    return tuple(sorted(found, key=lambda s: (-s.images, -s.width * s.height, s.width)))


def suggest_pos_weight(positives: int, images: int) -> float | None:
    """Negatives over positives; None where either is missing."""
    return (images - positives) / positives if 0 < positives < images else None


def name_classes(classes: ClassList, ids: Sequence[int]) -> str:
    """Names of classes by id, or `clean` for none."""
    names = {c.id: c.name for c in classes}
    return " + ".join(names[i] for i in ids) or "clean"


def name_in_full(name: str, title: str) -> str:
    """A class as text calls it: `defect_4 (spots)`; the name alone where the title says no more."""
    return name if title in (name, name.replace("_", " ")) else f"{name} ({title})"


def _count_sets(labels: np.ndarray, ids: list[int]) -> tuple[LabelSet, ...]:
    if not len(labels):
        return ()
    rows, counts = np.unique(labels, axis=0, return_counts=True)
    sets = [
        LabelSet(tuple(ids[column] for column in np.flatnonzero(row)), int(count))
        for row, count in zip(rows, counts, strict=True)
    ]
    return tuple(sorted(sets, key=lambda s: (-s.images, len(s.classes), s.classes)))
