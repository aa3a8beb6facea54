"""How near `data check` comes to what the cores could decode.

    python benchmarks/data_check.py IMAGES [--images 1500] [--rounds 5]

IMAGES is a folder of images or a prepared data set; its images are copied to the wanted number into
a temporary folder. In every round, one after the other: one core reads and decodes images and does
nothing else, then `check_dataset` runs on all cores (it reads, hashes, decodes, looks for suspect
images and checks the tables). Printed is images a second of the check over cores times images a
second of one core, for the best and the median round; the goal is 0.8.

That ratio supposes that all cores are free. Where others use the machine too, two more figures mean
something: the check against as many processes as cores that do nothing but read and decode, run
right before it, and the ratio by processor time instead of the clock. The whole command with its
start-up is timed once at the end.
"""

import argparse
import itertools
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path

from stripsight.data.check import check_dataset
from stripsight.data.prepare import prepare_dataset
from stripsight.data.prepared import load_prepared
from stripsight.imaging import IMAGE_SUFFIXES, read_grey


def list_images(folder: Path) -> list[Path]:
    if (folder / "dataset.json").exists():
        dataset = load_prepared(folder)
        return [dataset.image_root / file for file in dataset.images["file"]]
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def copy_images(images: list[Path], count: int, folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, image in enumerate(itertools.islice(itertools.cycle(images), count)):
        shutil.copyfile(image, folder / f"{number:06}{image.suffix}")


@dataclass(frozen=True)
class Cost:
    """Seconds for one image: by the clock, and of processor time over all threads."""

    clock: float
    processor: float


def measure(work: Callable[[], object], images: int) -> Cost:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Cost((time.perf_counter() - clock) / images, (time.process_time() - processor) / images)


def decode_all(images: list[Path]) -> None:
    for image in images:
        read_grey(image)


def decode_everywhere(pool: Pool, images: list[Path], cores: int) -> None:
    pool.map(decode_all, [images[core::cores] for core in range(cores)], chunksize=1)


def check(dataset: Path) -> None:
    report = check_dataset(dataset)
    assert report.errors == 0, report.format_text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="images, or a prepared data set")
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    originals = list_images(arguments.folder)
    with tempfile.TemporaryDirectory() as name:
        source, dataset = Path(name, "source"), Path(name, "dataset")
        copy_images(originals, arguments.images, source / "train_images")
        (source / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n000000.jpg,1,1 5\n")
        start = time.perf_counter()
        prepare_dataset([source], dataset)
        print(f"prepare: {arguments.images / (time.perf_counter() - start):.0f} images/s")
        images = sorted((source / "train_images").iterdir())[: 2 * len(originals)]
        ratios, ratios_to_processes, processor_ratios = [], [], []
        pool = multiprocessing.Pool(cores)
        every_image = sorted((source / "train_images").iterdir())
        for number in range(1, arguments.rounds + 1):
            before = measure(lambda: decode_all(images), len(images))
            processes = measure(
                lambda: decode_everywhere(pool, every_image, cores), arguments.images
            )
            whole = measure(lambda: check(dataset), arguments.images)
            after = measure(lambda: decode_all(images), len(images))
            one_core = (before.clock + after.clock) / 2
            ratios.append(one_core / cores / whole.clock)
            ratios_to_processes.append(processes.clock / whole.clock)
            processor_ratios.append((before.processor + after.processor) / 2 / whole.processor)
            print(
                f"round {number}: one core decodes {1 / one_core:.0f} images/s, the check does"
                f" {1 / whole.clock:.0f} images/s on {cores} cores, {cores} processes that only"
                f" decode {1 / processes.clock:.0f}; ratio {ratios[-1]:.2f}, to the processes"
                f" {ratios_to_processes[-1]:.2f}, by processor time {processor_ratios[-1]:.2f}"
            )
        pool.terminate()
        command = [sys.executable, "-c", "from stripsight.cli.app import main; main()"]
        start = time.perf_counter()
        subprocess.run(
            [*command, "data", "check", str(dataset)], check=True, stderr=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
    print(f"whole command: {seconds:.2f} s for {arguments.images} images")
    for what, values in (
        ("by the clock", ratios),
        ("to the processes", ratios_to_processes),
        ("by processor time", processor_ratios),
    ):
        print(
            f"ratio {what}: best {max(values):.2f}, median {statistics.median(values):.2f};"
            " goal 0.80"
        )


if __name__ == "__main__":
    main()
