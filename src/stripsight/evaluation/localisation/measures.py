"""Four measures of a map against a mask, in numpy; every one of them 1 at best and 0 at worst.

    pointing    does the hottest place lie in the mask? (Zhang et al., Top-down neural attention by
                excitation backprop, ECCV 2016; without their 15 pixels of tolerance, which on small
                images would be most of the image)
    energy      share of all heat that lies in the mask (Wang et al., Score-CAM, CVPR workshops
                2020)
    dice        2 |A and B| / (|A| + |B|) of the mask and what is at or above a level
    pixel AP    average precision of pixels as called by their heat (PxAP of Choe et al., Evaluating
                weakly supervised object localization methods right, CVPR 2020)

Dice and pixel AP need the number of pixels at every level. Those are kept as counts in `BINS` equal
steps, an image at a time, so that a split takes as little room as its class maps.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.rle import Mask

Map = npt.NDArray[np.floating]
"""`[H, W]`, hotter is higher."""

Counts = npt.NDArray[np.uint32]
"""Pixels by step from the coldest to the hottest, `[..., BINS]`."""

FloatArray = npt.NDArray[np.float64]

BINS = 1024


@dataclass(frozen=True, slots=True)
class Scale:
    """`BINS` equal steps from `low` to `high`; what lies beyond counts in the last ones."""

    low: float
    high: float

    def find_steps(self, values: Map) -> npt.NDArray[np.int32]:
        """The step of each value, in 0..BINS-1."""
        if not self.high > self.low:
            return np.zeros(values.shape, np.int32)
        shares = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return np.asarray(np.minimum(shares * BINS, BINS - 1), np.int32)

    def level(self, step: int) -> float:
        """The lowest value of a step."""
        return self.low + step * (self.high - self.low) / BINS

    def heat(self, step: int) -> float:
        """The lowest value of a step, a logit, as a probability."""
        return float(0.5 + 0.5 * np.tanh(0.5 * self.level(step)))


def compute_pointing(heat: Map, mask: Mask) -> float:
    """Share of the hottest pixels that lie in the mask: 1 or 0, unless several are equally hot.

    A guess among equals hits with just that share; the first of them would favour the top left.
    """
    return float(mask[heat == heat.max()].mean())


def compute_energy(heat: Map, mask: Mask) -> float:
    """Share of the heat, which is 0 or more, that lies in the mask; 0 where there is none."""
    whole = float(heat.sum(dtype=np.float64))
    return float(heat[mask > 0].sum(dtype=np.float64)) / whole if whole else 0.0


def count_steps(steps: npt.NDArray[np.int32], mask: Mask | None = None) -> Counts:
    """Pixels in each step, all of them or those in the mask: uint32 `[BINS]`."""
    taken = steps.ravel() if mask is None else steps[mask > 0]
    return np.bincount(taken, minlength=BINS).astype(np.uint32)


def compute_dice_by_level(counts: Counts, inside: Counts) -> FloatArray:
    """Dice of each image when what is in a step or hotter is called the defect.

    Args:
        counts: `[P, BINS]` of P images.
        inside: likewise of the pixels in the mask, at least one an image.

    Returns:
        float64 `[P, BINS]`.
    """
    called, right = _count_from_hottest(counts), _count_from_hottest(inside)
    return 2 * right / (called + right[:, :1])


def find_best_step(counts: Counts, inside: Counts) -> int:
    """The step from which on the mean Dice of P images is highest; the coldest wins ties."""
    return int(np.argmax(compute_dice_by_level(counts, inside).mean(axis=0)))


def compute_pixel_ap(counts: Map | Counts, inside: Map | Counts) -> FloatArray:
    """Average precision of the pixels, tied where they share a step.

    Sum over the steps from the hottest of (R_k - R_{k-1}) P_k.

    Args:
        counts: `[..., BINS]`, pixels of all images in each step; may be weighted.
        inside: likewise of the pixels in the masks, at least one.

    Returns:
        float64 `[...]`.
    """
    hottest = np.s_[..., ::-1]
    gained = np.asarray(inside, np.float64)[hottest]
    right = np.cumsum(gained, axis=-1)
    called = np.cumsum(np.asarray(counts, np.float64)[hottest], axis=-1)
    precision = right / np.where(called > 0, called, 1)
    return np.asarray((gained * precision).sum(axis=-1) / right[..., -1])


def _count_from_hottest(counts: Counts) -> FloatArray:
    return np.cumsum(counts[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
