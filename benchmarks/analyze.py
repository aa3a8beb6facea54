"""How long `data analyze` takes beside decoding, and how much memory, on real label tables.

    python benchmarks/analyze.py SAMPLE FOLDER [--images 12568]

SAMPLE is a folder with `train_images`, `labels_all_12568.csv` (mask area per class of every image)
and `train_rle_partial.csv` (real masks). FOLDER receives a prepared data set of that many images,
made once: each is a blend of two of the sample's images, stretched, sheared and mirrored by chance,
so that no two look alike. Classes follow the table; masks are real, the image's own or, where the
table has none, another image's of the same class.

Printed: seconds that reading and decoding alone take, on one core and with as many processes as
cores; seconds of the stages of the analysis; its ratio to both (goal: at most 3); and the largest
memory of this process and of a worker.
"""

import argparse
import csv
import hashlib
import io
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from stripsight import __version__
from stripsight.data.analysis.findings import collect_findings
from stripsight.data.analysis.report import write_report
from stripsight.data.analysis.study import study_dataset
from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    load_prepared,
    save_prepared,
)
from stripsight.imaging import GreyImage, read_grey
from stripsight.labels import SEVERSTAL


def paint(job: tuple[Path, Path, Path, int]) -> str:
    first, second, target, seed = job
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.3, 0.7)
    blend = share * distort(read_grey(first), rng) + (1 - share) * distort(read_grey(second), rng)
    buffer = io.BytesIO()
    grey = Image.fromarray(blend.clip(0, 255).astype(np.uint8)).convert("RGB")
    grey.save(buffer, "JPEG", quality=90)
    target.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def distort(image: GreyImage, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Stretch, shear and mirror: a shift alone would be found again as a neighbouring frame."""
    height, width = image.shape
    along, down, shear = rng.uniform(0.4, 1), rng.uniform(0.6, 1), rng.uniform(-0.5, 0.5)
    left, top = rng.uniform(0, width * (1 - along)), rng.uniform(0, height * (1 - down))
    change = (along, shear * along, left, 0, down, top)
    kind = Image.Transform.AFFINE
    moved = Image.fromarray(image).transform((width, height), kind, change)
    pixels = np.asarray(moved, np.float32)
    return pixels[:: int(rng.choice([1, -1])), :: int(rng.choice([1, -1]))]


def make_dataset(sample: Path, folder: Path, count: int) -> None:
    sources = sorted((sample / "train_images").glob("*.jpg"))
    with (sample / "labels_all_12568.csv").open() as file:
        table = list(csv.DictReader(file))[:count]
    with (sample / "train_rle_partial.csv").open() as file:
        known = {
            (r["ImageId"], int(r["ClassId"])): r["EncodedPixels"] for r in csv.DictReader(file)
        }
    of_class = {c: [text for (_, k), text in known.items() if k == c] for c in (1, 2, 3, 4)}
    images = folder / "images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    jobs = []
    annotations = []
    for number, row in enumerate(table):
        first, second = rng.choice(len(sources), 2, replace=False)
        jobs.append((sources[first], sources[second], images / row["ImageId"], number))
        for c in (1, 2, 3, 4):
            if int(row[f"area_{c}"]):
                text = known.get((row["ImageId"], c)) or of_class[c][number % len(of_class[c])]
                area = sum(int(n) for n in text.split()[1::2])
                annotations.append((row["ImageId"], c, "mask", text, area))
    with multiprocessing.Pool() as pool:
        digests = pool.map(paint, jobs, chunksize=32)
    rows = [
        (row["ImageId"], row["ImageId"], 256, 1600, digest, True, number)
        for number, (row, digest) in enumerate(zip(table, digests, strict=True))
    ]
    save_prepared(
        PreparedDataset(
            root=folder,
            name="full scale",
            source_format="benchmark",
            classes=SEVERSTAL,
            image_root=images.resolve(),
            images=pd.DataFrame(rows, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS),
            annotations=pd.DataFrame(annotations, columns=list(ANNOTATION_COLUMNS)).astype(
                ANNOTATION_COLUMNS
            ),
        )
    )


def decode(paths: list[Path]) -> None:
    for path in paths:
        read_grey(path)


def time_decoding(paths: list[Path], processes: int) -> float:
    with multiprocessing.Pool(processes) as pool:
        pool.map(decode, [paths[:2]] * processes)  # they are up
        start = time.perf_counter()
        pool.map(decode, [paths[i : i + 16] for i in range(0, len(paths), 16)], chunksize=1)
        return time.perf_counter() - start


def time_analysis(folder: Path) -> dict[str, float]:
    dataset = load_prepared(folder)
    for name in ("links.parquet", "statistics.parquet"):
        (folder / name).unlink(missing_ok=True)
    start = time.perf_counter()
    marks = {"scanning images": start, "comparing look-alikes, pairs": start}

    def note(what: str, done: int, total: int) -> None:
        marks[what] = time.perf_counter()

    study = study_dataset(dataset, report_progress=note)
    studied = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        write_report(study, collect_findings(study), Path(out), version=__version__)
        size = (Path(out) / "analysis.html").stat().st_size
    end = time.perf_counter()
    links, defects = len(study.links), len(study.defects.table)
    print(f"{links:,} links, {defects:,} defects, page {size / 1e6:.1f} MB")
    return {
        "scan": marks["scanning images"] - start,
        "look-alikes": max(0.0, marks["comparing look-alikes, pairs"] - marks["scanning images"]),
        "counting": studied - max(marks.values()),
        "drawing and writing": end - studied,
        "in all": end - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sample", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=12_568)
    parser.add_argument("--make-only", action="store_true")
    options = parser.parse_args()
    if not (options.folder / "dataset.json").exists():
        make_dataset(options.sample, options.folder, options.images)
    if options.make_only:
        return
    dataset = load_prepared(options.folder)
    paths = [dataset.image_root / file for file in dataset.images["file"]]
    cores = len(os.sched_getaffinity(0))
    decoding = {processes: time_decoding(paths, processes) for processes in (1, cores)}
    stages = time_analysis(options.folder)
    print(f"{len(paths):,} images")
    for name, seconds in stages.items():
        print(f"{name}: {seconds:.1f} s")
    for processes, seconds in decoding.items():
        ratio = stages["in all"] / seconds
        print(f"decoding alone on {processes} of {cores} cores: {seconds:.1f} s, ratio {ratio:.2f}")
    for name, who in (("process", resource.RUSAGE_SELF), ("worker", resource.RUSAGE_CHILDREN)):
        print(f"most memory of a {name}: {resource.getrusage(who).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
