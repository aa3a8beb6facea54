"""Guesses of where a defect is that look at no image: what a map must beat to be worth showing.

A defect in the middle of the image is found by pointing at the middle. So every figure stands
beside that of a Gaussian at the centre, and beside that of the mean mask of the class on the
validation images, which knows where on the strip the mill's defects like to be.
"""

import numpy as np
import numpy.typing as npt

from stripsight.data.dataset import SeverstalFullImageDataset

Prior = npt.NDArray[np.float32]
"""`[H, W]`, 0 or more."""

SPREAD = 0.25
"""Standard deviation of the Gaussian, as a share of height and width."""


def build_centre_prior(size: tuple[int, int]) -> Prior:
    """A Gaussian at the centre, 1 there, float32 `[H, W]`."""
    down, across = (
        np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / SPREAD) ** 2) for side in size
    )
    return np.asarray(np.outer(down, across), np.float32)


def build_mean_masks(dataset: SeverstalFullImageDataset) -> tuple[Prior | None, ...]:
    """For each class the share of its located images whose mask covers a pixel; None without any.

    Args:
        dataset: of the validation part, with masks.
    """
    sums: list[Prior | None] = [None] * len(dataset.classes)
    images = np.zeros(len(dataset.classes))
    for row in np.flatnonzero(dataset.labels.any(axis=1)):
        masks, known = dataset.read_masks(int(row))
        for column in np.flatnonzero(dataset.labels[row] & known):
            if masks[column].any():
                so_far = sums[column]
                mask = masks[column].astype(np.float32)
                sums[column] = mask if so_far is None else so_far + mask
                images[column] += 1
    return tuple(
        None if total is None else total / np.float32(count)
        for total, count in zip(sums, images, strict=True)
    )
