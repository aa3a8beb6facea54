"""Numbers that describe one image: light, borders, sharpness, compression, kind of steel.

They are what sets of images are compared by and what outliers show in. All are taken over the
steel, between the black borders to the left and right; everything but sharpness over every pixel.
Where no column is brighter than black, there is no steel: `border_left` is the whole width,
`border_right` 0, and the numbers describe the whole image.

Nothing here but numpy: these run in worker processes that must start quickly.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.statistics.checker import CELL, measure_checker
from stripsight.data.statistics.jpeg_quality import estimate_jpeg_quality
from stripsight.imaging import GreyImage

SATURATED, DARK = 250, 5
"""From the one on a pixel is saturated, up to the other it is dark (grey levels)."""

# Mean grey level up to which a column is border. Severstal's borders have 0.4 to 3; the darkest
# column of steel among 215 strips has 12.7.
_BLACK_COLUMN = 10.0
# Rows of a block. Sums of squares over so many are whole numbers below 2^24, so exact in float32;
# of smaller blocks numpy's calls cost more than the cache gives.
_ROWS = 256
_LAPLACIAN_PIXELS = 80_000
_CELL_WEIGHTS = np.full(CELL, 1 / CELL**2, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Numbers of one image.

    Attributes:
        brightness: mean grey level of the steel, 0-255.
        contrast: its standard deviation, in grey levels.
        saturated: share of the steel's pixels of 250 and more.
        dark: share of 5 and less.
        border_left: columns of black at the left edge, in pixels.
        border_right: at the right edge.
        sharpness: variance of the 4-neighbour Laplacian, in grey levels squared. Of large images
            every third, fifth, ... row is taken, down to 80,000 pixels; 0 where no pixel has four
            neighbours.
        jpeg_quality: see `estimate_jpeg_quality`.
        checker: see `measure_checker`; 0 where the steel is too small for a repeat.
    """

    brightness: float
    contrast: float
    saturated: float
    dark: float
    border_left: int
    border_right: int
    sharpness: float
    jpeg_quality: int | None
    checker: float


def measure_image(image: GreyImage, data: bytes) -> ImageStatistics:
    """Measure one image.

    Args:
        image: uint8 `[H, W]`.
        data: the file it was decoded from.
    """
    left, right = find_borders(image)
    steel = image[:, left : image.shape[1] - right]
    if not steel.size:
        steel = image
    total = squares = 0.0
    saturated = dark = 0
    deviations = []
    for top in range(0, len(steel), _ROWS):
        block = steel[top : top + _ROWS]
        saturated += int(np.count_nonzero(block >= SATURATED))
        dark += int(np.count_nonzero(block <= DARK))
        levels = block.astype(np.float32)
        sums = _add_rows(levels)
        levels *= levels
        square_sums = _add_rows(levels)
        total += float(sums.sum(axis=0).sum(dtype=np.float64))
        squares += float(square_sums.sum(axis=0).sum(dtype=np.float64))
        whole = len(block) // CELL
        deviations.append(_cell_deviation(sums[:whole], square_sums[:whole]))
    mean = total / steel.size
    return ImageStatistics(
        brightness=mean,
        contrast=max(squares / steel.size - mean * mean, 0.0) ** 0.5,
        saturated=saturated / steel.size,
        dark=dark / steel.size,
        border_left=left,
        border_right=right,
        sharpness=_measure_sharpness(steel),
        jpeg_quality=estimate_jpeg_quality(data),
        checker=measure_checker(np.concatenate(deviations)),
    )


def find_borders(image: GreyImage) -> tuple[int, int]:
    """Columns of black at the left and at the right edge; (W, 0) where all columns are black.

    A column is black where its mean is at most 10 grey levels; of high images every fourth row is
    taken.
    """
    rows = image[::4] if len(image) >= 64 else image
    means = rows.sum(axis=0, dtype=np.uint32) / len(rows)
    lit = np.flatnonzero(means > _BLACK_COLUMN)
    if not lit.size:
        return image.shape[1], 0
    return int(lit[0]), int(image.shape[1] - 1 - lit[-1])


def _add_rows(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sums over rows of cells `[ceil(h / 8), w]`; the last one may be of fewer rows."""
    whole = len(values) // CELL * CELL
    sums: npt.NDArray[np.float32] = values[:whole].reshape(-1, CELL, values.shape[1]).sum(axis=1)
    if whole < len(values):
        sums = np.concatenate([sums, values[whole:].sum(axis=0, keepdims=True)])
    return sums


def _cell_deviation(
    sums: npt.NDArray[np.float32], square_sums: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Standard deviation in each whole cell `[h, w // 8]` from sums over its rows `[h, w]`."""
    mean, mean_square = (_average_columns(values) for values in (sums, square_sums))
    return np.sqrt(np.maximum(mean_square - mean * mean, 0))


def _average_columns(sums: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    width = sums.shape[1] // CELL
    cells = sums[:, : width * CELL].reshape(len(sums), width, CELL)
    means: npt.NDArray[np.float32] = cells @ _CELL_WEIGHTS
    return means


def _measure_sharpness(steel: GreyImage) -> float:
    if min(steel.shape) < 3:
        return 0.0
    # Odd, so that the rows taken fall on every row of JPEG's 8x8 blocks alike.
    step = (steel.size // _LAPLACIAN_PIXELS) | 1
    centre = steel[1:-1:step].astype(np.int16)
    around = steel[:-2:step, 1:-1].astype(np.int16)
    around += steel[2::step, 1:-1]
    around += centre[:, :-2]
    around += centre[:, 2:]
    around -= 4 * centre[:, 1:-1]
    laplacian = around.astype(np.float32)
    mean = float(laplacian.sum(axis=0).sum(dtype=np.float64)) / laplacian.size
    square = float(np.square(laplacian).sum(axis=0).sum(dtype=np.float64)) / laplacian.size
    return max(square - mean * mean, 0.0)
