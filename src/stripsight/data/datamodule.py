"""Data loaders for training and evaluation, the same batches every time.

Everything random in an epoch follows from (seed, epoch) alone: the order from a fresh generator,
each image's augmentation from a seed of its own. So a resumed run sees exactly the batches of an
uninterrupted one, and the number of workers changes nothing. The Trainer must reload the training
loader each epoch (`reload_dataloaders_every_n_epochs=1`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from stripsight.data.dataset import SeverstalFullImageDataset, StripSample
from stripsight.data.pooled_loader import PooledLoader
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.splits.choice import DEFAULT_SPLIT, take_split
from stripsight.data.splits.store import PARTS, Split
from stripsight.data.transforms import AugmentationSettings, build_augmentation
from stripsight.errors import DataError, SplitError
from stripsight.labels import ClassList


class StripDataModule(lightning.LightningDataModule):
    """The three parts of a prepared data set as data loaders.

    Batches are dictionaries of stacked `StripSample`s; `id` becomes a list. Training drops an
    incomplete last batch when there is more than one batch (batch normalisation cannot train on
    what may be a single image); fewer images than `batch_size` make one smaller batch. The other
    loaders keep every image in data-set order and never augment.

    Args:
        root: folder of the prepared data set, or the data set itself.
        split: name of the split. A stored split is taken as it is; an absent one is made from
            `fractions` and `split_seed` and stored, or only kept in memory (one log line) where
            the folder is read-only.
        fractions: of train, validation and test for a split that is made.
        split_seed: likewise.
        image_size: (height, width) in pixels; None keeps the images' own, which must then be one.
        batch_size: images a batch.
        num_workers: processes that load; 0 loads in this one. Each runs one thread.
        augmentation: of training images; None for none.
        masks: yield `mask` and `mask_known` too.
        limit: at most so many images in each part, see `choose_subset`.
        missing: `error` refuses images that are not on disk, `skip` leaves them out.
        leaks: `refuse` a stored split with look-alikes in two parts, or only `warn` of it; one made
            by random is never refused.
        seed: of order and augmentation.

    Attributes:
        prepared: the data set, after `setup`.
        split: the split, after `setup`.
        datasets: the images of each part without augmentation, after `setup`.
    """

    def __init__(
        self,
        root: Path | str | PreparedDataset,
        *,
        split: str = DEFAULT_SPLIT,
        fractions: Sequence[float] = (0.7, 0.15, 0.15),
        split_seed: int = 0,
        image_size: tuple[int, int] | None = None,
        batch_size: int = 16,
        num_workers: int = 0,
        augmentation: AugmentationSettings | None = None,
        masks: bool = False,
        limit: int | None = None,
        missing: Literal["error", "skip"] = "error",
        leaks: Literal["refuse", "warn"] = "refuse",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise DataError(f"batch size {batch_size}: at least 1 is needed")
        if num_workers < 0:
            raise DataError(f"number of workers {num_workers}: 0 or more are needed")
        self.root = root
        self.split_name = split
        self.fractions = tuple(fractions)
        self.split_seed = split_seed
        self.requested_size = image_size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augmentation = augmentation
        self.masks = masks
        self.limit = limit
        self.missing = missing
        self.leaks = leaks
        self.seed = seed
        self.prepared: PreparedDataset
        self.split: Split
        self.datasets: dict[str, SeverstalFullImageDataset] = {}

    def setup(self, stage: str | None = None) -> None:
        """Load data set and split; a second call does nothing.

        Raises:
            DatasetError: `root` is no whole prepared data set.
            SplitError: the split is damaged, leaks or cannot be made, or a part has no image on
                disk.
            DataError: images that are not on disk, or of several sizes without `image_size`.
        """
        if self.datasets:
            return
        given = self.root
        self.prepared = given if isinstance(given, PreparedDataset) else load_prepared(given)
        self.split = take_split(
            self.prepared,
            self.split_name,
            fractions=self.fractions,
            seed=self.split_seed,
            leaks=self.leaks,
        )
        datasets = {
            part: SeverstalFullImageDataset(
                self.prepared,
                ids=self.split.ids(part),
                masks=self.masks,
                image_size=self.requested_size,
                limit=self.limit,
                missing=self.missing,
            )
            for part in PARTS
        }
        _check_parts(self.split, datasets)
        if self.requested_size is None:
            _check_one_size(datasets)
        self.datasets = datasets

    @property
    def classes(self) -> ClassList:
        """In column order."""
        return self.prepared.classes

    @property
    def train_labels(self) -> npt.NDArray[np.uint8]:
        """uint8 `[N, C]` of the training images, for class weights."""
        return self.datasets["train"].labels

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the images in the batches."""
        return self.requested_size or self.datasets["train"].sizes[0]

    def train_dataloader(self) -> DataLoader[StripSample]:
        """The training batches of the Trainer's current epoch; of epoch 0 without a Trainer."""
        return self.train_loader(self.trainer.current_epoch if self.trainer is not None else 0)

    def val_dataloader(self) -> DataLoader[StripSample]:
        """The validation batches."""
        return self.loader_for("validation")

    def test_dataloader(self) -> DataLoader[StripSample]:
        """The test batches."""
        return self.loader_for("test")

    def train_loader(self, epoch: int) -> DataLoader[StripSample]:
        """The training batches of `epoch`, shuffled and augmented."""
        dataset = self.datasets["train"]
        if self.augmentation is not None and not self.augmentation.is_identity:
            dataset = dataset.with_transform(build_augmentation(self.augmentation))
        return self._load(
            SeededEpoch(dataset, self.seed, epoch),
            self.batch_size,
            generator=build_generator(self.seed, epoch),
            sampler=SeededShuffle(len(dataset), self.seed, epoch),
            drop_last=len(dataset) > self.batch_size,
        )

    def loader_for(self, part: str, batch_size: int | None = None) -> DataLoader[StripSample]:
        """Every image of a part once, in data-set order, not augmented.

        Raises:
            SplitError: `part` is no part.
        """
        if part not in self.datasets:
            raise SplitError(f"part {part!r} does not exist: choose {', '.join(PARTS)}")
        return self._load(
            self.datasets[part], batch_size or self.batch_size, generator=build_generator(self.seed)
        )

    def _load(
        self,
        dataset: Dataset[StripSample],
        batch_size: int,
        *,
        generator: torch.Generator,
        **options: Any,
    ) -> DataLoader[StripSample]:
        # A generator even where nothing is random: without one the loader draws from the global
        # generator and so changes what the network draws next.
        loader = PooledLoader(
            dataset,
            batch_size=batch_size,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            generator=generator,
            **options,
        )
        height, width = self.image_size
        loader.pooled_shapes = {"image": (1, height, width)}
        if self.masks:
            loader.pooled_shapes["mask"] = (len(self.classes), height, width)
        return loader


class SeededEpoch(Dataset[StripSample]):
    """A data set whose every image draws its augmentation from (seed, epoch, image) alone."""

    def __init__(self, dataset: SeverstalFullImageDataset, seed: int, epoch: int) -> None:
        self.dataset = dataset
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> StripSample:
        if self.dataset.transform is None:
            return self.dataset[index]
        # Not torch.manual_seed: that would reseed the accelerator's generators as well.
        generator = torch.default_generator
        state = generator.get_state()
        generator.manual_seed(_mix(self.seed, self.epoch, index))
        try:
            return self.dataset[index]
        finally:
            generator.set_state(state)


class SeededShuffle(Sampler[int]):
    """An order that depends on (seed, epoch) alone, however often it is asked for.

    Lightning begins some epochs' loaders twice; a shuffle that draws from a generator it keeps
    would then give another order, and another again after a resume.
    """

    def __init__(self, length: int, seed: int, epoch: int) -> None:
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        generator = build_generator(self.seed, self.epoch)
        yield from torch.randperm(self.length, generator=generator).tolist()


def build_generator(seed: int, epoch: int = 0) -> torch.Generator:
    """A fresh CPU generator that depends on (seed, epoch) alone."""
    return torch.Generator().manual_seed(_mix(seed, epoch))


def _mix(*numbers: int) -> int:
    # Sums such as seed + epoch would give run 0's second epoch to run 1 as its first.
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _check_parts(split: Split, datasets: dict[str, SeverstalFullImageDataset]) -> None:
    for part, dataset in datasets.items():
        if not len(dataset):
            raise SplitError(
                f"split {split.name!r} leaves no image for {part}"
                + (f" ({dataset.skipped} are not on disk)" if dataset.skipped else "")
            )


def _check_one_size(datasets: dict[str, SeverstalFullImageDataset]) -> None:
    sizes = sorted({size for dataset in datasets.values() for size in dataset.sizes})
    if len(sizes) > 1:
        shown = ", ".join(f"{height}x{width}" for height, width in sizes[:4])
        raise DataError(
            f"the images have {len(sizes)} sizes ({shown}{', ...' if len(sizes) > 4 else ''},"
            " height x width): choose one with data.image_size"
        )
