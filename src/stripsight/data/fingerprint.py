"""A small fingerprint of an image by which look-alikes are found before pixels are compared.

Key points and binary descriptors rather than one hash of the whole image: neighbouring frames share
only a part, and a text box changes only a part. What a match of fingerprints is worth, only the
pixels decide (`duplicates.py`).

Key points are blobs: extrema of a difference of Gaussians that are no edges (Lowe 2004,
"Distinctive image features from scale-invariant keypoints", section 4), spread over the image by
taking the strongest of each cell. Descriptors are comparisons of brightness between pairs of
smoothed pixels around the point (BRIEF: Calonder et al. 2010): a change of brightness that keeps
the order changes no bit. Scale and rotation are left out: a line's camera does not move.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from stripsight.imaging import GreyImage

REDUCTION = 4
"""Pixels of the image to a pixel of the plane on which key points are sought."""
DESCRIPTOR_WORDS = 2
"""64-bit words to a descriptor."""

_MOST_POINTS = 48
_CELL = 12
_REACH = 7  # of a descriptor from its point; nearer to the image's rim there is no point
_FINE, _COARSE = 1.0, 2.0  # standard deviations of the two Gaussians
_LEAST_RESPONSE = 0.8  # grey levels: weaker blobs are noise and compression
_LARGEST_CURVATURE_RATIO = 10.0

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Key points of one image, at most 48; none where it shows nothing.

    Attributes:
        points: int16 `[K, 2]`, x and y in units of `REDUCTION` pixels.
        descriptors: uint64 `[K, DESCRIPTOR_WORDS]`, 128 bits each.
    """

    points: npt.NDArray[np.int16]
    descriptors: npt.NDArray[np.uint64]


def _draw_pairs() -> npt.NDArray[np.int64]:
    """The compared positions `[128, 2, 2]`: of each bit two (y, x), the same in every version."""
    rng = np.random.Generator(np.random.PCG64(2010))
    spread = rng.normal(0.0, _REACH / 2, (64 * DESCRIPTOR_WORDS, 2, 2))
    return np.clip(np.rint(spread), -_REACH, _REACH).astype(np.int64)


_PAIRS = _draw_pairs()


def compute_fingerprint(image: GreyImage) -> Fingerprint:
    """The fingerprint of an image `[H, W]`, uint8; the same image gives the same bits."""
    plane = _reduce(image)
    if min(plane.shape) <= 2 * _REACH + 2:
        return _EMPTY
    fine = ndimage.gaussian_filter(plane, _FINE, truncate=3.0)
    response = fine - ndimage.gaussian_filter(plane, _COARSE, truncate=3.0)
    rows, columns = _find_blobs(response)
    return Fingerprint(
        points=np.stack([columns, rows], axis=1).astype(np.int16),
        descriptors=_describe(fine, rows, columns),
    )


_EMPTY = Fingerprint(np.zeros((0, 2), np.int16), np.zeros((0, DESCRIPTOR_WORDS), np.uint64))


def _reduce(image: GreyImage) -> Plane:
    if min(image.shape) < REDUCTION:
        return np.zeros((1, 1), np.float32)
    return np.asarray(Image.fromarray(image).reduce(REDUCTION), np.float32)


def _find_blobs(
    response: Plane,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of the strongest blobs, at most one a cell, strongest first."""
    rows, columns = _find_cell_peaks(np.abs(response))
    height, width = response.shape
    inside = (
        (rows >= _REACH)
        & (rows < height - _REACH)
        & (columns >= _REACH)
        & (columns < width - _REACH)
    )
    rows, columns = rows[inside], columns[inside]
    around = np.abs(response[rows[:, None] + _RING_Y, columns[:, None] + _RING_X])
    strength = around[:, 4]
    is_peak = (strength >= around.max(axis=1)) & (strength >= _LEAST_RESPONSE)
    kept = is_peak & ~_is_edge(response, rows, columns)
    order = np.flatnonzero(kept)[np.argsort(-strength[kept], kind="stable")][:_MOST_POINTS]
    return rows[order], columns[order]


_RING_Y, _RING_X = (offset.ravel() - 1 for offset in np.indices((3, 3)))


def _find_cell_peaks(strength: Plane) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column of the largest value of each whole cell."""
    height, width = (side - side % _CELL for side in strength.shape)
    cells = strength[:height, :width].reshape(height // _CELL, _CELL, width // _CELL, _CELL)
    flat = cells.transpose(0, 2, 1, 3).reshape(-1, _CELL * _CELL)
    best = flat.argmax(axis=1)
    cell_row, cell_column = np.divmod(np.arange(len(flat)), width // _CELL)
    return cell_row * _CELL + best // _CELL, cell_column * _CELL + best % _CELL


def _is_edge(
    response: Plane, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether one curvature is many times the other (Lowe 2004, equation 4)."""
    here = 2 * response[rows, columns]
    xx = response[rows, columns + 1] + response[rows, columns - 1] - here
    yy = response[rows + 1, columns] + response[rows - 1, columns] - here
    xy = (
        response[rows + 1, columns + 1]
        + response[rows - 1, columns - 1]
        - response[rows + 1, columns - 1]
        - response[rows - 1, columns + 1]
    ) / 4
    ratio = _LARGEST_CURVATURE_RATIO
    return np.asarray((xx + yy) ** 2 * ratio >= (ratio + 1) ** 2 * (xx * yy - xy * xy))


def _describe(
    plane: Plane, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Descriptors uint64 `[K, DESCRIPTOR_WORDS]` of the points."""
    start = rows * plane.shape[1] + columns
    first, second = (_PAIRS[:, k, 0] * plane.shape[1] + _PAIRS[:, k, 1] for k in (0, 1))
    flat = plane.ravel()
    bits = flat[start[:, None] + first] < flat[start[:, None] + second]
    return np.packbits(bits, axis=1).view(np.uint64)
