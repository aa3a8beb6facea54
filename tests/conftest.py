"""What holds for every test: no clock in hypothesis, few threads, and where the real data lie."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Tiny networks run faster on one thread, and the processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with `severstal_sample` and `neu_det`; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def real_prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data set of real strips: `STRIPSIGHT_DATA`, or the sample in ../shared/data."""
    copy = tmp_path_factory.mktemp("real") / "prepared"
    named = os.environ.get("STRIPSIGHT_DATA")
    if named:
        from stripsight.data.prepared import load_prepared, save_prepared

        # The tables only, so that tests store no split in somebody's data set.
        dataset = load_prepared(named)
        save_prepared(replace(dataset, root=copy, image_root=dataset.image_root.resolve()))
        return copy
    sample = SHARED_DATA / "severstal_sample"
    if not sample.is_dir():
        pytest.skip("no ../shared/data beside the checkout, and STRIPSIGHT_DATA is not set")
    from stripsight.cli.app import run_command

    assert run_command(["data", "prepare", str(sample), str(copy)]) == 0
    return copy


@dataclass(frozen=True)
class OddImage:
    """One image of a data set made by `make_odd_dataset`.

    Attributes:
        labels: class ids with `mask`, `box`, `presence` or `empty`; None where labels are unknown.
        size: (height, width) in pixels.
        look: `steel`, `black`, `white`, or `broken` for a file that is no image.
        seed: of the pixels; the same seed and look give the same pixels.
    """

    labels: dict[int, str] | None = field(default_factory=dict)
    size: tuple[int, int] = (64, 256)
    look: str = "steel"
    seed: int | None = None


@pytest.fixture(scope="session")
def odd_image() -> type[OddImage]:
    return OddImage


@pytest.fixture(scope="session")
def make_odd_dataset() -> Callable[[Path, Sequence[OddImage], Sequence[str]], Path]:
    """Write a prepared data set of any shape, faults included; returns its folder."""

    def make(root: Path, images: Sequence[OddImage], names: Sequence[str]) -> Path:
        import pandas as pd

        from stripsight.data.prepared import (
            ANNOTATION_COLUMNS,
            IMAGE_COLUMNS,
            PreparedDataset,
            save_prepared,
        )
        from stripsight.labels import ClassList

        folder = root / "images"
        folder.mkdir(parents=True)
        rows, annotations = [], []
        for number, image in enumerate(images):
            name = f"{number:04d}.jpg"
            data = _paint(image, number)
            (folder / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            rows.append((name, name, *image.size, digest, image.labels is not None, number))
            for class_id, kind in (image.labels or {}).items():
                annotations.append((name, class_id, *_draw(kind, class_id, image.size)))
        save_prepared(
            PreparedDataset(
                root=root,
                name=root.name,
                source_format="test",
                classes=ClassList.from_names(names),
                image_root=folder,
                images=pd.DataFrame(rows, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS),
                annotations=pd.DataFrame(annotations, columns=list(ANNOTATION_COLUMNS)).astype(
                    ANNOTATION_COLUMNS
                ),
            )
        )
        return root

    return make


def _paint(image: OddImage, number: int) -> bytes:
    import io

    from PIL import Image

    if image.look == "broken":
        return b"no image at all %d" % number
    height, width = image.size
    rng = np.random.default_rng(number if image.seed is None else image.seed)
    pixels = np.full((height, width), {"black": 0, "white": 255}.get(image.look, 110), np.float64)
    if image.look == "steel":
        grain = rng.normal(0, 14, (height // 4 + 1, width // 4 + 1)).repeat(4, 0).repeat(4, 1)
        pixels += grain[:height, :width] + rng.normal(0, 25) / 5
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _draw(kind: str, class_id: int, size: tuple[int, int]) -> tuple[str, str | None, int | None]:
    from stripsight.data.rle import encode_mask

    if kind == "presence":
        return "presence", None, None
    if kind == "empty":
        return "mask", "", 0
    height, width = size
    mask = np.zeros(size, np.uint8)
    left = (class_id * 37) % max(1, width - width // 6)
    mask[height // 4 : height // 2, left : left + max(2, width // 8)] = 1
    return kind, encode_mask(mask), int(mask.sum())
