"""What holds for every test: no clock in hypothesis, few threads, and where the real data lie."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """Write a whole bundle of a tiny network without torch; returns its folder.

    fp32, bf16 (the graph of fp32) and int8 for OpenVINO, `model.onnx`, golden images whose logits
    its own engine gave, where there is bf16 or not. Its stored validation is of another, made-up
    network: at a threshold of 0.785 int8 misses one defect of each class, else nothing is missed.
    """

    def make(
        folder: Path,
        *,
        classes: Sequence[str] = ("scratch", "spot", "rust"),
        size: tuple[int, int] = (32, 64),
        image_sizes: Sequence[tuple[int, int]] = (),
        chosen: str = "fp32",
        thresholds: tuple[float, float] = (0.5, 0.5),
        golden: int = 3,
        bias: float = 0.0,
        **manifest: Any,
    ) -> Path:
        from stripsight.bundle.folder import open_bundle, write_manifest
        from stripsight.bundle.manifest import GoldenImage
        from stripsight.imaging import read_grey, resize_grey
        from stripsight.scoring.engine import EngineSettings, load_engine

        (folder / "golden").mkdir(parents=True)
        _write_graphs(folder, len(classes), bias)
        _write_validation(folder, len(classes))
        (folder / "MODEL_CARD.md").write_text("# A tiny network\n", encoding="utf-8")
        names = [f"golden/{number:02d}.png" for number in range(golden)]
        stored = (*(image_sizes or [size]),)
        for number, name in enumerate(names):
            _paint_golden(folder / name, stored[number % len(stored)], number)
        bare = _build_manifest(folder, classes, size, stored, chosen, thresholds)
        write_manifest(bare, folder)
        bundle = open_bundle(folder)
        images = [resize_grey(read_grey(folder / name), size) for name in names]
        logits = {}
        for variant, runs in (("fp32", "fp32"), ("bf16", "fp32"), ("int8", "int8")):
            if images:
                engine = load_engine(bundle, EngineSettings(variant=runs, threads=1))
                logits[variant] = engine.predict(np.stack(images)[:, None]).logits.tolist()
        expected = tuple(
            GoldenImage(name, {v: tuple(rows[number]) for v, rows in logits.items()})
            for number, name in enumerate(names)
        )
        write_manifest(replace(bare, golden=expected, **manifest), folder)
        return folder

    return make


def _write_graphs(folder: Path, classes: int, bias: float) -> None:
    from stripsight.scoring.openvino_module import import_openvino

    ov = import_openvino()
    core = ov.Core()
    for name, quantised in (("fp32", False), ("int8", True)):
        graph = _build_onnx(classes, bias, quantised).SerializeToString()
        model = core.read_model(graph, b"")
        ov.save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
        if not quantised:
            (folder / "model.onnx").write_bytes(graph)


def _build_onnx(classes: int, bias: float, quantised: bool) -> Any:
    """Grey to 8 features on patches of 8 x 8, to class maps, to their means as logits."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(7)
    values = {
        "mean": np.float32(100),
        "spread": np.float32(50),
        "first": rng.normal(0, 0.15, (8, 1, 8, 8)).astype(np.float32),
        "second": rng.normal(0, 1.2, (classes, 8, 1, 1)).astype(np.float32),
        "bias": np.full(classes, bias, np.float32),
        "axes": np.array([2, 3], np.int64),
        "scale": np.float32(6 / 255),
        "zero": np.uint8(128),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["grey", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "spread"], ["normal"]),
    ]
    if quantised:
        nodes += [
            helper.make_node("QuantizeLinear", ["normal", "scale", "zero"], ["coarse"]),
            helper.make_node("DequantizeLinear", ["coarse", "scale", "zero"], ["input"]),
        ]
    nodes += [
        helper.make_node(
            "Conv", ["input" if quantised else "normal", "first"], ["patches"], strides=[8, 8]
        ),
        helper.make_node("Relu", ["patches"], ["features"]),
        helper.make_node("Conv", ["features", "second", "bias"], ["class_maps"]),
        helper.make_node("ReduceMean", ["class_maps", "axes"], ["logits"], keepdims=0),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, "h", "w"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info(
                "class_maps", TensorProto.FLOAT, ["batch", classes, "p", "q"]
            ),
        ],
        [numpy_helper.from_array(np.array(v), n) for n, v in values.items() if n in used],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="tests"
    )


def _write_validation(folder: Path, classes: int) -> None:
    """40 images: half of them surely defective, half surely clean, and one that nearly is not."""
    from stripsight.bundle.validation import Validation, write_validation

    rng = np.random.default_rng(11)
    labels = (np.arange(40)[:, None] + np.arange(classes)) % 2
    sure = rng.uniform(3, 5, labels.shape).astype(np.float32) * (2 * labels - 1)
    columns = np.arange(classes)
    logits = {}
    for name, value in (("fp32", 2.0), ("bf16", 1.99), ("int8", 1.9)):
        logits[name] = sure.astype(np.float32)
        logits[name][columns + 1, columns] = value
    write_validation(Validation(labels.astype(np.uint8), logits["fp32"].copy(), logits), folder)


def _paint_golden(path: Path, size: tuple[int, int], number: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(number)
    pixels = rng.normal(60 + 50 * number % 190, 30, size).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def _build_manifest(
    folder: Path,
    classes: Sequence[str],
    size: tuple[int, int],
    image_sizes: Sequence[tuple[int, int]],
    chosen: str,
    thresholds: tuple[float, float],
) -> Any:
    from stripsight.bundle.folder import Bundle, seal_file
    from stripsight.bundle.gate import regate
    from stripsight.bundle.manifest import InputContract, Manifest, Variant
    from stripsight.decision.calibration import Calibration, ClassCalibration
    from stripsight.decision.document import Decisions, FittedOn
    from stripsight.decision.policy import ClassPolicy, Policy
    from stripsight.labels import ClassList

    count = len(classes)
    calibration = Calibration((ClassCalibration("temperature", (1.5,)),) * count)
    policy = Policy("max_f1", {}, (ClassPolicy(*thresholds),) * count)
    fitted = FittedOn("validation", 40, *(letter * 64 for letter in "abc"))
    variants = (("fp32", "fp32.xml", 3.0), ("bf16", "fp32.xml", 2.0), ("int8", "int8.xml", 1.0))
    decisions = Decisions(tuple(classes), calibration, policy, fitted, (20,) * count)
    files = {
        path.relative_to(folder).as_posix(): seal_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    bare = Manifest(
        name="tiny",
        created="2026-01-02T03:04:05+00:00",
        stripsight="0.1.0",
        classes=ClassList.from_names(classes),
        input=InputContract(*size, tuple(image_sizes)),
        decisions=decisions,
        box_levels=(0.5,) * count,
        variants=tuple(
            Variant(name, name, "openvino", file, 0.05, {"passed": True}, {"latency_ms": latency})
            for name, file, latency in variants
        ),
        chosen=chosen,
        why_chosen="asked for",
        golden=(),
        provenance={"runs": []},
        files=files,
    )
    judged = {v.name: v.gate for v in regate(Bundle(folder, bare), decisions).variants}
    return replace(bare, variants=tuple(replace(v, gate=judged[v.name]) for v in bare.variants))
