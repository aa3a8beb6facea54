import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from stripsight.data.lookalikes import duplicates
from stripsight.data.lookalikes.duplicates import find_links
from stripsight.data.lookalikes.fingerprint import compute_fingerprint
from stripsight.errors import ImageError
from stripsight.imaging import read_grey

SAME = {"001.jpg": "000.jpg", "003.jpg": "000.jpg"}


@pytest.fixture
def dataset(make_prepared):
    """000, 001 and 003 are one file, 002 the same at another quality, 004 and 005 black."""
    dataset = make_prepared([{}] * 6, sizes=[(256, 600)] * 6)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(256, 600)), 4)
    steel = Image.fromarray(np.clip(120 + 500 * noise, 30, 240).astype(np.uint8))
    black = Image.fromarray(np.zeros((256, 600), np.uint8))
    images = dataset.images
    for name in images["id"]:
        picture, quality = (
            (black, 90) if name >= "004" else (steel, 40 if name == "002.jpg" else 90)
        )
        picture.save(dataset.image_root / name, quality=quality)
    images["sha256"] = [SAME.get(name, name) for name in images["id"]]
    return dataset


def compute_all(dataset):
    return {name: compute_fingerprint(read_grey(dataset.image_root / name)) for name in SAME} | {
        name: compute_fingerprint(read_grey(dataset.image_root / name))
        for name in ("000.jpg", "002.jpg", "004.jpg", "005.jpg")
    }


def test_twins_hang_on_the_first_and_black_images_on_none(dataset):
    steps = []
    links = find_links(
        dataset,
        compute_all(dataset),
        report_progress=lambda done, total: steps.append((done, total)),
    )
    assert [(link.first, link.second, link.kind) for link in links] == [
        ("000.jpg", "001.jpg", "identical"),
        ("000.jpg", "002.jpg", "re-encoded"),
        ("000.jpg", "003.jpg", "identical"),
    ]
    assert steps[0] == (0, 1)
    assert steps[-1] == (1, 1)


def test_the_order_of_the_table_and_the_number_of_threads_change_nothing(dataset):
    shuffled = dataclasses.replace(
        dataset, images=dataset.images.sample(frac=1, random_state=0).reset_index(drop=True)
    )
    prints = compute_all(dataset)
    assert find_links(shuffled, prints, workers=1) == find_links(dataset, prints, workers=3)


def test_images_without_a_fingerprint_are_linked_by_their_bytes_alone(dataset):
    links = find_links(dataset, {})
    assert {link.kind for link in links} == {"identical"}
    assert len(links) == 2


def test_an_image_gone_since_the_scan_is_an_error_that_names_it(dataset):
    prints = compute_all(dataset)
    (dataset.image_root / "002.jpg").unlink()
    with pytest.raises(ImageError, match=r"002\.jpg"):
        find_links(dataset, prints)


def test_candidates_whose_sketches_disagree_are_not_decoded(dataset, monkeypatch):
    monkeypatch.setattr(duplicates, "correlate_sketches", lambda *given: 0.1)
    monkeypatch.setattr(duplicates, "read_grey", lambda path: pytest.fail(f"{path} was read"))
    links = find_links(dataset, compute_all(dataset))
    assert {link.kind for link in links} == {"identical"}


def test_images_too_large_for_a_sketch_are_compared_by_their_pixels(dataset):
    prints = {
        name: dataclasses.replace(found, sketch=None)
        for name, found in compute_all(dataset).items()
    }
    assert find_links(dataset, prints) == find_links(dataset, compute_all(dataset))
