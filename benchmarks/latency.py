"""Latency of the four promised backbones: PyTorch eager fp32 against OpenVINO fp32, bf16 and int8.

PyTorch stands as one would write it first: NCHW, three equal channels, `inference_mode`. Weights
are random, which costs the same time as trained ones. The graphs are made once, as bundles in a
folder; then all contenders of a backbone take turns in one process.

python benchmarks/latency.py CACHE --strips ../shared/data/severstal_sample/train_images
"""

import argparse
import contextlib
import io
import logging
import os
import platform
import sys
from pathlib import Path

import numpy as np
import torch

from stripsight.bundle.folder import Bundle, open_bundle, seal_file, write_manifest
from stripsight.bundle.manifest import FILE_NAME, InputContract, Manifest, Precision, Variant
from stripsight.decision.calibration import make_identity
from stripsight.decision.document import Decisions, FittedOn
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.export.graph import (
    ExportedNetwork,
    convert_to_openvino,
    prepare_network,
    write_onnx,
)
from stripsight.imaging import read_grey
from stripsight.labels import SEVERSTAL
from stripsight.models.eager import oppose_eager
from stripsight.models.network import build_network
from stripsight.scoring.bench.contender import open_engine
from stripsight.scoring.bench.latency import Latency, compare_latencies, measure_latencies
from stripsight.scoring.bench.steadiness import SteadinessProbe
from stripsight.scoring.engine import EngineSettings, UInt8Images
from stripsight.scoring.openvino_module import import_openvino
from stripsight.scoring.threads import count_cores

GOALS = {"densenet121": 6, "resnet50": 6, "efficientnet_b0": 3, "efficientnet_b1": 3}
"""How many times faster than eager PyTorch the fastest variant is to be."""

VARIANTS: dict[str, tuple[Precision, str]] = {
    "fp32": ("fp32", "fp32.xml"),
    "bf16": ("bf16", "fp32.xml"),
    "int8": ("int8", "int8.xml"),
}
SIZE = (256, 1600)
CALIBRATION_STRIPS = 16
MEASURED_STRIPS = 8


def prepare_bundle(folder: Path, backbone: str, strips: Path) -> Bundle:
    """The bundle of a backbone with random weights, made where it is not there yet."""
    if (folder / FILE_NAME).exists():
        return open_bundle(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "int8.bin").exists():
        export_graphs(folder, backbone, strips)
    classes = SEVERSTAL
    nothing = FittedOn("validation", 0, "none", "none", "none")
    policy = Policy("max_f1", {}, tuple(ClassPolicy.at(0.5) for _ in classes))
    manifest = Manifest(
        name=f"{backbone}, random weights",
        created="",
        stripsight="",
        classes=classes,
        input=InputContract(*SIZE, (SIZE,)),
        decisions=Decisions(
            classes.names, make_identity(len(classes)), policy, nothing, (0,) * len(classes)
        ),
        box_levels=(None,) * len(classes),
        variants=tuple(
            Variant(name, precision, "openvino", file, 0.1, {"passed": True}, {"latency_ms": 1.0})
            for name, (precision, file) in VARIANTS.items()
        ),
        chosen="fp32",
        why_chosen="random weights: nothing to choose by",
        golden=(),
        provenance={"runs": [{"backbone": backbone}]},
        files={path.name: seal_file(path) for path in folder.iterdir()},
    )
    write_manifest(manifest, folder)
    return open_bundle(folder)


def export_graphs(folder: Path, backbone: str, strips: Path) -> None:
    """`model.onnx`, `fp32.xml` and `int8.xml` of a network with random weights."""
    torch.manual_seed(0)
    network = prepare_network(build_network(backbone, len(SEVERSTAL), pretrained=False))
    write_onnx(ExportedNetwork([network]), folder / "model.onnx", SIZE)
    convert_to_openvino(folder / "model.onnx", folder / "fp32.xml")
    openvino = import_openvino()  # first: it keeps NNCF from sending usage statistics, too
    import nncf

    files = sorted(strips.glob("*.jpg"))[:CALIBRATION_STRIPS]
    pixels = [read_grey(file, expected_size=SIZE)[None, None] for file in files]
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        quantised = nncf.quantize(
            openvino.Core().read_model(folder / "fp32.xml"),
            nncf.Dataset(pixels),
            subset_size=len(pixels),
            preset=nncf.QuantizationPreset.MIXED,
        )
    openvino.save_model(quantised, folder / "int8.xml", compress_to_fp16=False)


def measure_backbone(
    bundle: Bundle, backbone: str, images: UInt8Images, options: argparse.Namespace
) -> list[str]:
    """Rows of the table."""
    threads = int(options.threads)
    singles = [EngineSettings(variant=name, threads=threads) for name in VARIANTS]
    with SteadinessProbe(count_cores()) as probe:
        eager, *ours = measure_latencies(
            [
                oppose_eager([backbone], len(SEVERSTAL), threads).open(1),
                *(open_engine(bundle, settings) for settings in singles),
            ],
            images,
            seconds=float(options.seconds),
            between=probe.take,
        )
        steadiness = probe.judge()
    rows = [describe_row(backbone, eager, "")]
    best = max(compare_latencies(eager, each).median for each in ours)
    for each in ours:
        ratio = compare_latencies(eager, each)
        goal = f", goal {GOALS[backbone]}" if ratio.median == best else ""
        busy = eager.processor_seconds / each.processor_seconds
        rows.append(describe_row("", each, f"{ratio.describe()}{goal} | {busy:.2f}"))
    print(f"{backbone}: {steadiness.describe()}", file=sys.stderr, flush=True)
    return rows


def describe_row(backbone: str, latency: Latency, ratio: str) -> str:
    p50, p90, p99 = (f"{1000 * latency.compute_percentile(p):.1f}" for p in (50, 90, 99))
    return (
        f"| {backbone} | {latency.name} | {p50} | {p90} | {p99} | {len(latency.seconds)}"
        f" | {1000 * latency.processor_seconds:.1f} | {ratio or '1 | 1'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency of the four backbones.")
    parser.add_argument("cache", type=Path, help="folder that holds or gets the graphs")
    parser.add_argument("--strips", type=Path, required=True, help="folder of 256x1600 JPEG files")
    parser.add_argument("--backbones", nargs="+", default=list(GOALS))
    parser.add_argument("--seconds", type=float, default=80.0, help="a backbone, about")
    parser.add_argument("--threads", type=int, default=count_cores())
    parser.add_argument("--prepare-only", action="store_true")
    options = parser.parse_args()
    files = sorted(options.strips.glob("*.jpg"))[:MEASURED_STRIPS]
    images = np.stack([read_grey(file, expected_size=SIZE) for file in files])[:, None]
    bundles = {
        backbone: prepare_bundle(options.cache / backbone, backbone, options.strips)
        for backbone in options.backbones
    }
    if options.prepare_only:
        return
    rows = [
        row
        for backbone, bundle in bundles.items()
        for row in measure_backbone(bundle, backbone, images, options)
    ]
    print(
        f"{platform.machine()}, {count_cores()} cores, {options.threads} threads, load now"
        f" {os.getloadavg()[0]:.1f}; torch {torch.__version__}\n"
    )
    print("| | | p50 ms | p90 | p99 | n | processor ms | eager / this (rounds) | of processor ms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
