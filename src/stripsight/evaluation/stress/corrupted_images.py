"""A part's images under every corruption, and what a network says of them.

Each image is decoded once; the stored image is corrupted, then resized as its data set does, so the
network sees what it would see behind such a camera.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from stripsight.data.datamodule import build_generator
from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.data.pooled_loader import PooledLoader
from stripsight.errors import EvaluationError
from stripsight.evaluation.stress.corruptions import LEVELS, Corruption, corrupt_image
from stripsight.models.network import DefectNetwork

ReportProgress = Callable[[int, int], None]
"""Called with images done and images in all, corrupted ones counted."""


class CorruptedImages(Dataset[torch.Tensor]):
    """Each image as it is and under every corruption at every level: uint8 `[1 + 5 K, 1, H, W]`.

    Args:
        dataset: its transform is not used.
        corruptions: K of them.
        seed: of all chance.
    """

    def __init__(
        self, dataset: SeverstalFullImageDataset, corruptions: Sequence[Corruption], seed: int
    ) -> None:
        self.dataset = dataset
        self.corruptions = tuple(corruptions)
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> torch.Tensor:
        stored = self.dataset.read_stored(index)
        variants = [stored] + [
            corrupt_image(
                stored, corruption, level, image_id=self.dataset.ids[index], seed=self.seed
            )
            for corruption in self.corruptions
            for level in range(1, LEVELS + 1)
        ]
        resized = np.stack([self.dataset.resize(image) for image in variants])
        return torch.from_numpy(resized).unsqueeze(1)


def predict_corrupted(
    network: DefectNetwork,
    dataset: SeverstalFullImageDataset,
    corruptions: Sequence[Corruption],
    *,
    seed: int,
    batch_size: int,
    num_workers: int,
    device: torch.device,
    report_progress: ReportProgress = lambda done, total: None,
) -> npt.NDArray[np.float32]:
    """Logits float32 `[1 + 5 K, N, C]`: as they are, then each corruption's levels in turn.

    Args:
        network: on `device`; it is put into evaluation mode.
        dataset: N images.
        corruptions: K of them.
        seed: of all chance.
        batch_size: images that the network takes at once.
        num_workers: processes that decode and corrupt; 0 does it in this one.
        device: where the network lies.
        report_progress: see `ReportProgress`.

    Raises:
        ImageError: a file that cannot be decoded.
        EvaluationError: an output is not finite; it names image and corruption.
    """
    network.eval()
    loader = PooledLoader(
        # The loader only hands on what it loads; its type knows samples.
        cast(Any, CorruptedImages(dataset, corruptions, seed)),
        batch_size=None,
        num_workers=num_workers,
        generator=build_generator(seed),
    )
    variants = 1 + LEVELS * len(corruptions)
    logits = np.empty((variants, len(dataset), len(dataset.classes)), dtype=np.float32)
    with torch.inference_mode():
        for row, images in enumerate(loader):
            found = torch.cat(
                [
                    network(batch.to(device)).logits.float().cpu()
                    for batch in images.split(batch_size)
                ]
            ).numpy()
            wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
            if len(wrong):
                which = _name_variant(int(wrong[0]), corruptions)
                raise EvaluationError(
                    f"the network's output for {dataset.ids[row]} {which} is not finite: the"
                    " weights are damaged; evaluate another checkpoint"
                )
            logits[:, row] = found
            report_progress((row + 1) * variants, len(dataset) * variants)
    return logits


def _name_variant(variant: int, corruptions: Sequence[Corruption]) -> str:
    if variant == 0:
        return "without corruption"
    number, level = divmod(variant - 1, LEVELS)
    return f"under {corruptions[number].name}, level {level + 1},"
