"""Whether probabilities mean what they say: reliability bins, ECE, Brier score, log loss.

All take one class, `[N]`. Bins hold about equally many images each: with the few defects there
are, bins of equal width would leave most of them with next to none. Images of one probability are
never parted, so there may be fewer bins than asked. The diagram has bins of its own.

Even perfect probabilities have an expected calibration error above 0 on few images, since every
bin's share of defects is off by chance: `compute_ece_by_chance` says how much.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stripsight.evaluation.metrics import Labels

Probabilities = npt.NDArray[np.float64]

BINS = 10
FEWEST_TO_DRAW = 10
"""Of fewer images a share has an interval of half the scale."""
WIDEST_TO_DRAW = 0.25
"""Probabilities in one dot of the diagram are no farther apart."""

_CHANCE_ROUNDS = 200
_NORMAL_95 = 1.959963984540054
# scikit-learn's too: the smallest probability whose complement differs from 1.
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Images of about equal probability.

    Attributes:
        low: lowest probability in it.
        high: highest.
        images: how many.
        positives: of those.
        mean_probability: what was said.
        observed: positives / images: what was so.
        observed_low: Wilson's 95 % interval of `observed`.
        observed_high: its other end.
    """

    low: float
    high: float
    images: int
    positives: int
    mean_probability: float
    observed: float
    observed_low: float
    observed_high: float


@dataclass(frozen=True, slots=True)
class CalibrationQuality:
    """How good the probabilities of one class are on one part; lower is better in each."""

    log_loss: float | None
    brier: float | None
    ece: float | None
    ece_by_chance: float | None


def compute_quality(
    probabilities: Probabilities, labels: Labels, *, bins: int = BINS, seed: int = 0
) -> CalibrationQuality:
    """All figures of this module; None without images."""
    return CalibrationQuality(
        log_loss=compute_log_loss(probabilities, labels),
        brier=compute_brier(probabilities, labels),
        ece=compute_ece(probabilities, labels, bins=bins),
        ece_by_chance=compute_ece_by_chance(probabilities, bins=bins, seed=seed),
    )


def compute_diagram(probabilities: Probabilities, labels: Labels) -> tuple[ReliabilityBin, ...]:
    """Bins for the eye: images of like probability, and enough of them to show something.

    A dot stands at the mean of its images, so these must be alike. They are cut at every tenth;
    neighbours of which one holds fewer than
    `FEWEST_TO_DRAW` images are put together while the images of both stay within
    `WIDEST_TO_DRAW` of one another. What stands apart with fewer stays as it is.

    Args:
        probabilities: `[N]`.
        labels: `[N]`.
    """
    tenth = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    parts = [np.flatnonzero(tenth == number) for number in range(BINS)]
    parts = [part for part in parts if len(part)]
    while pairs := [
        (len(low) + len(high), place)
        for place, (low, high) in enumerate(pairwise(parts))
        if min(len(low), len(high)) < FEWEST_TO_DRAW
        and probabilities[high].max() - probabilities[low].min() <= WIDEST_TO_DRAW
    ]:
        place = min(pairs)[1]
        parts[place : place + 2] = [np.concatenate(parts[place : place + 2])]
    return tuple(_describe_bin(probabilities[part], labels[part]) for part in parts)


def compute_ece(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> float | None:
    """Expected calibration error: mean over images of |said - observed| of their bin.

    Naeini et al. 2015, with bins of equal mass (Nguyen and O'Connor 2015). None without images.
    """
    if not len(labels):
        return None
    excess = np.bincount(assign_bins(probabilities, bins), weights=probabilities - labels)
    return float(np.abs(excess).sum() / len(labels))


def compute_ece_by_chance(
    probabilities: Probabilities, bins: int = BINS, seed: int = 0
) -> float | None:
    """Mean ECE of labels drawn from these very probabilities: what perfect ones would show here.

    Consistency resampling (Broecker and Smith 2007), 200 seeded rounds. None without images.
    """
    if not len(probabilities):
        return None
    rng = np.random.default_rng(seed)
    order = np.argsort(probabilities, kind="stable")
    said = probabilities[order]
    starts = np.flatnonzero(np.diff(assign_bins(said, bins), prepend=-1))
    rounds = [
        np.abs(np.add.reduceat(said - (rng.random(len(said)) < said), starts)).sum()
        for _ in range(_CHANCE_ROUNDS)
    ]
    return float(np.mean(rounds) / len(said))


def compute_brier(probabilities: Probabilities, labels: Labels) -> float | None:
    """Mean squared difference of probability and label (Brier 1950); None without images."""
    return float(((probabilities - labels) ** 2).mean()) if len(labels) else None


def compute_log_loss(probabilities: Probabilities, labels: Labels) -> float | None:
    """Mean of -log of the probability of what was so, in nats; None without images."""
    return float(compute_image_log_loss(probabilities, labels).mean()) if len(labels) else None


def compute_image_log_loss(probabilities: Probabilities, labels: Labels) -> Probabilities:
    """Log loss of each image, `[N]`, in nats, with probabilities held within [eps, 1 - eps].

    eps is 2.2e-16, so an image that is wrong with a probability of 1 costs 36 nats, not infinity.
    """
    held = probabilities.clip(_EPSILON, 1 - _EPSILON)
    return np.asarray(-np.log(np.where(labels == 1, held, 1 - held)))


def assign_bins(probabilities: Probabilities, bins: int = BINS) -> npt.NDArray[np.int64]:
    """The bin of every image, `[N]`, from 0 for the lowest: equal mass, ties never parted."""
    _, inverse, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    # A level lies where the middle of its images lies; empty bins are closed up.
    middle = np.cumsum(counts) - counts / 2
    wanted = (middle * bins / max(1, len(probabilities))).astype(np.int64)
    return np.asarray(np.unique(wanted, return_inverse=True)[1][inverse])


def _describe_bin(probabilities: Probabilities, labels: Labels) -> ReliabilityBin:
    images, positives = len(labels), int(labels.sum())
    low, high = compute_wilson_interval(positives, images)
    return ReliabilityBin(
        low=float(probabilities.min()),
        high=float(probabilities.max()),
        images=images,
        positives=positives,
        mean_probability=float(probabilities.mean()),
        observed=positives / images,
        observed_low=low,
        observed_high=high,
    )


def compute_wilson_interval(positives: int, images: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); `images` is at least 1."""
    share, square = positives / images, _NORMAL_95**2
    centre = share + square / (2 * images)
    half = _NORMAL_95 * np.sqrt(share * (1 - share) / images + square / (4 * images**2))
    scale = 1 + square / images
    return max(0.0, float((centre - half) / scale)), min(1.0, float((centre + half) / scale))
