"""Whether Grad-CAM, which knows nothing of the class maps, sees the defects in the same places."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.evaluation.gradcam import compute_agreement, compute_gradcam
from stripsight.evaluation.localisation.tally import ClassMaps
from stripsight.models.network import DefectNetwork


@dataclass(frozen=True)
class Agreement:
    """Rank correlation of class map and Grad-CAM of one class: mean over `images` that show it."""

    name: str
    images: int
    correlation: float | None


def measure_agreement(
    network: DefectNetwork,
    dataset: SeverstalFullImageDataset,
    class_maps: ClassMaps,
    *,
    device: torch.device,
    most: int = 32,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Agreement, ...]:
    """Compare the two maps on the first `most` images of each class; masks are not needed.

    Args:
        network: on `device`.
        dataset: of the part, without transform.
        class_maps: `[N, C, h, w]` in its order.
        device: where the network lies.
        most: images a class; Grad-CAM takes a backward pass for each class.
        report_progress: takes (images done, images in all).

    Raises:
        ModelError: the backbone has no stage that Grad-CAM can listen to.
    """
    chosen = [np.flatnonzero(column)[:most].tolist() for column in dataset.labels.T]
    found: list[list[float]] = [[] for _ in chosen]
    shown = sorted({row for rows in chosen for row in rows})
    for done, row in enumerate(shown, start=1):
        cams = compute_gradcam(network, dataset[row]["image"][None].to(device))[0]
        for column, rows in enumerate(chosen):
            if row in rows:
                found[column].append(compute_agreement(class_maps[row, column], cams[column]))
        report_progress(done, len(shown))
    return tuple(
        Agreement(name, len(values), float(np.mean(values)) if values else None)
        for name, values in zip(dataset.classes.names, found, strict=True)
    )
