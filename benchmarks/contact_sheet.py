"""Generated and real strips side by side: does the demo data look like the real thing?

Left column generated, right column real, one block a class and one for clean strips; each strip
once as it is and once with the outlines of its masks. The real ones come from Severstal's sample
(`train_images/` and `train.csv`), which is not part of this repository.

    python benchmarks/contact_sheet.py SAMPLE docs/pictures/demo_and_real.jpg
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw, ImageFont

from stripsight.data.demo.strip import paint_strip
from stripsight.data.rle import decode_mask
from stripsight.imaging import GreyImage, read_grey
from stripsight.labels import SEVERSTAL

STRIP_WIDTH, STRIP_HEIGHT = 800, 128
GAP, HEAD = 6, 26
MAX_BYTES = 900_000
Masks = dict[int, npt.NDArray[np.bool_]]


def load_real(sample: Path) -> list[tuple[GreyImage, Masks]]:
    """Every image of the sample with its masks by class id, in the order of the file names."""
    runs: dict[str, dict[int, str]] = defaultdict(dict)
    with (sample / "train.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            runs[row["ImageId"]][int(row["ClassId"])] = row["EncodedPixels"]
    strips = []
    for path in sorted((sample / "train_images").iterdir()):
        pixels = read_grey(path)
        masks = {c: decode_mask(r, *pixels.shape).astype(bool) for c, r in runs[path.name].items()}
        strips.append((pixels, masks))
    return strips


def pick_real(strips: list[tuple[GreyImage, Masks]], key: int, count: int) -> list[int]:
    """Indices of `count` strips that carry class `key` alone (0: clean), spread over the sample."""
    wanted = {key} if key else set()
    found = [i for i, (_, masks) in enumerate(strips) if set(masks) == wanted]
    if not found:
        found = [i for i, (_, masks) in enumerate(strips) if key in masks]
    return [found[int(place)] for place in np.linspace(0, len(found) - 1, count)]


def outline(pixels: GreyImage, masks: Masks) -> Image.Image:
    """The strip at half size; beneath it the same darkened, each mask's edge in its colour."""
    grey = Image.fromarray(pixels).resize((STRIP_WIDTH, STRIP_HEIGHT), Image.Resampling.BOX)
    both = Image.new("RGB", (STRIP_WIDTH, STRIP_HEIGHT * 3 // 2))
    both.paste(grey, (0, 0))
    small = (STRIP_WIDTH, STRIP_HEIGHT // 2)
    dim = np.asarray(grey.resize(small, Image.Resampling.BOX).convert("RGB")) // 2
    for class_id, mask in masks.items():
        shrunk = np.asarray(Image.fromarray(mask).convert("L").resize(small, Image.Resampling.BOX))
        inside = np.pad(shrunk > 40, 1)
        core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        edge = inside[1:-1, 1:-1] & ~core
        dim[edge] = ImageColor.getrgb(SEVERSTAL.color(SEVERSTAL.column_of[class_id]))
    both.paste(Image.fromarray(dim), (0, STRIP_HEIGHT))
    return both


def build_sheet(sample: Path, *, seed: int, rows: int) -> Image.Image:
    """One block of `rows` rows for clean strips and for each class."""
    real = load_real(sample)
    cell = STRIP_HEIGHT * 3 // 2 + GAP
    block = HEAD + rows * cell
    keys = [0, *(c.id for c in SEVERSTAL)]
    sheet = Image.new("RGB", (2 * STRIP_WIDTH + 3 * GAP, block * len(keys)), "#202020")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for number, key in enumerate(keys):
        top = number * block
        title = f"class {key}" if key else "clean"
        for column, kind in enumerate(("generated", "real (Severstal)")):
            left = GAP + column * (STRIP_WIDTH + GAP)
            draw.text((left, top + 4), f"{title}, {kind}", fill="white", font=font)
        for row, place in enumerate(pick_real(real, key, rows)):
            index = 1000 * number + 6 * row  # another coil each
            made = paint_strip(seed, index, frozenset([key] if key else []))
            y = top + HEAD + row * cell
            sheet.paste(outline(made.pixels, made.masks), (GAP, y))
            sheet.paste(outline(*real[place]), (2 * GAP + STRIP_WIDTH, y))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sample", type=Path, help="folder with train_images/ and train.csv")
    parser.add_argument("out", type=Path, help="the picture, .jpg")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--rows", type=int, default=3, help="strips a class")
    arguments = parser.parse_args()
    sheet = build_sheet(arguments.sample, seed=arguments.seed, rows=arguments.rows)
    for quality in range(88, 40, -4):
        sheet.save(arguments.out, quality=quality)
        if arguments.out.stat().st_size < MAX_BYTES:
            break
    print(f"{arguments.out}: {sheet.width}x{sheet.height}, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
