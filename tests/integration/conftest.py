"""A tiny prepared data set that a tiny network learns in seconds."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stripsight.data.prepared import PreparedDataset, save_prepared
from stripsight.data.rle import encode_mask
from stripsight.labels import ClassList

HEIGHT, WIDTH = 64, 96
NAMES = ("bar", "blob")

MakeDataset = Callable[..., Path]

TINY_RUN = (
    "model.backbone=test_resnet",
    "model.pretrained=false",
    "model.dropout=0.1",
    "training.batch_size=8",
    "training.num_epochs=3",
    "training.learning_rate=0.003",
    "training.precision=32",
    "data.num_workers=0",
)
"""Overrides of a run that takes a second or two; dropout so that random state matters."""


def write_dataset(
    root: Path, labels: np.ndarray, *, seed: int = 0, names: tuple[str, ...] = NAMES
) -> Path:
    """A data set with one image a row of `labels` `[N, 2]`: dark bars and bright blobs on noise."""
    rng = np.random.default_rng(seed)
    images = root / "source"
    images.mkdir(parents=True)
    rows, annotations = [], []
    for index, (bar, blob) in enumerate(labels.tolist()):
        pixels = rng.normal(110, 8, (HEIGHT, WIDTH))
        masks = np.zeros((2, HEIGHT, WIDTH), bool)
        if bar:
            left = int(rng.integers(4, 80))
            masks[0, :, left : left + 6] = True
        if blob:
            top, left = int(rng.integers(2, 44)), int(rng.integers(2, 76))
            masks[1, top : top + 16, left : left + 16] = True
        pixels[masks[0]] -= 70
        pixels[masks[1]] += 90
        name = f"{index:04d}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(images / name)
        sha256 = hashlib.sha256((images / name).read_bytes()).hexdigest()
        rows.append((name, name, HEIGHT, WIDTH, sha256, True, index))
        for column, mask in enumerate(masks):
            if mask.any():
                annotations.append((name, column + 1, "mask", encode_mask(mask), int(mask.sum())))
    save_prepared(
        PreparedDataset(
            root=root,
            name="tiny",
            source_format="kaggle",
            classes=ClassList.from_names(names),
            image_root=images.resolve(),
            images=pd.DataFrame(
                rows,
                columns=["id", "file", "height", "width", "sha256", "labelled", "duplicate_group"],
            ),
            annotations=pd.DataFrame(
                annotations, columns=["image_id", "class_id", "kind", "rle", "area"]
            ),
        )
    )
    return root


@pytest.fixture(scope="session")
def tiny_labels() -> np.ndarray:
    """uint8 `[60, 2]`: every combination 15 times."""
    return np.tile([[0, 0], [1, 0], [0, 1], [1, 1]], (15, 1)).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory, tiny_labels: np.ndarray) -> Path:
    return write_dataset(tmp_path_factory.mktemp("tiny") / "prepared", tiny_labels)


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Writes a data set of one's own labels into the test's folder."""

    def make(labels: np.ndarray, name: str = "prepared") -> Path:
        return write_dataset(tmp_path / name, np.asarray(labels, np.uint8))

    return make


@pytest.fixture(scope="session")
def tiny_overrides(tiny_dataset: Path) -> list[str]:
    return [f"data.root={tiny_dataset}", *TINY_RUN]


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Path:
    """A finished run of three epochs; tests must not change it."""
    from stripsight.cli.app import run_command

    run = tmp_path_factory.mktemp("runs") / "run"
    assert run_command(["train", *tiny_overrides, "--run", str(run)]) == 0
    return run


@pytest.fixture(scope="session")
def judged_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run, judged on test; tests must not change it."""
    from stripsight.cli.app import run_command

    run = tmp_path_factory.mktemp("judged") / "run"
    shutil.copytree(tiny_run, run)
    assert run_command(["evaluate", str(run)]) == 0
    return run
