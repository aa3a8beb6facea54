"""A few simple numbers for the texture of the steel, by which sets of images can be told apart.

They stand beside the image statistics in the comparison of two sets and are kept nowhere: what they
are worth is only how well a classifier tells the sets apart by them.
"""

import numpy as np
import numpy.typing as npt

from stripsight.data.statistics.measurement import find_borders
from stripsight.imaging import GreyImage

_SCALES = (1, 4, 16)
TEXTURE_NAMES = (
    *(f"gradient {way} at {scale} px" for scale in _SCALES for way in ("across", "down")),
    "streaks along the strip",
    "streaks across the strip",
    "grey level, 5 %",
    "grey level, 50 %",
    "grey level, 95 %",
)
"""What stands in each place of `compute_texture`'s result."""


def compute_texture(image: GreyImage) -> npt.NDArray[np.float32]:
    """Texture of the steel between the borders.

    Args:
        image: uint8 `[H, W]`.

    Returns:
        float32 `[11]`, in the order of `TEXTURE_NAMES`: the logarithms of the mean absolute
        difference of neighbours at three scales, and of the standard deviation of the row and of
        the column means; then three quantiles of the grey levels. 0 where a side is too short.
    """
    left, right = find_borders(image)
    steel = image[:, left : image.shape[1] - right]
    if not steel.size:
        steel = image
    values: list[float] = []
    for scale in _SCALES:
        plane = _reduce(steel, scale)
        values += [_log_gradient(plane, axis) for axis in (1, 0)]
    plane = _reduce(steel, 4)
    values += [_log_spread(plane, axis) for axis in (1, 0)]
    counts = np.bincount(steel.ravel(), minlength=256).cumsum()
    values += [float(np.searchsorted(counts, share * steel.size)) for share in (0.05, 0.5, 0.95)]
    return np.array(values, dtype=np.float32)


def _reduce(image: GreyImage, scale: int) -> npt.NDArray[np.float32]:
    """Means over whole cells of `scale` x `scale` pixels, `[H // scale, W // scale]`."""
    height, width = (side // scale for side in image.shape)
    whole = image[: height * scale, : width * scale].astype(np.float32)
    cells = whole.reshape(height, scale, width, scale)
    means: npt.NDArray[np.float32] = cells.sum(axis=1).sum(axis=2) / scale**2
    return means


def _log_gradient(plane: npt.NDArray[np.float32], axis: int) -> float:
    difference = np.diff(plane, axis=axis)
    return float(np.log1p(np.abs(difference).mean(dtype=np.float64))) if difference.size else 0.0


def _log_spread(plane: npt.NDArray[np.float32], axis: int) -> float:
    return float(np.log1p(plane.mean(axis=axis).std(dtype=np.float64))) if plane.size else 0.0
