"""Population stability index: how far one number's distribution has moved between two sets.

    PSI = sum over bins of (share_B - share_A) * ln(share_B / share_A)

The bins are those between the quantiles of A. A value that many images of A share (no border, one
JPEG quality) is a bin of its own, so that what lies just beside it is not counted as the same. An
empty bin counts as half an image, since the logarithm of nothing is none; bins empty in both sets
have no part.

Chance alone gives a PSI as well, of about (bins - 1) * (1 / images of A + 1 / images of B)
(Yurdakul 2018, "Statistical properties of population stability index"). How much it gives here is
found by shuffling the images between the sets.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MODERATE, LARGE = 0.1, 0.25
"""The usual limits: below the first no shift, from the second on a large one."""

CHANCE = 0.99
"""Of shuffles that stay below what is called chance: eight statistics are judged at once."""

_MOST_BINS, _FEWEST_BINS = 10, 4
_IMAGES_PER_BIN = 20
_SHUFFLES = 300

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stability:
    """PSI of one number.

    Attributes:
        psi: the index.
        chance: 99 % quantile of what it is when the images are shuffled between the sets.
        p_value: share of shuffles that reach it.
        bins: how many bins were asked for; ties may have made it more or fewer.
    """

    psi: float
    chance: float
    p_value: float
    bins: int

    @property
    def verdict(self) -> str:
        """`large`, `moderate` or `none`; `within chance` where shuffled sets differ as much."""
        if self.psi < MODERATE:
            return "none"
        if self.psi <= self.chance:
            return "within chance"
        return "large" if self.psi >= LARGE else "moderate"


def choose_bin_count(images_a: int, images_b: int) -> int:
    """Ten bins, fewer for small sets: 20 images to a bin where there are as many, at least 4."""
    return int(np.clip(min(images_a, images_b) // _IMAGES_PER_BIN, _FEWEST_BINS, _MOST_BINS))


def compute_psi(a: FloatArray, b: FloatArray, bins: int = _MOST_BINS) -> float:
    """PSI of `b` against `a`; both float `[N]`, finite, not empty."""
    cuts = _make_cuts(a, bins)
    counts_a, counts_b = _count(a, cuts), _count(b, cuts)
    share_a = np.maximum(counts_a, 0.5) / len(a)
    share_b = np.maximum(counts_b, 0.5) / len(b)
    terms = (share_b - share_a) * np.log(share_b / share_a)
    return float(terms[(counts_a > 0) | (counts_b > 0)].sum())


def measure_stability(
    a: FloatArray, b: FloatArray, *, groups: npt.NDArray[np.int64], seed: int = 0
) -> Stability:
    """PSI, and what chance alone makes of it.

    Args:
        a: float `[N]`, finite.
        b: float `[M]`, finite.
        groups: int `[N + M]`, of the images of `a`, then of `b`: look-alikes are shuffled together.
        seed: of the shuffles.
    """
    bins = choose_bin_count(len(a), len(b))
    pool = np.concatenate([a, b])
    rng = np.random.default_rng(seed)
    shuffled = np.array(
        [
            compute_psi(pool[order[: len(a)]], pool[order[len(a) :]], bins)
            for order in (shuffle_groups(groups, rng) for _ in range(_SHUFFLES))
        ]
    )
    psi = compute_psi(a, b, bins)
    return Stability(
        psi=psi,
        chance=float(np.quantile(shuffled, CHANCE)),
        p_value=float((1 + (shuffled >= psi).sum()) / (1 + _SHUFFLES)),
        bins=bins,
    )


def shuffle_groups(
    groups: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """An order of the images in which groups come at random and each stays together."""
    _, group = np.unique(groups, return_inverse=True)
    place = rng.permutation(int(group.max(initial=-1)) + 1)
    return np.lexsort((rng.random(len(groups)), place[group]))


def _make_cuts(a: FloatArray, bins: int) -> tuple[FloatArray, FloatArray]:
    """Where bins part: just below the first values, and just above the second; both ascending."""
    ordered = np.sort(a)
    places = -(-len(a) * np.arange(1, bins) // bins) - 1
    above = np.unique(ordered[places])
    ties = np.searchsorted(ordered, above, "right") - np.searchsorted(ordered, above, "left")
    # A value this common is a bin of its own, parted on both sides.
    return above[ties * bins >= len(a)], above


def _count(values: FloatArray, cuts: tuple[FloatArray, FloatArray]) -> npt.NDArray[np.int64]:
    below, above = cuts
    cells = np.searchsorted(below, values, "right") + np.searchsorted(above, values, "left")
    return np.bincount(cells, minlength=len(below) + len(above) + 1)
