"""The masks of a data set, packed for many worker processes.

Run-length strings stay strings until an image is asked for, but as one byte buffer: a table of
Python strings would be copied into every worker, reference count by reference count. What a string
means is `rle.py`'s business.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stripsight.data.rle import decode_mask
from stripsight.errors import DataError, RunLengthError
from stripsight.labels import ClassList


@dataclass(frozen=True)
class MaskTable:
    """Masks of N images, packed.

    Attributes:
        text: uint8, all run-length strings one after another.
        ends: int64 `[A]`, where each string ends in `text`.
        columns: int32 `[A]`, class column of each string.
        first_of_image: int64 `[N + 1]`, the strings of image i are `first[i]:first[i + 1]`.
        known: uint8 `[N, C]`, 0 where a class is on the image but nobody drew where.
    """

    text: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    first_of_image: npt.NDArray[np.int64]
    known: npt.NDArray[np.uint8]

    def decode(self, row: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Masks of one image, uint8 `[C, H, W]` of 0 and 1; zeros where `known` is 0.

        Raises:
            DataError: a stored string describes no mask of this size.
        """
        masks = np.zeros((self.known.shape[1], height, width), dtype=np.uint8)
        for item in range(self.first_of_image[row], self.first_of_image[row + 1]):
            start = self.ends[item - 1] if item else 0
            text = self.text[start : self.ends[item]].tobytes().decode()
            try:
                masks[self.columns[item]] |= decode_mask(text, height, width)
            except RunLengthError as error:
                raise DataError(f"mask of class column {self.columns[item]}: {error}") from error
        return masks


def build_mask_table(ids: list[str], annotations: pd.DataFrame, classes: ClassList) -> MaskTable:
    """Pack the annotations of the images `ids`; masks and boxes have pixels, presence has none."""
    row_of = {name: row for row, name in enumerate(ids)}
    known = np.ones((len(ids), len(classes)), dtype=np.uint8)
    packed: list[tuple[int, int, bytes]] = []
    for image_id, class_id, kind, rle in zip(
        annotations["image_id"],
        annotations["class_id"],
        annotations["kind"],
        annotations["rle"],
        strict=True,
    ):
        if image_id not in row_of:
            continue
        row, column = row_of[image_id], classes.column_of[int(class_id)]
        if kind == "presence" or pd.isna(rle):
            known[row, column] = 0
        else:
            packed.append((row, column, str(rle).encode()))
    packed.sort(key=lambda item: item[:2])
    rows = np.array([row for row, _, _ in packed], dtype=np.int64)
    return MaskTable(
        text=np.frombuffer(b"".join(text for _, _, text in packed), dtype=np.uint8),
        ends=np.cumsum([len(text) for _, _, text in packed], dtype=np.int64),
        columns=np.array([column for _, column, _ in packed], dtype=np.int32),
        first_of_image=np.searchsorted(rows, np.arange(len(ids) + 1)).astype(np.int64),
        known=known,
    )
