import gc
import multiprocessing

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from stripsight.data.pooled_loader import PooledLoader


class Numbered(Dataset):
    """Image i is filled with i."""

    def __init__(self, count, odd_shape_at=None):
        self.count = count
        self.odd_shape_at = odd_shape_at

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index < 0:
            raise ValueError("negative")
        width = 9 if index == self.odd_shape_at else 8
        return {
            "image": torch.full((1, 4, width), index % 256, dtype=torch.uint8),
            "target": torch.tensor([float(index), 1.0]),
            "id": str(index),
        }


def pooled(dataset, shape=(1, 4, 8), **options):
    loader = PooledLoader(dataset, num_workers=2, **options)
    loader.pooled_shapes = {"image": shape}
    return loader


def assert_equal(batches, reference):
    batches, reference = list(batches), list(reference)
    assert len(batches) == len(reference)
    for batch, expected in zip(batches, reference, strict=True):
        assert list(batch) == list(expected)
        assert batch["id"] == expected["id"]
        assert torch.equal(batch["image"], expected["image"])
        assert torch.equal(batch["target"], expected["target"])
        assert batch["target"].dtype == expected["target"].dtype


def test_batches_are_pytorchs_even_when_all_are_kept():
    dataset = Numbered(101)
    assert_equal(pooled(dataset, batch_size=3), DataLoader(dataset, batch_size=3))


def test_two_iterators_of_one_loader_do_not_meet():
    loader = pooled(Numbered(40), batch_size=4)
    for first, second in zip(loader, loader, strict=True):
        assert torch.equal(first["image"], second["image"])
        assert first["image"].data_ptr() != second["image"].data_ptr()


def test_a_batch_stays_as_it_is_while_others_come():
    batches = iter(pooled(Numbered(60), batch_size=2))
    first = next(batches)
    kept = first["image"].clone()
    for _ in batches:
        assert torch.equal(first["image"], kept)


@pytest.mark.parametrize("shape", [(1, 4, 9), (3, 4, 8), (1, 2, 2)])
def test_what_does_not_fit_the_pool_travels_without_it(shape):
    dataset = Numbered(20)
    assert_equal(pooled(dataset, shape, batch_size=4), DataLoader(dataset, batch_size=4))


def test_a_batch_of_unequal_images_fails_as_in_pytorch():
    with pytest.raises(RuntimeError, match="equal size"):
        list(pooled(Numbered(20, odd_shape_at=7), batch_size=4))


def test_an_error_in_a_worker_arrives_with_its_type_and_ends_the_workers_at_once():
    loader = pooled(Numbered(20), batch_size=4, sampler=[0, 1, 2, 3, -1, 4])
    gc.disable()  # what only it could free would keep the workers for seconds
    try:
        with pytest.raises(ValueError, match="negative") as caught:
            list(loader)
        del caught
        assert multiprocessing.active_children() == []
    finally:
        gc.enable()


def test_without_shapes_or_workers_it_is_pytorchs_loader():
    dataset = Numbered(20)
    assert_equal(PooledLoader(dataset, batch_size=4), DataLoader(dataset, batch_size=4))
    plain = PooledLoader(dataset, batch_size=4, num_workers=1)
    assert_equal(plain, DataLoader(dataset, batch_size=4))
