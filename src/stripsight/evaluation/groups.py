"""Groups of look-alike images: what counts as one observation wherever chance is reckoned with."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stripsight.data.prepared import PreparedDataset
from stripsight.errors import EvaluationError

Groups = npt.NDArray[np.int64]
"""`[N]`: images of one duplicate group share a number."""


def find_groups(dataset: PreparedDataset, ids: Sequence[str]) -> Groups:
    """The duplicate group of each image, int64 `[N]`, as the data set has them now.

    Raises:
        EvaluationError: the data set holds no such image.
    """
    images = dataset.images
    group_of = dict(zip(images["id"], images["duplicate_group"].tolist(), strict=True))
    try:
        return np.array([group_of[image_id] for image_id in ids], dtype=np.int64)
    except KeyError as error:
        raise EvaluationError(
            f"{dataset.root} holds no image {error.args[0]!r}: evaluate the run again"
        ) from error
