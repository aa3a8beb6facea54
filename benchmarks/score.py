"""`stripsight score` end to end: against its engine alone, start, memory, and time against number.

Rate: the engine alone on decoded images in memory, and JPEG in, Parquet out, take turns in one
process. The rest runs the command: the start with the given bundle, memory and slope with a network
that costs next to nothing in its place, so that what is not the network shows.

python benchmarks/score.py BUNDLE ../shared/data/severstal_sample/test_images
"""

import argparse
import itertools
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stripsight.bundle.folder import open_bundle, seal_file, write_manifest
from stripsight.bundle.manifest import GoldenImage, InputContract, Variant
from stripsight.imaging import read_grey, resize_grey
from stripsight.scoring.batch import score_inputs
from stripsight.scoring.engine import EngineSettings, UInt8Images, load_engine
from stripsight.scoring.opening import ScoreOptions
from stripsight.scoring.openvino_module import import_openvino

WATCHED = """
import atexit, sys, time
from pathlib import Path
def tell(what, value):
    print(what, value, file=sys.stderr, flush=True)
from stripsight.cli.app import main
def trace():
    from stripsight.scoring.rows import Row
    to_line = Row.to_line
    def first(self):
        tell("FIRST", time.monotonic())
        Row.to_line = to_line
        return to_line(self)
    Row.to_line = first
status = Path("/proc/self/status")
atexit.register(lambda: tell("PEAK", status.read_text().partition("VmHWM:")[2].split()[0]))
if sys.argv.pop(1) == "first":
    trace()
main()
"""


def run_command(*words: object, first: bool = False) -> tuple[float, dict[str, float]]:
    """Seconds of a whole run, and what it told."""
    begun = time.monotonic()
    command = [sys.executable, "-c", WATCHED, "first" if first else "-", "score"]
    done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, check=True)
    seconds = time.monotonic() - begun
    told = dict(
        line.split() for line in done.stderr.splitlines() if line.startswith(("FIRST ", "PEAK "))
    )
    return seconds, {
        what: float(value) - (begun if what == "FIRST" else 0) for what, value in told.items()
    }


def measure_raw(bundle: Path, settings: EngineSettings, images: list[UInt8Images], n: int) -> float:
    engine = load_engine(open_bundle(bundle), settings)
    feed: Iterator[tuple[int, UInt8Images]] = enumerate(
        itertools.islice(itertools.cycle(images), n)
    )
    next(iter(engine.predict_each([(0, images[0])])))
    begun = time.monotonic()
    for _ in engine.predict_each(feed):
        pass
    return n / (time.monotonic() - begun)


def link_images(folder: Path, images: list[Path], n: int) -> Path:
    folder.mkdir()
    for number in range(n):
        source = images[number % len(images)]
        (folder / f"{number:06d}{source.suffix}").symlink_to(source)
    return folder


def make_quick_bundle(bundle: Path, folder: Path) -> Path:
    """The same bundle with a network that averages: one variant, fp32."""
    from onnx import TensorProto, helper, numpy_helper

    opened = open_bundle(bundle)
    manifest = opened.manifest
    classes = len(manifest.classes)
    weight = np.linspace(-2, 2, classes, dtype=np.float32)[:, None, None, None] / 30
    nodes = [
        helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node(
            "AveragePool", ["grey"], ["small"], kernel_shape=[32] * 2, strides=[32] * 2
        ),
        helper.make_node("Conv", ["small", "weight"], ["class_maps"]),
        helper.make_node("ReduceMean", ["class_maps", "axes"], ["logits"], keepdims=0),
    ]
    values = {"weight": weight, "axes": np.array([2, 3], np.int64)}
    number: list[str | int | None] = ["n", classes]
    places: list[str | int | None] = ["n", classes, "p", "q"]
    graph = helper.make_graph(
        nodes,
        "quick",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 1, "h", "w"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, number),
            helper.make_tensor_value_info("class_maps", TensorProto.FLOAT, places),
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "golden").mkdir(parents=True)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    ov = import_openvino()
    ov.save_model(ov.Core().read_model(data, b""), folder / "fp32.xml", compress_to_fp16=False)
    variant = Variant(
        "fp32", "fp32", "openvino", "fp32.xml", 0.01, {"passed": True}, {"latency_ms": 1.0}
    )
    golden = manifest.golden[0].file
    (folder / golden).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(bundle / golden, folder / golden)
    image = resize_grey(read_grey(folder / golden), (manifest.input.height, manifest.input.width))
    names = ("model.onnx", "fp32.xml", "fp32.bin", golden)
    bare = replace(
        manifest,
        variants=(variant,),
        chosen="fp32",
        golden=(),
        files={name: seal_file(folder / name) for name in names},
    )
    write_manifest(bare, folder)
    logits = load_engine(open_bundle(folder)).predict(image[None, None]).logits[0]
    told = GoldenImage(golden, {"fp32": tuple(logits.tolist())})
    write_manifest(replace(bare, golden=(told,)), folder)
    return folder


def read_all(images: list[Path], contract: InputContract) -> list[UInt8Images]:
    size = (contract.height, contract.width)
    return [resize_grey(read_grey(path), size)[None, None] for path in images]


def measure_rates(args: argparse.Namespace, images: list[Path], work: Path) -> None:
    settings = EngineSettings(variant=args.variant, streams=args.streams)
    contract = open_bundle(args.bundle).manifest.input
    decoded = read_all(images, contract)
    folder = link_images(work / "rate", images, args.images)
    rows = []
    for turn in range(args.rounds + 1):
        raw = measure_raw(args.bundle, settings, decoded, args.images)
        summary = score_inputs(
            args.bundle, [str(folder)], work / "rate.parquet", ScoreOptions(settings)
        )
        rate = summary.images_per_second or math.nan
        if turn:  # the first warms up
            rows.append((raw, rate, rate / raw))
            print(f"  raw {raw:.1f} images/s, score {rate:.1f}, ratio {rate / raw:.3f}", flush=True)
    raw, rate, ratio = (statistics.median(column) for column in zip(*rows, strict=True))
    low, high = min(r[2] for r in rows), max(r[2] for r in rows)
    info = summary.info
    print(f"| {info.describe()} | {raw:.1f} | {rate:.1f} | {ratio:.3f} ({low:.3f} to {high:.3f}) |")


def measure_start(args: argparse.Namespace, images: list[Path], work: Path) -> None:
    extra = ["--variant", args.variant] if args.variant else []
    firsts = []
    for _ in range(args.rounds + 1):
        _, told = run_command(
            *(args.bundle, images[0], "--out", work / "one.jsonl", *extra), first=True
        )
        firsts.append(told["FIRST"])
    print(f"| start to first score | median {statistics.median(firsts[1:]):.2f} s,"
          f" worst {max(firsts[1:]):.2f} s |")  # fmt: skip


def measure_growth(args: argparse.Namespace, images: list[Path], work: Path) -> None:
    quick = make_quick_bundle(args.bundle, work / "quick")
    points: list[tuple[int, float, float]] = []
    for n in args.counts:
        folder = link_images(work / f"n{n}", images, n)
        begun_with_one = run_command(quick, images[0], "--out", work / "one.parquet")[0]
        seconds, told = run_command(quick, folder, "--out", work / "n.parquet")
        points.append((n, seconds - begun_with_one, told["PEAK"] / 1024))
        print(f"| {n:,} | {seconds:.2f} s | {points[-1][1]:.2f} s | {points[-1][2]:.0f} MiB |",
              flush=True)  # fmt: skip
        shutil.rmtree(folder)
    x, y = (np.log([p[i] for p in points]) for i in (0, 1))
    slope = float(np.polyfit(x, y, 1)[0])
    growth = points[-1][2] / points[0][2]
    print(f"log-log slope of time beyond that of one image: {slope:.3f}")
    print(f"peak memory of {points[-1][0]:,} to that of {points[0][0]:,}: {growth:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--variant", default=None)
    parser.add_argument("--streams", type=int, default=None)
    parser.add_argument("--n", dest="images_a_turn", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 2000, 5000, 10_000, 20_000])
    parser.add_argument("--only", choices=("rate", "start", "growth"), default=None)
    parsed: Any = parser.parse_args()
    images = sorted(path.resolve() for path in parsed.images.iterdir())
    args = argparse.Namespace(**{**vars(parsed), "images": parsed.images_a_turn})
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(images)} different images")
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in (
            ("rate", measure_rates),
            ("start", measure_start),
            ("growth", measure_growth),
        ):
            if parsed.only in (None, name):
                print(f"\n{name}", flush=True)
                measure(args, images, Path(folder))


if __name__ == "__main__":
    main()
