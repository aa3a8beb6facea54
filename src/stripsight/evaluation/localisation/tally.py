"""One pass over the masks of a part: what the measures need, an image at a time.

Only images that show a class take part in its tally, and only where somebody drew it: whether a
class is on an image is what the classifier's own figures say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.data.rle import Mask
from stripsight.decision.places import upsample_map
from stripsight.evaluation.localisation.measures import (
    Counts,
    FloatArray,
    Map,
    Scale,
    compute_energy,
    compute_pointing,
    count_steps,
)
from stripsight.evaluation.localisation.priors import Prior

ClassMaps = npt.NDArray[np.float32]
"""Logits `[N, C, h, w]`, images in the data set's order."""


@dataclass(frozen=True)
class Tally:
    """One class and one kind of map over P images.

    Attributes:
        pointing: float64 `[P]`.
        energy: float64 `[P]`.
        counts: uint32 `[P, BINS]`, pixels by heat.
        inside: uint32 `[P, BINS]`, those in the mask.
    """

    pointing: FloatArray
    energy: FloatArray
    counts: Counts
    inside: Counts


@dataclass(frozen=True)
class ClassTally:
    """One class over its P located images.

    Attributes:
        rows: int64 `[P]`, images of the part.
        maps: of the network's maps.
        centre: of the Gaussian at the centre.
        mean_mask: of the mean mask of validation; None where validation has none.
        vanished: images left out because no pixel of the mask is left at this size.
    """

    rows: npt.NDArray[np.int64]
    maps: Tally
    centre: Tally
    mean_mask: Tally | None
    vanished: int


@dataclass
class _Growing:
    rows: list[int] = field(default_factory=list)
    measured: list[list[tuple[float, float, Counts, Counts]]] = field(default_factory=list)
    vanished: int = 0


def tally_part(
    dataset: SeverstalFullImageDataset,
    class_maps: ClassMaps,
    scales: Sequence[Scale],
    centre: Prior,
    mean_masks: Sequence[Prior | None],
    *,
    report_image: Callable[[], None] = lambda: None,
) -> tuple[ClassTally, ...]:
    """Measure every located (image, class) pair of a part.

    Args:
        dataset: the part's, with masks.
        class_maps: `[N, C, h, w]` in its order.
        scales: of the logits, one a class.
        centre: `[H, W]`.
        mean_masks: `[H, W]` or None, one a class.
        report_image: called after each image with a defect.
    """
    guesses = [
        [None if prior is None else _Guess(prior) for prior in (centre, mean_mask)]
        for mean_mask in mean_masks
    ]
    growing = [_Growing() for _ in mean_masks]
    for row in np.flatnonzero(dataset.labels.any(axis=1)).tolist():
        for column, mask in read_located(dataset, row):
            tally = growing[column]
            if not mask.any():
                tally.vanished += 1
                continue
            logits = upsample_map(class_maps[row, column], mask.shape)
            tally.rows.append(row)
            tally.measured.append(
                [
                    _measure_map(logits, scales[column], mask),
                    *(guess.measure(mask) for guess in guesses[column] if guess is not None),
                ]
            )
        report_image()
    return tuple(_finish(tally) for tally in growing)


def read_located(dataset: SeverstalFullImageDataset, row: int) -> Iterator[tuple[int, Mask]]:
    """(column, mask `[H, W]`) of each class that an image shows and somebody drew.

    A mask may be empty: at a small size a thin defect has no pixel left.
    """
    masks, known = dataset.read_masks(row)
    for column in np.flatnonzero(dataset.labels[row] & known).tolist():
        yield column, masks[column]


class _Guess:
    """A prior, with all that is the same for every image worked out once."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.steps = Scale(0.0, float(prior.max())).find_steps(prior)
        self.counts = count_steps(self.steps)

    def measure(self, mask: Mask) -> tuple[float, float, Counts, Counts]:
        return (
            compute_pointing(self.prior, mask),
            compute_energy(self.prior, mask),
            self.counts,
            count_steps(self.steps, mask),
        )


def _measure_map(logits: Map, scale: Scale, mask: Mask) -> tuple[float, float, Counts, Counts]:
    steps = scale.find_steps(logits)
    heat = 0.5 + 0.5 * np.tanh(0.5 * logits)
    return (
        compute_pointing(logits, mask),  # of logits: many a heat rounds to 1
        compute_energy(heat, mask),
        count_steps(steps),
        count_steps(steps, mask),
    )


def _finish(growing: _Growing) -> ClassTally:
    def gather(index: int) -> Tally:
        pointing, energy, counts, inside = zip(*(m[index] for m in growing.measured), strict=True)
        return Tally(np.array(pointing), np.array(energy), np.stack(counts), np.stack(inside))

    sources = len(growing.measured[0]) if growing.measured else 0
    empty = Tally(np.zeros(0), np.zeros(0), *(np.zeros((0, 1), np.uint32),) * 2)
    return ClassTally(
        rows=np.array(growing.rows, np.int64),
        maps=gather(0) if sources else empty,
        centre=gather(1) if sources else empty,
        mean_mask=gather(2) if sources > 2 else None,
        vanished=growing.vanished,
    )
