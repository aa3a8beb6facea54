"""Small prepared data sets with real JPEG files."""

import hashlib
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    save_prepared,
)
from stripsight.data.rle import encode_mask
from stripsight.labels import ClassList


@pytest.fixture(scope="session")
def build_prepared():
    """A function that builds and stores a data set in a folder.

    `drawn` gives each image's defects: a list of dicts from class id to mask (array), "box" (left
    half), or "presence"; None is an image whose labels are not known.
    """

    def build(
        folder, drawn, *, sizes=None, classes=("scratch", "pit", "stain"), groups=None, name="set"
    ):
        root = folder / name
        image_root = root / "images"
        image_root.mkdir(parents=True)
        rng = np.random.default_rng(len(drawn))
        images, annotations = [], []
        for row, defects in enumerate(drawn):
            height, width = sizes[row] if sizes else (16, 40)
            image_id = f"{row:03d}.jpg"
            path = image_root / image_id
            grey = rng.integers(0, 256, (height // 4, width // 4), dtype=np.uint8)
            smooth = Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR)
            smooth.convert("RGB").save(path, quality=95)
            images.append(
                {
                    "id": image_id,
                    "file": image_id,
                    "height": height,
                    "width": width,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "labelled": defects is not None,
                    "duplicate_group": groups[row] if groups else row,
                }
            )
            for class_id, drawing in (defects or {}).items():
                kind, rle, area = "mask", None, None
                if isinstance(drawing, str):
                    kind = drawing
                if kind == "box":
                    drawing = np.zeros((height, width), np.uint8)
                    drawing[:, : width // 2] = 1
                if kind != "presence":
                    rle, area = encode_mask(drawing), int(drawing.sum())
                annotations.append(
                    {
                        "image_id": image_id,
                        "class_id": class_id,
                        "kind": kind,
                        "rle": rle,
                        "area": area,
                    }
                )
        dataset = PreparedDataset(
            root=root,
            name=name,
            source_format="test",
            classes=ClassList.from_names(classes),
            image_root=image_root,
            images=pd.DataFrame(images, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS),
            annotations=pd.DataFrame(annotations, columns=list(ANNOTATION_COLUMNS)).astype(
                ANNOTATION_COLUMNS
            ),
        )
        save_prepared(dataset)
        return dataset

    return build


@pytest.fixture
def make_prepared(build_prepared, tmp_path):
    """`build_prepared` in the test's own folder."""
    return partial(build_prepared, tmp_path)
