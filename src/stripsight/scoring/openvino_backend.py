"""OpenVINO on CPUs: every variant of a bundle.

Its own choices are pinned. OpenVINO takes bf16 by itself on a CPU that has it, and fp32 without a
word on one that has not, so the precision is always given and read back.
"""

import re
from typing import Any

import numpy as np

from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import Variant
from stripsight.errors import BundleError, EngineError
from stripsight.scoring.engine import EngineInfo, EngineSettings, Output, UInt8Images
from stripsight.scoring.graph_contract import Kind, Port, check_graph
from stripsight.scoring.openvino_module import import_openvino, open_core
from stripsight.scoring.threads import count_bound_cores, settle_threads

# int8 is in the graph; what is left of it runs in fp32.
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


class OpenVinoBackend:
    """See `Backend`."""

    def __init__(self, compiled: Any, info: EngineInfo) -> None:
        self.info = info
        # One more than streams: while the oldest is waited for, the others go on.
        self._idle = [compiled.create_infer_request() for _ in range(info.streams + 1)]

    def start(self, images: UInt8Images) -> object:
        """See `Backend`."""
        request = self._idle.pop()
        request.start_async({0: np.ascontiguousarray(images)}, share_inputs=False)
        return request

    def finish(self, request: Any) -> Output:
        """See `Backend`."""
        try:
            request.wait()
            logits, class_maps = (request.get_output_tensor(i).data.copy() for i in (0, 1))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed: {_quote(error)}") from error
        finally:
            self._idle.append(request)
        return Output(logits, class_maps)


def compile_openvino(bundle: Bundle, variant: Variant, settings: EngineSettings) -> OpenVinoBackend:
    """Compile a variant for this CPU.

    Raises:
        BundleError: a file that is not what the manifest names, or a graph of another form.
        EngineError: no OpenVINO, or the precision is not to be had here.
    """
    threads, streams = settle_threads(settings.threads, settings.streams)
    core = open_core()
    _check_precision(variant, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    contract = bundle.manifest.input
    # Bytes, not paths: what was hashed is what runs, and a graph can name no file outside.
    graph, *weights = (bundle.read(file) for file in variant.graph_files)
    if not weights:
        raise EngineError(f"the variant {variant.name} is built for ONNX Runtime alone")
    try:
        model = core.read_model(graph, *weights)
        _check_model(variant, model, bundle, settings.batch)
        model.reshape([settings.batch, 1, contract.height, contract.width])
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[variant.precision],
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": streams,
                # OpenVINO ties its threads to the first cores: two processes with a thread each
                # would share one core and leave the other idle.
                "ENABLE_CPU_PINNING": threads == count_bound_cores(),
            },
        )
    except RuntimeError as error:
        raise BundleError(
            f"OpenVINO cannot run {variant.file}: {_quote(error)}: export the bundle again"
        ) from error
    _check_model(variant, compiled, bundle, settings.batch)
    ran = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if ran != _HINTS[variant.precision]:
        raise EngineError(f"OpenVINO would run {variant.name} in {ran}: choose another --variant")
    return OpenVinoBackend(
        compiled,
        EngineInfo(
            engine="openvino",
            version=import_openvino().__version__,
            variant=variant.name,
            precision=variant.precision,
            device=str(core.get_property("CPU", "FULL_DEVICE_NAME")),
            threads=threads,
            streams=streams,
            batch=settings.batch,
        ),
    )


def _quote(error: RuntimeError) -> str:
    """OpenVINO's words in one line, without those that name its own source files."""
    lines = (line.strip() for line in str(error).splitlines())
    words = " ".join(line for line in lines if not re.search(r"\.[ch]pp:\d+:$", line))
    return words.strip(" .")[:200] or "it does not say why"


def _check_precision(variant: Variant, capabilities: list[str]) -> None:
    needed = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}[variant.precision]
    if needed not in capabilities:
        raise EngineError(
            f"this CPU computes {variant.precision} in no hardware (it has"
            f" {', '.join(sorted(capabilities))}): choose another --variant"
        )


def _check_model(variant: Variant, model: Any, bundle: Bundle, batch: int) -> None:
    """As it was read, and once more as it was compiled, when every length is known."""
    manifest = bundle.manifest
    check_graph(
        variant.file,
        [_describe_port(port) for port in model.inputs],
        [_describe_port(port) for port in model.outputs],
        manifest.input,
        len(manifest.classes),
        batch,
    )
    if hasattr(model, "get_ops"):
        quantised = any(op.get_type_name() == "FakeQuantize" for op in model.get_ops())
        if quantised != (variant.precision == "int8"):
            raise BundleError(
                f"{variant.file} is {'' if quantised else 'not '}quantised, and its manifest calls"
                f" it {variant.precision}: export the bundle again"
            )


def _describe_port(port: Any) -> Port:
    kinds: dict[str, Kind] = {"u8": "uint8", "f32": "float32"}
    kind = kinds.get(port.get_element_type().to_string(), "other")
    lengths = port.get_partial_shape()
    if lengths.rank.is_dynamic:
        raise BundleError(f"{port.get_any_name()} has no fixed rank: export the bundle again")
    shape = tuple(length.get_length() if length.is_static else None for length in lengths)
    return Port(port.get_any_name(), kind, shape)
