import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stripsight.data.datamodule import StripDataModule
from stripsight.data.splits.store import load_split, make_split, save_split
from stripsight.data.transforms import AugmentationSettings
from stripsight.errors import DataError, SplitError

AUGMENT = AugmentationSettings(shift=0.1, probability=1.0)


@pytest.fixture
def prepared(make_prepared):
    mask = np.zeros((16, 40), np.uint8)
    mask[4:8, 10:20] = 1
    return make_prepared([{1 + i % 3: mask} if i % 2 else {} for i in range(24)])


def build(prepared, **options):
    options = {"fractions": (0.5, 0.25, 0.25), "batch_size": 5, "masks": True, **options}
    module = StripDataModule(prepared, **options)
    module.setup()
    return module


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a["id"] == b["id"]
        for key in ("image", "target", "mask", "mask_known"):
            assert torch.equal(a[key], b[key])


def test_parts_labels_and_size(prepared):
    module = build(prepared.root)
    assert {part: len(d) for part, d in module.datasets.items()} == {
        "train": 12,
        "validation": 6,
        "test": 6,
    }
    assert module.image_size == (16, 40)
    assert module.classes == prepared.classes
    rows = [prepared.labelled_images["id"].tolist().index(i) for i in module.datasets["train"].ids]
    np.testing.assert_array_equal(module.train_labels, prepared.label_matrix()[rows])
    assert load_split(prepared, "holdout") == module.split


def test_an_epoch_is_the_same_whatever_ran_before_and_however_it_is_loaded(prepared):
    alone = build(prepared, augmentation=AUGMENT)
    with_workers = build(prepared, augmentation=AUGMENT, num_workers=2)
    expected = list(alone.train_loader(3))
    torch.rand(17)
    list(alone.train_loader(0))
    assert_same(list(alone.train_loader(3)), expected)
    assert_same(list(with_workers.train_loader(3)), expected)


def test_another_epoch_or_seed_has_another_order_and_another_augmentation(prepared):
    def by_id(module, epoch):
        samples = {}
        for batch in module.train_loader(epoch):
            samples.update(zip(batch["id"], batch["image"], strict=True))
        return samples

    module = build(prepared, augmentation=AUGMENT, batch_size=12)
    first, others = (
        by_id(module, 0),
        [
            by_id(module, 1),
            by_id(build(prepared, augmentation=AUGMENT, batch_size=12, seed=1), 0),
        ],
    )
    for other in others:
        assert list(first) != list(other)
        assert first.keys() == other.keys()
        assert any(not torch.equal(first[key], other[key]) for key in first)


def test_loading_leaves_the_global_generator_alone(prepared):
    module = build(prepared, augmentation=AUGMENT)
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    for loader in (module.train_loader(0), module.val_dataloader(), module.test_dataloader()):
        list(loader)
    assert torch.equal(torch.rand(4), expected)


def test_the_epoch_is_the_trainers(prepared):
    module = build(prepared, augmentation=AUGMENT)
    expected = list(module.train_loader(4))
    module.trainer = SimpleNamespace(current_epoch=4)
    assert_same(list(module.train_dataloader()), expected)


def test_training_without_augmentation_yields_the_stored_pixels(prepared):
    for augmentation in (None, AugmentationSettings(0, 0, 0, 0, 0, 0)):
        module = build(prepared, augmentation=augmentation, batch_size=4)
        dataset = module.datasets["train"]
        seen = []
        for batch in module.train_loader(0):
            for image_id, image in zip(batch["id"], batch["image"], strict=True):
                assert torch.equal(image, dataset[dataset.ids.index(image_id)]["image"])
                seen.append(image_id)
        assert sorted(seen) == dataset.ids
        assert seen != dataset.ids


@pytest.mark.parametrize(
    ("batch_size", "batches"), [(5, [5, 5]), (12, [12]), (11, [11]), (50, [12])]
)
def test_an_incomplete_last_batch_is_dropped_unless_it_is_the_only_one(
    prepared, batch_size, batches
):
    module = build(prepared, batch_size=batch_size)
    assert [len(b["id"]) for b in module.train_loader(0)] == batches


def test_evaluation_reads_every_image_once_in_order_and_never_augments(prepared):
    module = build(prepared, augmentation=AUGMENT)
    for part, loader in (
        ("train", module.loader_for("train", batch_size=7)),
        ("validation", module.val_dataloader()),
        ("test", module.test_dataloader()),
    ):
        batches = list(loader)
        assert [i for b in batches for i in b["id"]] == module.datasets[part].ids
        images = torch.cat([b["image"] for b in batches])
        expected = torch.stack([sample["image"] for sample in module.datasets[part]])
        assert torch.equal(images, expected)
    with pytest.raises(SplitError, match="part 'predict' does not exist"):
        module.loader_for("predict")


def test_a_stored_split_is_taken_as_it_is(prepared, caplog):
    save_split(prepared, make_split(prepared, "holdout", fractions=(0.8, 0.1, 0.1), seed=5))
    with caplog.at_level(logging.INFO, logger="stripsight"):
        module = build(prepared)
    assert module.split.seed == 5
    assert "is stored (seed 5" in caplog.text


def test_a_read_only_folder_keeps_the_split_in_memory(prepared, caplog, monkeypatch):
    def refuse(dataset, split):
        raise OSError(30, "Read-only file system")

    # Root may write anywhere, so a real read-only folder would not do.
    monkeypatch.setattr("stripsight.data.splits.choice.save_split", refuse)
    module = build(prepared)
    assert len(module.datasets["train"]) == 12
    assert not (prepared.root / "splits").exists()
    assert "kept in memory" in caplog.text


def test_images_of_several_sizes_need_a_choice(make_prepared):
    prepared = make_prepared([{}] * 4, sizes=[(16, 40), (16, 40), (24, 40), (16, 40)])
    with pytest.raises(DataError, match=r"2 sizes \(16x40, 24x40, .* data\.image_size"):
        build(prepared)
    module = build(prepared, image_size=(8, 20))
    assert module.image_size == (8, 20)
    assert next(iter(module.train_loader(0)))["image"].shape[1:] == (1, 8, 20)


def test_missing_images_and_limits(prepared):
    module = build(prepared)
    for image_id in module.split.ids("test")[:2]:
        (prepared.image_root / image_id).unlink()
    with pytest.raises(DataError, match="2 of 6 images are not on disk"):
        build(prepared)
    assert len(build(prepared, missing="skip").datasets["test"]) == 4
    assert len(build(prepared, missing="skip", limit=3).datasets["train"]) == 3
    for image_id in module.split.ids("test")[2:]:
        (prepared.image_root / image_id).unlink()
    with pytest.raises(SplitError, match=r"no image for test \(6 are not on disk\)"):
        build(prepared, missing="skip")


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_workers": -1}])
def test_impossible_numbers_are_refused(prepared, options):
    with pytest.raises(DataError, match=r"batch size 0|number of workers -1"):
        build(prepared, **options)


def test_one_image_is_no_data_set_to_split(make_prepared):
    with pytest.raises(SplitError, match="1 labelled images cannot fill"):
        build(make_prepared([{}]))
