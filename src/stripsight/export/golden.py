"""Images that travel with a bundle, so that any machine can see whether it computes as expected.

They are validation images, as stored (the resize of the input contract is tried too), and between
them show every class and clean steel.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from stripsight.atomic import write_atomically
from stripsight.bundle.manifest import GoldenImage, Precision
from stripsight.bundle.validation import Validation
from stripsight.data.dataset import SeverstalFullImageDataset, choose_subset

FOLDER = "golden"
COUNT = 8

TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "bf16": 0.03, "int8": 0.05}
"""Of a probability (sigmoid of the logit), on another machine. Another CPU adds up in another
order: in fp32 that is a last bit, in bf16 it is 1 in 256 at every layer; of int8 the sums are
exact, but a value beside a rounding limit falls to the other side."""


def choose_golden(dataset: SeverstalFullImageDataset) -> list[int]:
    """Rows of at most `COUNT` images, or one for each class and clean where these are more."""
    wanted = max(COUNT, dataset.labels.shape[1] + 1)
    return choose_subset(dataset.ids, dataset.labels, wanted)


def write_golden(
    folder: Path, dataset: SeverstalFullImageDataset, rows: list[int], validation: Validation
) -> tuple[GoldenImage, ...]:
    """Write the images of `rows` as PNG below `folder`, with what each variant said of them.

    Raises:
        ImageError: an image cannot be decoded.
        OSError: it cannot be written.
    """
    (folder / FOLDER).mkdir()
    images = []
    for number, row in enumerate(rows, start=1):
        name = f"{FOLDER}/{number:02d}.png"
        buffer = io.BytesIO()
        Image.fromarray(dataset.read_stored(row)).save(buffer, "PNG")
        write_atomically(folder / name, buffer.getvalue())
        said = {variant: _as_floats(rows_[row]) for variant, rows_ in validation.logits.items()}
        images.append(GoldenImage(name, said))
    return tuple(images)


def _as_floats(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, ...]:
    return tuple(float(value) for value in logits)
