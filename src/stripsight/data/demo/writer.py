"""The demo data set on disk: Kaggle's layout, the table last.

`train.csv` appears whole after the last image: a generation that was killed leaves a folder that no
reader takes for a data set.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stripsight.atomic import name_in_errors, write_atomically
from stripsight.data.demo.plan import LabelSet, Prevalence, name_image, plan_labels
from stripsight.data.demo.strip import paint_strip
from stripsight.data.rle import encode_mask
from stripsight.errors import UsageError
from stripsight.imaging import GreyImage

# Severstal's files carry libjpeg's tables for quality 90, chroma halved both ways.
_JPEG_QUALITY = 90
_CHROMA_HALVED = 2


@dataclass(frozen=True)
class DemoSummary:
    """What was written: images, those without a defect, and images by class id."""

    images: int
    clean: int
    images_of_class: dict[int, int]


def generate_demo(
    destination: Path,
    *,
    images: int,
    seed: int,
    prevalence: Prevalence,
    report_progress: Callable[[int, int], None] | None = None,
) -> DemoSummary:
    """Write a demo data set: `train.csv` and `train_images/*.jpg`, 1600x256, three equal channels.

    The bytes depend on `images`, `seed` and `prevalence` alone.

    Args:
        destination: a folder that is empty or does not exist.
        images: how many, at least 1.
        seed: not negative.
        prevalence: `even` puts each class on 21 to 23 % of the images and leaves 27 % clean;
            `real` follows Severstal's label sets.
        report_progress: called with (images written, images in all) after each image.

    Raises:
        UsageError: the destination holds something or is no folder, or a number is out of range.
        OSError: the disk is full or read-only; `train.csv` is not there.
    """
    if images < 1:
        raise UsageError(f"{images} images: at least 1 is needed")
    if seed < 0:
        raise UsageError(f"seed {seed}: it must not be negative")
    _refuse_occupied(destination)
    plan = plan_labels(images, seed=seed, prevalence=prevalence)
    image_folder = destination / "train_images"
    image_folder.mkdir(parents=True, exist_ok=True)

    def write_one(index: int) -> list[tuple[str, int, str]]:
        return _write_image(image_folder, seed, index, plan[index])

    rows: list[tuple[str, int, str]] = []
    # Threads: numpy and the JPEG encoder let go of the interpreter, and each image has its own
    # generator, so their number changes nothing but the time.
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for done, written in enumerate(pool.map(write_one, range(images)), start=1):
            rows += written
            if report_progress:
                report_progress(done, images)
    finally:
        pool.shutdown(cancel_futures=True)
    write_atomically(destination / "train.csv", _format_table(rows))
    return DemoSummary(
        images=images,
        clean=sum(not labels for labels in plan),
        images_of_class=dict(sorted(Counter(c for labels in plan for c in labels).items())),
    )


def encode_jpeg(pixels: GreyImage) -> bytes:
    """A JPEG as in Severstal's archive: grey as three equal channels, quality 90, 4:2:0."""
    buffer = io.BytesIO()
    colour = Image.fromarray(np.repeat(pixels[:, :, None], 3, axis=2))
    colour.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=_CHROMA_HALVED)
    return buffer.getvalue()


def _refuse_occupied(destination: Path) -> None:
    if destination.is_dir():
        if any(destination.iterdir()):
            raise UsageError(f"{destination} is not empty: name a new folder")
    elif destination.exists() or destination.is_symlink():
        raise UsageError(f"{destination} is no folder: name a new one")


def _write_image(
    folder: Path, seed: int, index: int, labels: LabelSet
) -> list[tuple[str, int, str]]:
    """Write image `index`; its rows of the table: file, class id, run-length string."""
    name = name_image(index, seed=seed)
    strip = paint_strip(seed, index, labels)
    with name_in_errors(folder / name):
        (folder / name).write_bytes(encode_jpeg(strip.pixels))
    return [(name, class_id, encode_mask(mask)) for class_id, mask in strip.masks.items()]


def _format_table(rows: list[tuple[str, int, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("ImageId", "ClassId", "EncodedPixels"))
    writer.writerows(sorted(rows))
    return text.getvalue().encode()
