"""How many look-alikes `data duplicates` finds, and how many links it makes up.

    python benchmarks/duplicates.py IMAGES... [--half 0|1] [--pictures FOLDER]
    python benchmarks/duplicates.py IMAGES... --scale 12568

The first makes near-duplicates of known kinds from real images (half 0 of them to tune on, half 1
to report), stores them as JPEG, and compares with an 8x8 DCT perceptual hash. A link counts as
right only if the two come from one image and the displacement is right to 2 pixels. The second
times the search among many distinct images and takes its memory.
"""

import argparse
import hashlib
import itertools
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw
from scipy.fft import dctn

from stripsight.data.lookalikes.duplicates import find_links
from stripsight.data.lookalikes.fingerprint import Fingerprint, compute_fingerprint
from stripsight.data.lookalikes.links import Link
from stripsight.data.prepared import IMAGE_COLUMNS, PreparedDataset
from stripsight.imaging import GreyImage, read_grey
from stripsight.labels import SEVERSTAL

WINDOWS = ("windows", "windows, both axes", "windows, combined")
KINDS = ("quality 30-90", "text box", "brightness", "combined", *WINDOWS)
SHIFT_TOLERANCE = 2
BLACK = 16
DCT_RADII = (0, 2, 4, 6, 8, 10, 12)


@dataclass(frozen=True)
class Made:
    """One file of the trial: what it was made from, how, and where it lies in that image."""

    name: str
    source: str
    kind: str
    x: int
    y: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--half", type=int, choices=(0, 1))
    parser.add_argument("--every", type=int, default=1, help="take one of so many images")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--scale", type=int)
    arguments = parser.parse_args()
    sources = sorted(
        path
        for folder in arguments.folders
        for path in folder.rglob("*")
        if path.suffix.lower() in {".jpg", ".png"}
    )
    with tempfile.TemporaryDirectory() as folder:
        if arguments.scale:
            time_search(sources, Path(folder), arguments.scale)
            return
        chosen = [
            path
            for path in sources
            if (arguments.half is None or hash_name(path) % 2 == arguments.half)
            and hash_name(path) // 2 % arguments.every == 0
        ]
        links = judge_originals(chosen, arguments.pictures)
        judge_made(chosen, Path(folder), links)


def hash_name(path: Path) -> int:
    return int(hashlib.sha256(path.name.encode()).hexdigest(), 16)


def judge_originals(sources: Sequence[Path], pictures: Path | None) -> set[frozenset[str]]:
    """Links between the images themselves: to be looked at, and known from then on."""
    links = search(sources)
    print(f"{len(sources)} images; links between themselves: {len(links)}")
    for link in links:
        shift = f"{link.shift_x:+d},{link.shift_y:+d}"
        print(f"  {link.first} {link.second} {link.kind} {shift} {link.similarity:.2f}")
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            draw_pair(link, {path.name: path for path in sources}, pictures)
    return {frozenset((link.first, link.second)) for link in links}


def judge_made(sources: Sequence[Path], folder: Path, known: set[frozenset[str]]) -> None:
    made = [one for path in sources for one in make_variants(path, folder)]
    by_name = {one.name: one for one in made}
    start = time.perf_counter()
    links = search([folder / one.name for one in made])
    print(f"{len(made)} images made of them, searched in {time.perf_counter() - start:.0f} s")
    found = {(link.first, link.second): link for link in links}
    right = {pair for pair, link in found.items() if is_right(link, by_name)}
    kinds: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    counts = Counter[str]()
    blank = Counter[str]()
    expected = list(pair_up(made))
    truth: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for kind, first, second in expected:
        if is_blank(first, second, folder):
            blank[kind] += 1
            continue
        pair = (min(first.name, second.name), max(first.name, second.name))
        truth[kind].append(pair)
        if pair in right:
            counts[kind] += 1
            kinds[kind][found[pair].kind] += 1
    print("| made | pairs | found | recall | stored as | shared part black (not counted) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        total = len(truth[kind])
        stored = ", ".join(f"{n} {k}" for k, n in kinds[kind].most_common())
        print(
            f"| {kind} | {total} | {counts[kind]} | {counts[kind] / max(1, total):.3f}"
            f" | {stored} | {blank[kind]} |"
        )
    apart = {
        pair
        for pair in found.keys() - right
        if frozenset(by_name[name].source for name in pair) in known
    }
    wrong = found.keys() - right - apart
    print(
        f"links: {len(found):,}; right {len(right):,}; between images that are look-alikes as they"
        f" came {len(apart):,}; wrong {len(wrong):,};"
        f" precision {len(right) / max(1, len(right) + len(wrong)):.4f}"
    )
    origins = Counter(tuple(sorted({by_name[name].source for name in pair})) for pair in wrong)
    print(f"  wrong by the images they came from: {dict(origins)}")
    for pair in sorted(wrong)[:20]:
        first, second = (by_name[name] for name in pair)
        print(f"  wrong: {found[pair]}; true {second.x - first.x:+d},{second.y - first.y:+d}")
    missed = [pair for kind in KINDS for pair in truth[kind] if pair not in right]
    print(f"  missed: {missed[:20]}")
    judge_hash(made, folder, truth, known)


def judge_hash(
    made: Sequence[Made],
    folder: Path,
    truth: dict[str, list[tuple[str, str]]],
    known: set[frozenset[str]],
) -> None:
    """The obvious alternative at several radii; a pair of one source counts as right."""
    bits = np.array([hash_by_dct(read_grey(folder / one.name)) for one in made])
    row_of = {one.name: row for row, one in enumerate(made)}
    distance = np.bitwise_count(bits[:, None] ^ bits[None])
    sources = [one.source for one in made]
    number = np.array([sources.index(s) for s in sources])
    same = number[:, None] == number
    for pair in known:
        a, b = (sources.index(name) for name in pair)
        same |= ((number[:, None] == a) & (number == b)) | ((number[:, None] == b) & (number == a))
    above = np.triu(np.ones_like(same), 1)
    print("| DCT hash, radius | precision | " + " | ".join(f"recall {k}" for k in KINDS) + " |")
    print("| --- |" + " --- |" * (len(KINDS) + 1))
    for radius in DCT_RADII:
        linked = (distance <= radius) & above
        precision = (linked & same).sum() / max(1, linked.sum())
        recalls = [
            np.mean([distance[row_of[a], row_of[b]] <= radius for a, b in truth[kind]])
            for kind in KINDS
        ]
        print(f"| {radius} | {precision:.3f} | " + " | ".join(f"{r:.3f}" for r in recalls) + " |")


def hash_by_dct(image: GreyImage) -> np.uint64:
    """64 bits: which of the 8x8 lowest frequencies of the 32x32 image lie above their median."""
    small = Image.fromarray(image).resize((32, 32), Image.Resampling.BOX)
    low = dctn(np.asarray(small, np.float64), norm="ortho")[:8, :8]
    return np.uint64(np.packbits(low > np.median(low)).view(np.uint64)[0])


def search(paths: Sequence[Path]) -> tuple[Link, ...]:
    fingerprints = {path.name: compute_fingerprint(read_grey(path)) for path in paths}
    return find_links(describe(paths), fingerprints)


def describe(paths: Sequence[Path]) -> PreparedDataset:
    """A data set in memory; every file counts as a file of its own."""
    rows = [(p.name, str(p.resolve()), 0, 0, p.name, False, i) for i, p in enumerate(paths)]
    return PreparedDataset(
        root=Path(),
        name="trial",
        source_format="trial",
        classes=SEVERSTAL,
        image_root=Path("/"),
        images=pd.DataFrame(rows, columns=list(IMAGE_COLUMNS)),
        annotations=pd.DataFrame(columns=["image_id", "class_id", "kind", "rle", "area"]),
    )


def make_variants(path: Path, folder: Path) -> Iterator[Made]:
    image = read_grey(path)
    rng = np.random.default_rng(hash_name(path) % 2**32)

    def store(kind: str, pixels: GreyImage, quality: int, x: int = 0, y: int = 0) -> Made:
        one = Made(f"{path.stem}-{kind.replace(', ', '-')}.jpg", path.name, kind, x, y)
        Image.fromarray(pixels).save(folder / one.name, quality=quality)
        return one

    def draw_quality(low: int = 30, high: int = 90) -> int:
        return int(rng.integers(low, high + 1))

    yield store("original", image, 95)
    yield store("quality 30-90", image, draw_quality())
    yield store("text box", burn_text(image, rng), draw_quality(75, 95))
    yield store("brightness", change_brightness(image, rng), 95)
    yield store("combined", change_brightness(burn_text(image, rng), rng), draw_quality())
    for kind in WINDOWS:
        vertical = 0 if kind == "windows" else image.shape[0] // 8
        for number, (x, y, window) in enumerate(cut_windows(image, rng, vertical)):
            if number and kind == "windows, combined":
                pixels, quality = change_brightness(window, rng), draw_quality()
            else:
                pixels, quality = window, draw_quality(85, 95)
            yield store(f"{kind}, {number}", pixels, quality, x, y)


def burn_text(image: GreyImage, rng: np.random.Generator) -> GreyImage:
    """A filled box with text in rows 0-15, columns 195-640 (a like share of smaller images)."""
    height, width = image.shape
    left, right = (195, 640) if width > 1000 else (width // 8, width * 2 // 5)
    bottom = 15 if height > 250 else height // 16
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    ground = int(rng.choice([0, 128, 255]))
    draw.rectangle((left, 0, right, bottom), fill=ground)
    text = "CAM 3  coil {} pos {} m".format(*rng.integers(1000, 9999, 2))
    draw.text((left + 4, 2), text, fill=255 if ground < 255 else 0)
    return np.asarray(canvas)


def change_brightness(image: GreyImage, rng: np.random.Generator) -> GreyImage:
    gain, offset = rng.uniform(0.6, 1.5), rng.uniform(-30, 30)
    changed: GreyImage = np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8)
    return changed


def cut_windows(
    image: GreyImage, rng: np.random.Generator, vertical: int
) -> Iterator[tuple[int, int, GreyImage]]:
    """Two windows of half the width that share 25-75 %, up to `vertical` rows apart."""
    height, width = image.shape
    wide, high = width // 2, height - vertical
    step = round(wide * (1 - rng.uniform(0.25, 0.75)))
    left = int(rng.integers(0, width - wide - step + 1))
    down = int(rng.integers(1, vertical + 1)) if vertical else 0
    tops = (0, down) if rng.random() < 0.5 else (down, 0)
    for x, y in zip((left, left + step), tops, strict=True):
        yield x, y, image[y : y + high, x : x + wide]


def pair_up(made: Sequence[Made]) -> Iterator[tuple[str, Made, Made]]:
    for _, group in itertools.groupby(made, key=lambda one: one.source):
        ones = {one.kind: one for one in group}
        for kind in KINDS:
            if kind in WINDOWS:
                yield kind, ones[f"{kind}, 0"], ones[f"{kind}, 1"]
            else:
                yield kind, ones["original"], ones[kind]


def is_blank(first: Made, second: Made, folder: Path) -> bool:
    """Whether at least half of what both show is black in the better of the two files."""
    image = read_grey(folder / first.name)
    shift_x, shift_y = second.x - first.x, second.y - first.y
    shared = image[max(0, shift_y) :, max(0, shift_x) :]
    return bool(np.mean(shared <= BLACK) >= 0.5)


def is_right(link: Link, by_name: dict[str, Made]) -> bool:
    first, second = by_name[link.first], by_name[link.second]
    return (
        first.source == second.source
        and abs(link.shift_x - (second.x - first.x)) <= SHIFT_TOLERANCE
        and abs(link.shift_y - (second.y - first.y)) <= SHIFT_TOLERANCE
    )


def draw_pair(link: Link, paths: dict[str, Path], folder: Path) -> None:
    """Both images, one above the other, the second moved to where it fits the first."""
    first, second = read_grey(paths[link.first]), read_grey(paths[link.second])
    left, top = min(0, link.shift_x), min(0, link.shift_y)
    width = max(first.shape[1], second.shape[1] + link.shift_x) - left
    height = max(first.shape[0], second.shape[0] + link.shift_y) - top
    canvas = np.zeros((2 * height + 8, width), np.uint8)
    for row, (image, x, y) in enumerate(((first, 0, 0), (second, link.shift_x, link.shift_y))):
        y_at, x_at = row * (height + 8) + y - top, x - left
        canvas[y_at : y_at + image.shape[0], x_at : x_at + image.shape[1]] = image
    Image.fromarray(canvas).save(folder / f"{link.first}--{link.second}.png".replace(" ", "_"))


def time_search(sources: Sequence[Path], folder: Path, count: int) -> None:
    cores = len(os.sched_getaffinity(0))
    with get_context("fork").Pool(cores) as pool:
        jobs = ((sources, folder, number) for number in range(count))
        made = pool.starmap(make_distinct, jobs, chunksize=32)
    paths = [path for path, _ in made]
    fingerprints = {path.name: fingerprint for path, fingerprint in made}
    points = sum(len(f.points) for f in fingerprints.values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    compared: list[int] = []
    links = find_links(
        describe(paths), fingerprints, report_progress=lambda done, total: compared.append(total)
    )
    print(
        f"{count:,} images, {points:,} points: searched in {time.perf_counter() - start:.0f} s"
        f" ({time.process_time() - cpu:.0f} s of processor time on {cores} cores),"
        f" {compared[0]:,} candidates, {len(links):,} links; peak memory"
        f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
        f" ({before / 1024:.0f} MB before)"
    )
    for link in links[:20]:
        print(f"  {link}")


def make_distinct(sources: Sequence[Path], folder: Path, number: int) -> tuple[Path, Fingerprint]:
    """A blend of two real images, each cut, stretched, sheared and flipped by chance."""
    rng = np.random.default_rng(number)
    parts = [distort(read_grey(sources[i]), rng) for i in rng.choice(len(sources), 2)]
    weight = rng.uniform(0.3, 0.7)
    mixed: npt.NDArray[Any] = parts[0] * weight + parts[1] * (1 - weight)
    path = folder / f"{number:06d}.jpg"
    Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)).save(path, quality=85)
    return path, compute_fingerprint(read_grey(path))


def distort(image: GreyImage, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    height, width = image.shape
    across, down = rng.uniform(0.4, 1.0), rng.uniform(0.6, 1.0)
    shear = rng.uniform(-0.5, 0.5)
    left, top = rng.uniform(0, width * (1 - across)), rng.uniform(0, height * (1 - down))
    moved = Image.fromarray(image).transform(
        (width, height),
        Image.Transform.AFFINE,
        (across, shear * across, left, 0, down, top),
        Image.Resampling.BILINEAR,
    )
    pixels = np.asarray(moved, np.float32)
    pixels = pixels[::-1] if rng.random() < 0.5 else pixels
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


if __name__ == "__main__":
    main()
