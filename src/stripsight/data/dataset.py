"""Full strip images with multi-label targets, for any PyTorch training loop.

`SeverstalFullImageDataset` works for every prepared data set; Severstal's is only the first. It
yields whole images, never a centre crop, and leaves normalisation to the network. How images are
put into parts is `splits/`'s business, how they are varied `transforms.py`'s.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, Self, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from stripsight.data.mask_table import MaskTable, build_mask_table
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.splits.choice import DEFAULT_SPLIT
from stripsight.data.splits.store import load_split
from stripsight.errors import DataError
from stripsight.imaging import GreyImage, read_grey, resize_grey
from stripsight.labels import ClassList


class StripSample(TypedDict):
    """One image of a data set.

    Attributes:
        image: uint8 `[1, H, W]`, or `[3, H, W]` of three equal channels with `rgb=True`.
        target: float32 `[C]`, 1 where the class is on the image.
        id: the image's id in the data set.
        mask: uint8 `[C, H, W]` of 0 and 1; only with `masks=True`.
        mask_known: uint8 `[C]`; 0 where the class is on the image but nobody drew where, so that
            its zeros in `mask` say nothing. Only with `masks=True`.
    """

    image: torch.Tensor
    target: torch.Tensor
    id: str
    mask: NotRequired[torch.Tensor]
    mask_known: NotRequired[torch.Tensor]


class SeverstalFullImageDataset(Dataset[StripSample]):
    """The labelled images of a prepared data set, or of one part of a split of it.

    Args:
        root: folder of the prepared data set, or the data set itself.
        split: part of the split to take, `train`, `validation` or `test`; None takes every
            labelled image.
        split_name: which stored split `split` is a part of.
        ids: take exactly these images, in data-set order; not together with `split`.
        rgb: three equal channels instead of one.
        masks: yield `mask` and `mask_known` too. Masks and boxes have pixels; a class known only
            by its presence has none and `mask_known` 0.
        transform: called with the image (`tv_tensors.Image`), or with image and mask
            (`tv_tensors.Mask`) when `masks=True`; returns the same.
        image_size: (height, width) in pixels to resize to, as given: Pillow's bilinear filter with
            antialiasing for images, nearest neighbour for masks. None keeps the pixels.
        limit: at most so many images, see `choose_subset`.
        missing: `error` refuses images that are not on disk, `skip` leaves them out.

    Attributes:
        classes: in column order.
        ids: of the images taken, N strings.
        labels: uint8 `[N, C]`.
        skipped: how many images were left out because they are not on disk.

    Raises:
        DatasetError: `root` is no whole prepared data set.
        SplitError: the split is not there or does not fit the data set.
        DataError: an id without known labels, or images that are not on disk.
        ImageError: on access, a file that cannot be decoded or whose size is not the recorded one;
            it names the file.
    """

    def __init__(
        self,
        root: Path | str | PreparedDataset,
        split: str | None = None,
        *,
        split_name: str | None = DEFAULT_SPLIT,
        ids: Sequence[str] | None = None,
        rgb: bool = False,
        masks: bool = False,
        transform: Callable[..., Any] | None = None,
        image_size: tuple[int, int] | None = None,
        limit: int | None = None,
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        if split is not None and ids is not None:
            raise DataError("give a part of a split or a list of ids, not both")
        if image_size is not None and min(image_size) < 1:
            raise DataError(f"image size {image_size}: height and width must be at least 1")
        prepared = root if isinstance(root, PreparedDataset) else load_prepared(root)
        if split is not None:
            ids = load_split(prepared, split_name or DEFAULT_SPLIT).ids(split)
        table = prepared.labelled_images
        rows = _find_rows(table["id"].tolist(), ids)
        files = [str(name) for name in table["file"].iloc[rows]]
        present = _check_files(prepared.image_root, files, missing)
        labels = prepared.label_matrix()[rows]
        names = [str(name) for name in table["id"].iloc[rows]]
        chosen = choose_subset([names[i] for i in present], labels[present], limit)
        taken = [present[i] for i in chosen]

        self.classes: ClassList = prepared.classes
        self.ids: list[str] = [names[i] for i in taken]
        self.labels: npt.NDArray[np.uint8] = labels[taken]
        self.skipped: int = len(rows) - len(present)
        self.rgb = rgb
        self.transform = transform
        self.image_size = image_size
        self._image_root = prepared.image_root
        # One array of fixed-width strings, not a list: forked workers then share its pages.
        self._files = np.array([files[i] for i in taken], dtype=np.str_)
        sizes = table[["height", "width"]].to_numpy(dtype=np.int32)
        self._sizes = sizes[rows][taken].reshape(-1, 2)
        self._masks: MaskTable | None = (
            build_mask_table(self.ids, prepared.annotations, prepared.classes) if masks else None
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> StripSample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        row = index % len(self)
        grey = self.read_stored(row)
        height, width = grey.shape
        image = torch.from_numpy(self.resize(grey)).unsqueeze(0)
        if self.rgb:
            image = image.repeat(3, 1, 1)
        sample: StripSample = {
            "image": image,
            "target": torch.from_numpy(self.labels[row].astype(np.float32)),
            "id": self.ids[row],
        }
        if self._masks is None:
            if self.transform is not None:
                sample["image"] = _as_plain(self.transform(tv_tensors.Image(image)))
            return sample
        mask = self._read_mask(self._masks, row, height, width)
        if self.transform is not None:
            varied = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
            sample["image"], mask = _as_plain(varied[0]), _as_plain(varied[1])
        sample["mask"] = mask
        sample["mask_known"] = torch.from_numpy(self._masks.known[row].copy())
        return sample

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The different (height, width) of the stored images, sorted."""
        return sorted({(int(h), int(w)) for h, w in self._sizes})

    def path(self, index: int) -> Path:
        """File of image `index`."""
        return self._image_root / str(self._files[index])

    def read_masks(self, index: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """`mask` and `mask_known` of image `index` without its pixels, and without transform.

        Raises:
            DataError: the data set was made without masks, or a stored mask is damaged.
        """
        if self._masks is None:
            raise DataError("the data set was made without masks: make it with masks=True")
        height, width = (int(side) for side in self._sizes[index])
        mask = self._read_mask(self._masks, index, height, width)
        return mask.numpy(), self._masks.known[index].copy()

    def with_transform(self, transform: Callable[..., Any] | None) -> Self:
        """The same images with another transform; everything else is shared."""
        other = copy.copy(self)
        other.transform = transform
        return other

    def read_stored(self, index: int) -> GreyImage:
        """The pixels of image `index` as they are in its file, uint8 `[H, W]`.

        Raises:
            ImageError: the file cannot be decoded, or its size is not the recorded one.
        """
        height, width = (int(side) for side in self._sizes[index])
        return read_grey(self.path(index), expected_size=(height, width))

    def resize(self, grey: GreyImage) -> GreyImage:
        """A stored image in the size that the samples have."""
        return grey if self.image_size is None else resize_grey(grey, self.image_size)

    def _read_mask(self, table: MaskTable, row: int, height: int, width: int) -> torch.Tensor:
        try:
            mask = torch.from_numpy(table.decode(row, height, width))
        except DataError as error:
            raise DataError(f"image {self.ids[row]}: {error}") from error
        if self.image_size is None or (height, width) == self.image_size:
            return mask
        # Exact nearest: the plain one is half a pixel off the image's filter.
        nearest = InterpolationMode.NEAREST_EXACT
        resized: torch.Tensor = F.resize(mask, list(self.image_size), interpolation=nearest)
        return resized


def choose_subset(
    ids: Sequence[str], labels: npt.NDArray[np.uint8], limit: int | None
) -> list[int]:
    """Rows of a small subset that keeps rare classes, ascending.

    The classes and "clean" take turns, the rarest first; at its turn each takes its next image in
    the order of the ids' sha256. So the subset depends on nothing but ids and labels, a smaller
    limit gives a part of a larger one's, and every class is there from `limit` C + 1 on. Rare
    classes are more frequent in it than in the data: for quick runs, not for figures.

    Args:
        ids: N image ids.
        labels: uint8 `[N, C]`.
        limit: how many rows; None takes all.

    Raises:
        DataError: `limit` is below 1.
    """
    if limit is None:
        return list(range(len(ids)))
    if limit < 1:
        raise DataError(f"limit {limit}: at least one image is needed")
    order = sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest())
    clean = labels.sum(axis=1, keepdims=True) == 0
    columns = np.concatenate([labels.astype(bool), clean], axis=1)
    queues = [
        [row for row in order if columns[row, column]]
        for column in np.argsort(columns.sum(axis=0), kind="stable")
    ]
    turns = [iter(queue) for queue in queues]
    chosen: set[int] = set()
    wanted = min(limit, len(ids))
    while len(chosen) < wanted:
        for turn in turns:
            row = next((row for row in turn if row not in chosen), None)
            if row is not None and len(chosen) < wanted:
                chosen.add(row)
    return sorted(chosen)


def _find_rows(known: list[str], ids: Sequence[str] | None) -> list[int]:
    if ids is None:
        return list(range(len(known)))
    row_of = {name: row for row, name in enumerate(known)}
    unknown = [name for name in ids if name not in row_of]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(ids)} ids are no labelled image of the data set,"
            f" the first is {unknown[0]!r}"
        )
    if len(set(ids)) != len(ids):
        raise DataError(f"{len(ids) - len(set(ids))} ids are given twice")
    return sorted(row_of[name] for name in ids)


def _check_files(image_root: Path, files: list[str], missing: str) -> list[int]:
    present = [row for row, name in enumerate(files) if (image_root / name).is_file()]
    absent = len(files) - len(present)
    if absent and missing != "skip":
        first = min(set(range(len(files))) - set(present))
        raise DataError(
            f"{absent} of {len(files)} images are not on disk, the first is"
            f" {image_root / files[first]}: put them there or leave them out (data.missing=skip; of"
            " a run already trained, in its config.yaml)"
        )
    return present


def _as_plain(tensor: torch.Tensor) -> torch.Tensor:
    # A tv_tensor in a batch would run every later operation through Python's dispatch.
    return tensor.as_subclass(torch.Tensor)
