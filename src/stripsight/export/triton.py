"""A bundle as a model repository of NVIDIA's Triton Inference Server.

    <folder>/<model>/config.pbtxt       inputs, outputs, batching, engine
    <folder>/<model>/labels.txt         a class a line, for the logits
    <folder>/<model>/1/model.onnx       or model.xml with model.bin
    <folder>/<model>/1/manifest.json    calibration and thresholds: Triton applies neither

Triton answers with logits and class maps. What turns them into verdicts is the manifest, by
`stripsight.decision` or the few lines of docs/onnx.md, on the side of whoever asks.

Source: Triton's model_config.proto and docs/user_guide/model_configuration.md.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stripsight.atomic import (
    check_writable,
    make_folder,
    name_in_errors,
    name_own_temporary,
    remove_dead_folders,
    write_atomically,
)
from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import FILE_NAME, Variant
from stripsight.errors import BundleError, UsageError
from stripsight.scoring.onnx_backend import ONNX_FILE
from stripsight.scoring.self_contained import check_self_contained

BackendName = Literal["onnxruntime", "openvino"]

_LARGEST_BATCH = 8
# A camera's next image is never far: waiting longer would cost more latency than a batch saves.
_LONGEST_DELAY_US = 2_000


@dataclass(frozen=True)
class TritonModel:
    """What was written.

    Attributes:
        folder: of the model, inside the repository.
        name: as clients call it.
        variant: of the bundle.
        backend: of Triton.
    """

    folder: Path
    name: str
    variant: str
    backend: BackendName


def write_triton_repository(
    bundle: Bundle, folder: Path, *, backend: BackendName = "onnxruntime", name: str | None = None
) -> TritonModel:
    """Add a bundle to a model repository, whole or not at all.

    Args:
        bundle: opened.
        folder: the repository; made where it is missing.
        backend: `onnxruntime` runs fp32 on GPUs and CPUs; `openvino` runs the chosen variant on
            CPUs, where that is bf16 or int8.
        name: of the model; None: the bundle's own, in letters that Triton takes.

    Returns:
        What was written.

    Raises:
        BundleError: a model of that name stands there, or the bundle has no variant for it.
        UsageError: a name that Triton does not take.
        OSError: it cannot be written.
    """
    model = make_model_name(bundle.manifest.name) if name is None else name
    check_repository(folder, model)
    target = folder / model
    variant = _find_variant(bundle, backend)
    check_self_contained(ONNX_FILE, bundle.read(ONNX_FILE))
    files = _list_files(variant, backend)
    names = "".join(f"{each}\n" for each in bundle.manifest.classes.names)
    config = build_config(bundle, model, backend, variant)
    temporary = name_own_temporary(target)
    version = temporary / "1"
    with make_folder(folder), name_in_errors(target, temporary):
        # Of every model: Triton would take what a kill left for one.
        remove_dead_folders(folder)
        try:
            version.mkdir(parents=True)
            for served, file in files.items():
                (version / served).write_bytes(bundle.read(file))
            write_atomically(version / FILE_NAME, bundle.manifest.to_bytes())
            (temporary / "labels.txt").write_text(names, encoding="utf-8")
            (temporary / "config.pbtxt").write_text(config, encoding="utf-8")
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return TritonModel(target, model, variant.name, backend)


def check_repository(folder: Path, model: str) -> None:
    """Refuse now what could not be written after long work.

    Raises:
        BundleError: a model of that name stands there.
        UsageError: a name that Triton does not take.
        OSError: no folder, or it cannot be written.
    """
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", model) is None:
        raise UsageError(f"{model!r} is no name of a model: letters, digits, _ . and - only")
    if (folder / model).exists():
        raise BundleError(f"{folder / model} exists: name another model or repository")
    check_writable(folder)


def make_model_name(name: str) -> str:
    """A name that Triton, URLs and Kubernetes take."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain[:63].rstrip("-") or "stripsight"


def build_config(bundle: Bundle, model: str, backend: BackendName, variant: Variant) -> str:
    """`config.pbtxt`, in protobuf's text format; the batch is the dimension that is not named."""
    contract, count = bundle.manifest.input, len(bundle.manifest.classes)
    places = _read_places(bundle)
    parameters = {
        "stripsight_bundle_id": bundle.manifest.bundle_id,
        "stripsight_variant": variant.name,
    }
    lines = [
        f"name: {_quote(model)}",
        f"backend: {_quote(backend)}",
        f"max_batch_size: {_LARGEST_BATCH}",
        "input [",
        "  {",
        '    name: "images"',
        "    data_type: TYPE_UINT8",
        f"    dims: [ 1, {contract.height}, {contract.width} ]",
        "  }",
        "]",
        "output [",
        "  {",
        '    name: "logits"',
        "    data_type: TYPE_FP32",
        f"    dims: [ {count} ]",
        '    label_filename: "labels.txt"',
        "  },",
        "  {",
        '    name: "class_maps"',
        "    data_type: TYPE_FP32",
        f"    dims: [ {count}, {places[0]}, {places[1]} ]",
        "  }",
        "]",
        "dynamic_batching {",
        f"  max_queue_delay_microseconds: {_LONGEST_DELAY_US}",
        "}",
    ]
    if backend == "openvino":
        lines += ["instance_group [", "  {", "    count: 1", "    kind: KIND_CPU", "  }", "]"]
        if variant.precision == "bf16":
            parameters["HINT_BF16"] = "YES"
    for key, value in parameters.items():
        lines += [
            "parameters {",
            f"  key: {_quote(key)}",
            f"  value {{ string_value: {_quote(value)} }}",
            "}",
        ]
    return "\n".join(lines) + "\n"


def _read_places(bundle: Bundle) -> tuple[int, int]:
    """Height and width of the class maps; -1 where the graph leaves them open."""
    import onnx

    graph = onnx.load_from_string(bundle.read(ONNX_FILE)).graph
    dims = next(
        port for port in graph.output if port.name == "class_maps"
    ).type.tensor_type.shape.dim
    height, width = (dim.dim_value or -1 for dim in dims[2:4])
    return height, width


def _find_variant(bundle: Bundle, backend: BackendName) -> Variant:
    manifest = bundle.manifest
    if backend == "onnxruntime":
        for variant in manifest.variants:
            if variant.precision == "fp32" and variant.passed:
                return variant
        raise BundleError(f"{bundle.folder} has no fp32 variant that passes its gate")
    chosen = manifest.find_variant(manifest.chosen)
    # Triton's OpenVINO backend can ask for bf16 but not forbid it: fp32 would run in it unsaid.
    if chosen.precision == "fp32" or chosen.engine != "openvino":
        raise BundleError(
            f"{bundle.folder} runs {chosen.name}, which Triton's OpenVINO backend cannot be held"
            " to: take the backend onnxruntime"
        )
    return chosen


def _list_files(variant: Variant, backend: BackendName) -> dict[str, str]:
    """The name in the repository and the file of the bundle."""
    if backend == "onnxruntime":
        return {"model.onnx": ONNX_FILE}
    graph, weights = variant.graph_files
    return {"model.xml": graph, "model.bin": weights}


def _quote(text: str) -> str:
    """JSON's escapes are protobuf's for all that a manifest lets through."""
    return json.dumps(text)
