import csv
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from stripsight.data.dataset import SeverstalFullImageDataset, choose_subset
from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    save_prepared,
)
from stripsight.data.splits.store import make_split, save_split
from stripsight.errors import DataError, DatasetError, ImageError, SplitError
from stripsight.imaging import read_grey
from stripsight.labels import SEVERSTAL

SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "severstal_sample"


def blob(top, left, height=16, width=40):
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + 5, left : left + 7] = 1
    return mask


def test_pixels_targets_and_ids(make_prepared):
    prepared = make_prepared([{1: blob(2, 3), 3: blob(8, 20)}, {}, {2: "presence"}])
    dataset = SeverstalFullImageDataset(prepared.root)

    assert dataset.ids == ["000.jpg", "001.jpg", "002.jpg"]
    assert dataset.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert dataset.labels.dtype == np.uint8
    assert dataset.classes == prepared.classes
    for sample, image_id in zip(dataset, dataset.ids, strict=True):
        assert set(sample) == {"image", "target", "id"}
        assert (sample["id"], sample["image"].dtype) == (image_id, torch.uint8)
        # The files hold three equal channels, so libjpeg's luma is Pillow's grey.
        with Image.open(prepared.image_root / image_id) as file:
            file.draft("L", file.size)
            reference = np.array(file.convert("L"))
        np.testing.assert_array_equal(sample["image"].numpy(), reference[None])
    assert dataset[0]["target"].tolist() == [1, 0, 1]
    assert dataset[0]["target"].dtype == torch.float32
    assert dataset[-1]["id"] == "002.jpg"
    with pytest.raises(IndexError):
        dataset[3]


def test_rgb_has_three_equal_channels(make_prepared):
    prepared = make_prepared([{}, {}])
    grey = SeverstalFullImageDataset(prepared)[1]["image"]
    rgb = SeverstalFullImageDataset(prepared, rgb=True)[1]["image"]
    assert rgb.shape == (3, 16, 40)
    assert rgb.is_contiguous()
    assert all(torch.equal(channel, grey[0]) for channel in rgb)


def test_masks_of_every_kind(make_prepared):
    prepared = make_prepared(
        [{1: blob(2, 3), 2: "box", 3: "presence"}, {}, {3: blob(9, 30), 1: blob(0, 0)}]
    )
    dataset = SeverstalFullImageDataset(prepared, masks=True)

    first = dataset[0]
    half = np.zeros((16, 40), np.uint8)
    half[:, :20] = 1
    np.testing.assert_array_equal(
        first["mask"].numpy(), np.stack([blob(2, 3), half, np.zeros((16, 40))])
    )
    assert first["mask"].dtype == torch.uint8
    assert first["mask_known"].tolist() == [1, 1, 0]
    assert (dataset[1]["mask"].sum(), dataset[1]["mask_known"].tolist()) == (0, [1, 1, 1])
    np.testing.assert_array_equal(dataset[2]["mask"][2].numpy(), blob(9, 30))
    np.testing.assert_array_equal(dataset[2]["mask"][0].numpy(), blob(0, 0))


def test_a_mask_that_fits_no_image_is_named(make_prepared):
    prepared = make_prepared([{}, {2: blob(0, 0)}])
    prepared.annotations.loc[0, "rle"] = "640 2"
    dataset = SeverstalFullImageDataset(prepared, masks=True)
    with pytest.raises(DataError, match=r"image 001\.jpg: .* run 1 ends at pixel 641"):
        dataset[1]


def test_images_without_known_labels_take_no_part(make_prepared):
    prepared = make_prepared([{1: "presence"}, None, {}])
    assert SeverstalFullImageDataset(prepared).ids == ["000.jpg", "002.jpg"]
    with pytest.raises(DataError, match=r"1 of 2 ids .* first is '001\.jpg'"):
        SeverstalFullImageDataset(prepared, ids=["000.jpg", "001.jpg"])


def test_ids_keep_rows_together(make_prepared):
    prepared = make_prepared([{1: blob(0, 0)}, None, {2: blob(4, 4)}, {3: blob(8, 8)}])
    dataset = SeverstalFullImageDataset(prepared, ids=["003.jpg", "002.jpg"], masks=True)
    assert dataset.ids == ["002.jpg", "003.jpg"]
    for row, (column, mask) in enumerate([(1, blob(4, 4)), (2, blob(8, 8))]):
        assert dataset[row]["target"].nonzero().item() == column
        assert dataset[row]["id"] == dataset.path(row).name
        np.testing.assert_array_equal(dataset[row]["mask"][column].numpy(), mask)
    with pytest.raises(DataError, match="1 ids are given twice"):
        SeverstalFullImageDataset(prepared, ids=["000.jpg", "000.jpg"])


def test_a_part_of_a_stored_split(make_prepared):
    prepared = make_prepared([{1: "presence"}, {}] * 10)
    split = make_split(prepared, "mine", fractions=(0.5, 0.25, 0.25), seed=0)
    save_split(prepared, split)
    dataset = SeverstalFullImageDataset(prepared.root, "test", split_name="mine")
    assert dataset.ids == split.ids("test")
    assert len(dataset) == 5
    with pytest.raises(SplitError, match="part 'val' does not exist"):
        SeverstalFullImageDataset(prepared.root, "val", split_name="mine")
    with pytest.raises(SplitError, match="split 'holdout' does not exist"):
        SeverstalFullImageDataset(prepared.root, "test")
    with pytest.raises(DataError, match="not both"):
        SeverstalFullImageDataset(prepared.root, "test", split_name="mine", ids=["000.jpg"])


def test_resizing(make_prepared):
    prepared = make_prepared([{1: blob(4, 6, 64, 160)}], sizes=[(64, 160)])
    whole = SeverstalFullImageDataset(prepared, masks=True)[0]
    small = SeverstalFullImageDataset(prepared, masks=True, image_size=(32, 80))[0]
    reference = F.resize(whole["image"], [32, 80], antialias=True)
    assert small["image"].shape == (1, 32, 80)
    assert (small["image"].int() - reference.int()).abs().max() <= 1
    # Every second pixel, whichever of the two: the blob's edges lie on even ones.
    np.testing.assert_array_equal(small["mask"].numpy(), whole["mask"].numpy()[:, 1::2, 1::2])
    assert set(small["mask"].unique().tolist()) == {0, 1}
    with pytest.raises(DataError, match="height and width must be at least 1"):
        SeverstalFullImageDataset(prepared, image_size=(0, 80))


def test_a_sample_is_the_stored_image_resized(make_prepared):
    prepared = make_prepared([{}, {}], sizes=[(64, 160), (32, 200)])
    dataset = SeverstalFullImageDataset(prepared, image_size=(16, 40))
    for index in range(2):
        stored = dataset.read_stored(index)
        np.testing.assert_array_equal(stored, read_grey(dataset.path(index)))
        sample = dataset[index]["image"][0].numpy()
        np.testing.assert_array_equal(dataset.resize(stored), sample)


def test_transform_sees_image_and_mask(make_prepared):
    prepared = make_prepared([{1: blob(2, 3)}])
    plain = SeverstalFullImageDataset(prepared, masks=True)[0]
    flip = v2.RandomHorizontalFlip(1.0)
    flipped = SeverstalFullImageDataset(prepared, masks=True, transform=flip)[0]
    assert torch.equal(flipped["image"], plain["image"].flip(-1))
    assert torch.equal(flipped["mask"], plain["mask"].flip(-1))
    assert type(flipped["image"]) is type(flipped["mask"]) is torch.Tensor
    alone = SeverstalFullImageDataset(prepared, transform=flip)[0]
    assert torch.equal(alone["image"], flipped["image"])
    assert type(alone["image"]) is torch.Tensor


def test_images_that_are_not_on_disk(make_prepared):
    prepared = make_prepared([{}, {1: "presence"}, {}, {2: "presence"}])
    (prepared.image_root / "001.jpg").unlink()
    (prepared.image_root / "002.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of 4 images are not on disk, the first is .*001\.jpg"):
        SeverstalFullImageDataset(prepared)
    dataset = SeverstalFullImageDataset(prepared, missing="skip", masks=True)
    assert (dataset.ids, dataset.skipped) == (["000.jpg", "003.jpg"], 2)
    assert dataset.labels.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert dataset[1]["mask_known"].tolist() == [1, 0, 1]
    # A limit is filled from what is there.
    assert len(SeverstalFullImageDataset(prepared, missing="skip", limit=2)) == 2


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_damaged_file_is_named_and_never_replaced(make_prepared, content):
    prepared = make_prepared([{}, {}])
    path = prepared.image_root / "001.jpg"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    dataset = SeverstalFullImageDataset(prepared)
    assert dataset[0]["id"] == "000.jpg"
    with pytest.raises(ImageError, match=r"001\.jpg: "):
        dataset[1]


def test_an_image_of_another_size_than_recorded_is_refused(make_prepared):
    prepared = make_prepared([{}])
    Image.new("L", (40, 20)).save(prepared.image_root / "000.jpg")
    with pytest.raises(ImageError, match=r"000\.jpg: 40x20 pixels: 40x16 is expected"):
        SeverstalFullImageDataset(prepared)[0]


def test_no_data_set(tmp_path):
    with pytest.raises(DatasetError, match="no prepared data set"):
        SeverstalFullImageDataset(tmp_path)


def test_an_empty_data_set_has_no_image(make_prepared):
    dataset = SeverstalFullImageDataset(make_prepared([None]), masks=True)
    assert (len(dataset), dataset.labels.shape, dataset.sizes) == (0, (0, 3), [])


def test_workers_and_pickled_copies_deliver_the_same(make_prepared):
    prepared = make_prepared([{1: blob(i % 8, 3)} for i in range(7)])
    dataset = SeverstalFullImageDataset(prepared, masks=True)
    here = list(DataLoader(dataset, batch_size=3))
    # A spawned worker receives a pickled copy, a forked one the object itself.
    copied = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own bytes
    there = list(DataLoader(copied, batch_size=3, num_workers=2))
    assert [b["id"] for b in here] == [b["id"] for b in there]
    for a, b in zip(here, there, strict=True):
        for key in ("image", "target", "mask", "mask_known"):
            assert torch.equal(a[key], b[key])


def test_what_workers_receive_is_small(make_prepared):
    prepared = make_prepared([{1: blob(0, 0)}] * 20)
    sent = pickle.dumps(SeverstalFullImageDataset(prepared, masks=True))
    assert b"pandas" not in sent
    assert len(sent) < 20_000


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=40),
    st.integers(1, 45),
)
def test_a_limit_keeps_rare_classes_and_nests(bits, limit):
    labels = ((np.array(bits)[:, None] >> np.arange(3)) & 1).astype(np.uint8)
    ids = [f"{row}.jpg" for row in range(len(bits))]
    rows = choose_subset(ids, labels, limit)
    assert rows == sorted(set(rows))
    assert len(rows) == min(limit, len(ids))
    if limit >= 4:
        assert (labels[rows].any(axis=0) == labels.any(axis=0)).all()
    assert set(rows) <= set(choose_subset(ids, labels, limit + 1))
    order = np.random.default_rng(0).permutation(len(ids))
    shuffled = choose_subset([ids[i] for i in order], labels[order], limit)
    assert {ids[row] for row in rows} == {ids[order[row]] for row in shuffled}


def test_limit_below_one_is_refused(make_prepared):
    with pytest.raises(DataError, match="limit 0"):
        SeverstalFullImageDataset(make_prepared([{}]), limit=0)


@pytest.mark.real_data
def test_real_strips(tmp_path):
    if not SAMPLE.is_dir():
        pytest.skip("the Severstal sample is not at ../shared/data")
    files = sorted(path.name for path in (SAMPLE / "train_images").iterdir())
    with (SAMPLE / "train.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["ImageId"] in set(files)]
    prepared = PreparedDataset(
        root=tmp_path,
        name="sample",
        source_format="kaggle",
        classes=SEVERSTAL,
        image_root=SAMPLE / "train_images",
        images=pd.DataFrame(
            {
                "id": files,
                "file": files,
                "height": 256,
                "width": 1600,
                "sha256": "",
                "labelled": True,
                "duplicate_group": range(len(files)),
            }
        ).astype(IMAGE_COLUMNS),
        annotations=pd.DataFrame(
            {
                "image_id": [row["ImageId"] for row in rows],
                "class_id": [row["ClassId"] for row in rows],
                "kind": "mask",
                "rle": [row["EncodedPixels"] for row in rows],
                "area": None,
            }
        ).astype(ANNOTATION_COLUMNS),
    )
    save_prepared(prepared)
    with (SAMPLE / "labels_all_12568.csv").open() as table:
        areas = {
            row["ImageId"]: [int(row[f"area_{c}"]) for c in range(1, 5)]
            for row in csv.DictReader(table)
        }

    dataset = SeverstalFullImageDataset(tmp_path, masks=True)
    assert len(dataset) == 129
    for sample in dataset:
        assert sample["image"].shape == (1, 256, 1600)
        assert sample["mask"].sum(dim=(1, 2)).tolist() == areas[sample["id"]]
        assert sample["target"].tolist() == [float(area > 0) for area in areas[sample["id"]]]
