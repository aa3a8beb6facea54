"""From which heat on a piece of a heatmap gets a box: one level a class, fitted on masks.

Networks are not equally sure of their places, and a class that is seldom drawn stays cool
everywhere: one level for all would leave it without boxes. How well the boxes fit on images that
nobody fitted on is what the report's places say.
"""

import numpy as np

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.decision.places import upsample_map
from stripsight.evaluation.localisation.measures import (
    Counts,
    Scale,
    count_steps,
    find_best_step,
)
from stripsight.evaluation.localisation.tally import ClassMaps, read_located

_LEAST = float(np.finfo(np.float64).eps)


def fit_box_levels(
    dataset: SeverstalFullImageDataset, class_maps: ClassMaps
) -> tuple[float | None, ...]:
    """The heat at which the mean Dice over the images that show a class is highest.

    Args:
        dataset: of validation, with masks.
        class_maps: logits, float32 `[N, C, h, w]` in its order.

    Returns:
        One a class, between 0 and 1; None where no image of it has a mask or box.

    Raises:
        DataError: a stored mask is damaged.
    """
    columns = range(class_maps.shape[1])
    scales = [Scale(float(class_maps[:, c].min()), float(class_maps[:, c].max())) for c in columns]
    counted: list[list[tuple[Counts, Counts]]] = [[] for _ in columns]
    for row in np.flatnonzero(dataset.labels.any(axis=1)).tolist():
        for column, mask in read_located(dataset, row):
            if mask.any():
                logits = upsample_map(class_maps[row, column], mask.shape)
                steps = scales[column].find_steps(logits)
                counted[column].append((count_steps(steps), count_steps(steps, mask)))
    return tuple(
        _find_best(scale, of_class) if of_class else None
        for scale, of_class in zip(scales, counted, strict=True)
    )


def _find_best(scale: Scale, counted: list[tuple[Counts, Counts]]) -> float:
    counts, inside = (np.stack(side) for side in zip(*counted, strict=True))
    best = scale.heat(find_best_step(counts, inside))
    # Logits far out have a heat of just 0 or 1, which is no level.
    return min(max(best, _LEAST), 1 - _LEAST)
