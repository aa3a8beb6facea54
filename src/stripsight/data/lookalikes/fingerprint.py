"""A small fingerprint of an image by which look-alikes are found before pixels are compared.

Key points and binary descriptors rather than one hash of the whole image: neighbouring frames share
only a part, and a text box changes only a part. What a match of fingerprints is worth, only the
pixels decide (`duplicates.py`).

Key points are blobs: extrema of the difference between a pixel and the mean of the square around
it (centre and surround, as in CenSurE: Agrawal et al. 2008) that are no edges (Lowe 2004,
"Distinctive image features from scale-invariant keypoints", section 4). They are sought on the
image at a quarter of its size and, where it is small, at a half or whole, too; of each cell the
strongest, so that they are spread. Descriptors are comparisons of brightness between pairs of
smoothed pixels around the point (BRIEF: Calonder et al. 2010): a change of brightness that keeps
the order changes no bit. Scale and rotation are left out: a line's camera does not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
from PIL import Image

from stripsight.data.lookalikes.sketch import Sketch, draw_sketch
from stripsight.imaging import GreyImage

DESCRIPTOR_WORDS = 2
"""64-bit words to a descriptor."""

_REDUCTIONS = (4, 2, 1)  # pixels of the image to one of the plane on which key points are sought
_MOST_PIXELS = 2**14  # of a finer plane: small images have too few points on the coarse one alone
_MOST_POINTS = 80  # of a plane
_CELL, _MOST_IN_CELL = 16, 2
_PATCH = 4  # of which one pixel at most can be a key point
_REACH = 7  # of a descriptor from its point; nearer to the plane's rim there is no point
_SMOOTHING = 1.0  # standard deviation
_SMOOTHING_REACH = 3
_LEAST_RESPONSE = 0.9  # grey levels: weaker blobs are noise and compression
_DARKEST_STEEL = 20.0  # grey levels; below lies what the camera sees beside every strip
_LARGEST_CURVATURE_RATIO = 10.0

Plane = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def _weigh_gaussian() -> Plane:
    """The centre and one side of the filter, float32 `[reach + 1]`; all of it adds up to 1."""
    weights = np.exp(-((np.arange(_SMOOTHING_REACH + 1) / _SMOOTHING) ** 2) / 2)
    return np.asarray(weights / (2 * weights.sum() - weights[0]), np.float32)


_WEIGHTS = _weigh_gaussian()


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Key points of one image; none where it shows nothing.

    Attributes:
        points: int16 `[K, 2]`, x and y in pixels.
        descriptors: uint64 `[K, DESCRIPTOR_WORDS]`, 128 bits each.
        sketch: of the whole image; None where it would be large.
    """

    points: npt.NDArray[np.int16]
    descriptors: npt.NDArray[np.uint64]
    sketch: Sketch | None = None


def _draw_pairs() -> Ints:
    """The compared positions `[128, 2, 2]`: of each bit two (y, x), the same in every version."""
    rng = np.random.Generator(np.random.PCG64(2010))
    spread = rng.normal(0.0, _REACH / 2, (64 * DESCRIPTOR_WORDS, 2, 2))
    return np.clip(np.rint(spread), -_REACH, _REACH).astype(np.int64)


_PAIRS = _draw_pairs()


def compute_fingerprint(image: GreyImage) -> Fingerprint:
    """The fingerprint of an image `[H, W]`, uint8; the same image gives the same bits."""
    points = [np.zeros((0, 2), np.int16)]
    descriptors = [np.zeros((0, DESCRIPTOR_WORDS), np.uint64)]
    sketch = None
    for reduction in _REDUCTIONS:
        height, width = (side // reduction for side in image.shape)
        too_large = reduction < max(_REDUCTIONS) and height * width > _MOST_PIXELS
        if too_large or min(height, width) <= 2 * _REACH + _PATCH:
            continue
        fine = _smooth(np.asarray(Image.fromarray(image).reduce(reduction)))
        if reduction == max(_REDUCTIONS):
            sketch = draw_sketch(fine, reduction, _DARKEST_STEEL)
        rows, columns = _find_blobs(_subtract_surround(fine))
        lit = fine[rows, columns] >= _DARKEST_STEEL
        rows, columns = rows[lit], columns[lit]
        points.append((np.stack([columns, rows], axis=1) * reduction).astype(np.int16))
        descriptors.append(_describe(fine, rows, columns))
    return Fingerprint(np.concatenate(points), np.concatenate(descriptors), sketch)


def _smooth(plane: GreyImage) -> Plane:
    """Grey levels under a Gaussian, mirrored at the rim; scipy's takes twice as long."""
    reach = len(_WEIGHTS) - 1
    padded = np.pad(plane, reach, mode="symmetric").astype(np.float32)
    return _smooth_down(_smooth_down(padded).T).T


def _smooth_down(plane: Plane) -> Plane:
    """Along the columns; the reach of the filter is lost at either end."""
    reach = len(_WEIGHTS) - 1
    height = len(plane) - 2 * reach
    smoothed = plane[reach : reach + height] * _WEIGHTS[0]
    for k in range(1, reach + 1):
        pair = plane[reach - k : reach - k + height] + plane[reach + k : reach + k + height]
        smoothed += pair * _WEIGHTS[k]
    return np.asarray(smoothed)


def _subtract_surround(fine: Plane) -> Plane:
    """Each place less the mean of the 7x7 around it; 0 where these leave the plane."""
    around = _add_seven(_add_seven(fine).T).T
    response = np.zeros_like(fine)
    response[3:-3, 3:-3] = fine[3:-3, 3:-3] - around * np.float32(1 / 49)
    return response


def _add_seven(plane: Plane) -> Plane:
    """Sums of each row and the six below it."""
    two = plane[1:] + plane[:-1]
    four = two[2:] + two[:-2]
    return np.asarray(four[:-3] + two[4:-1] + plane[6:])


def _find_blobs(response: Plane) -> tuple[Ints, Ints]:
    """Rows and columns of the strongest blobs, few to a cell, strongest first."""
    strength = np.abs(response)
    rows, columns = _find_peaks(strength)
    is_blob = ~_is_edge(response, rows, columns)
    rows, columns = rows[is_blob], columns[is_blob]
    weakness = -strength[rows, columns]
    cell = rows // _CELL * 2**16 + columns // _CELL
    order = np.lexsort((weakness, cell))
    cell = cell[order]
    kept = np.ones(len(order), np.bool_)
    kept[_MOST_IN_CELL:] = cell[_MOST_IN_CELL:] != cell[:-_MOST_IN_CELL]
    chosen = order[kept]
    chosen = chosen[np.argsort(weakness[chosen], kind="stable")][:_MOST_POINTS]
    return rows[chosen], columns[chosen]


def _find_peaks(strength: Plane) -> tuple[Ints, Ints]:
    """Row and column of what is strong, the largest of its whole patch and of its neighbours.

    By operations on the whole plane: to look each place up costs several times as much.
    """
    inner = strength[_REACH:-_REACH, _REACH:-_REACH]
    down, across = (side // _PATCH for side in inner.shape)
    inner = inner[: down * _PATCH, : across * _PATCH]
    # What may border on a peak, one place more on each side.
    near = strength[_REACH - 1 :, _REACH - 1 :][: inner.shape[0] + 2, : inner.shape[1] + 2]
    around = _largest([near[row : row + inner.shape[0]] for row in range(3)])
    around = _largest([around[:, column : column + inner.shape[1]] for column in range(3)])
    # Not np.nonzero, which takes ten times as long for two axes.
    peaks = np.flatnonzero((inner >= around) & (inner >= _LEAST_RESPONSE))
    rows, columns = np.divmod(peaks, inner.shape[1])
    patches = _largest([inner[row::_PATCH] for row in range(_PATCH)])
    patches = _largest([patches[:, column::_PATCH] for column in range(_PATCH)])
    is_largest = inner[rows, columns] == patches[rows // _PATCH, columns // _PATCH]
    return rows[is_largest] + _REACH, columns[is_largest] + _REACH


def _largest(planes: Sequence[Plane]) -> Plane:
    return np.asarray(reduce(np.maximum, planes))


def _is_edge(response: Plane, rows: Ints, columns: Ints) -> npt.NDArray[np.bool_]:
    """Whether one curvature is many times the other (Lowe 2004, equation 4)."""
    flat, down = response.ravel(), response.shape[1]
    at = rows * down + columns
    here = 2 * flat[at]
    xx = flat[at + 1] + flat[at - 1] - here
    yy = flat[at + down] + flat[at - down] - here
    xy = flat[at + down + 1] + flat[at - down - 1] - flat[at - down + 1] - flat[at + down - 1]
    xy /= 4
    ratio = _LARGEST_CURVATURE_RATIO
    return np.asarray((xx + yy) ** 2 * ratio >= (ratio + 1) ** 2 * (xx * yy - xy * xy))


def _describe(plane: Plane, rows: Ints, columns: Ints) -> npt.NDArray[np.uint64]:
    """Descriptors uint64 `[K, DESCRIPTOR_WORDS]` of the points."""
    start = rows * plane.shape[1] + columns
    first, second = (_PAIRS[:, k, 0] * plane.shape[1] + _PAIRS[:, k, 1] for k in (0, 1))
    flat = plane.ravel()
    bits = flat[start[:, None] + first] < flat[start[:, None] + second]
    return np.packbits(bits, axis=1).view(np.uint64)
