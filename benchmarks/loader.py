"""Does the data loader keep up with the decoder?

In one run, interleaved so that other load on the machine hits all alike: one core reading and
decoding the images; every core doing so in a process of its own (what the machine can do: two
"cores" that share one give less than twice its rate); the data loader alone (no network) with as
many workers as cores, plain and augmented; and for comparison PyTorch's own. Prints images a second
and loader rate / (cores x single-core decode rate). Beside it the processor time of all processes
for one image, and what the ratio would be were every core busy with it: on a machine with other
load that is the figure that means something.

    python benchmarks/loader.py FOLDER [--images 2000] [--repeats 5] [--batch-size 16] [--workers N]

FOLDER holds images or a prepared data set.
"""

import argparse
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset

from stripsight.data.dataset import SeverstalFullImageDataset, StripSample
from stripsight.data.pooled_loader import PooledLoader
from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    load_prepared,
)
from stripsight.data.transforms import AugmentationSettings, build_augmentation
from stripsight.imaging import IMAGE_SUFFIXES, read_grey, read_header
from stripsight.labels import SEVERSTAL

DECODE = "decode, one core"


def main() -> None:
    parser = argparse.ArgumentParser(description="Loader against decoder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=cores)
    options = parser.parse_args()
    torch.set_num_threads(1)

    plain = SeverstalFullImageDataset(open_images(options.folder))
    augmented = plain.with_transform(build_augmentation(AugmentationSettings()))
    count = int(options.images)

    def load(dataset: SeverstalFullImageDataset, *, pooled: bool = True) -> Measured:
        loader = PooledLoader(
            repeat(dataset, count), batch_size=options.batch_size, num_workers=options.workers
        )
        if pooled:
            (size,) = dataset.sizes
            loader.pooled_shapes = {"image": (1, *size)}
        return measure(lambda: count_images(loader))

    def decode() -> int:
        for row in range(count):
            read_grey(plain.path(row % len(plain)))
        return count

    def decode_on_every_core() -> int:
        # The ceiling: processes that share nothing and give their pixels to nobody.
        processes = [multiprocessing.Process(target=decode) for _ in range(cores)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return cores * count

    ways: dict[str, Callable[[], Measured]] = {
        DECODE: lambda: measure(decode),
        "decode, every core": lambda: measure(decode_on_every_core),
        "loader": lambda: load(plain),
        "loader, augmented": lambda: load(augmented),
        "PyTorch's loader": lambda: load(plain, pooled=False),
    }
    measured: dict[str, list[Measured]] = {way: [] for way in ways}
    decode()  # files into the page cache
    for _ in range(options.repeats):
        for way, run in ways.items():
            measured[way].append(run())

    print(
        f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}, torch"
        f" {torch.__version__}; {len(plain)} files of {plain.sizes}, {count} images a repeat,"
        f" {options.repeats} repeats, batches of {options.batch_size}, {options.workers} workers"
    )
    print(
        f"{'':18}{'images/s best':>14}{'median':>8}{'ratio best':>12}{'median':>8}"
        f"{'CPU ms best':>13}{'median':>8}{'CPU ratio best':>16}{'median':>8}"
    )
    base = measured[DECODE]
    for way, runs in measured.items():
        ratios = [run.rate / (cores * one.rate) for run, one in zip(runs, base, strict=True)]
        busy = [one.cpu_ms / run.cpu_ms for run, one in zip(runs, base, strict=True)]
        line = (
            f"{way:18}{max(run.rate for run in runs):14.0f}{median(run.rate for run in runs):8.0f}"
        )
        cpu = f"{min(run.cpu_ms for run in runs):13.3f}{median(run.cpu_ms for run in runs):8.3f}"
        if way == DECODE:
            print(f"{line}{'':20}{cpu}")
        else:
            print(
                f"{line}{max(ratios):12.2f}{median(ratios):8.2f}{cpu}"
                f"{max(busy):16.2f}{median(busy):8.2f}"
            )


@dataclass(frozen=True)
class Measured:
    """Images a second, and processor time of this process and its workers for one image in ms."""

    rate: float
    cpu_ms: float


def measure(work: Callable[[], int]) -> Measured:
    cpu, start = read_cpu_seconds(), time.perf_counter()
    count = work()
    wall = time.perf_counter() - start
    return Measured(count / wall, 1000 * (read_cpu_seconds() - cpu) / count)


def read_cpu_seconds() -> float:
    """Of this process and of its workers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def count_images(loader: PooledLoader) -> int:
    count = 0
    for batch in loader:
        count += len(batch["id"])
    return count


def repeat(dataset: SeverstalFullImageDataset, count: int) -> Dataset[StripSample]:
    """The data set over and over, `count` images in all."""
    whole, rest = divmod(count, len(dataset))
    return ConcatDataset([*[dataset] * whole, Subset(dataset, range(rest))])


def open_images(folder: Path) -> PreparedDataset:
    """A prepared data set, or the images of a folder as one of clean images."""
    if (folder / "dataset.json").exists():
        return load_prepared(folder)
    files = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    headers = [read_header((folder / name).read_bytes()) for name in files]
    images = pd.DataFrame(
        {
            "id": files,
            "file": files,
            "height": [header.height for header in headers],
            "width": [header.width for header in headers],
            "sha256": "",
            "labelled": True,
            "duplicate_group": np.arange(len(files)),
        }
    )
    return PreparedDataset(
        root=folder,
        name=folder.name,
        source_format="folder",
        classes=SEVERSTAL,
        image_root=folder,
        images=images.astype(IMAGE_COLUMNS),
        annotations=pd.DataFrame(columns=list(ANNOTATION_COLUMNS)).astype(ANNOTATION_COLUMNS),
    )


if __name__ == "__main__":
    main()
