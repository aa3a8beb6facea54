"""OpenVINO on CPUs: every variant of a bundle.

Its own choices are pinned. OpenVINO takes bf16 by itself on a CPU that has it, and fp32 without a
word on one that has not, so the precision is always given and read back.
"""

import warnings
from typing import Any

import numpy as np

from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import Variant
from stripsight.errors import BundleError, EngineError
from stripsight.scoring.engine import EngineInfo, EngineSettings, Output, UInt8Images
from stripsight.scoring.threads import settle_threads

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
        request.wait()
        logits, class_maps = (request.get_output_tensor(i).data.copy() for i in (0, 1))
        self._idle.append(request)
        return Output(logits, class_maps)


def compile_openvino(bundle: Bundle, variant: Variant, settings: EngineSettings) -> OpenVinoBackend:
    """Compile a variant for this CPU.

    Raises:
        BundleError: a file that is not what the manifest names, or a graph of another form.
        EngineError: no OpenVINO, or the precision is not to be had here.
    """
    threads, streams = settle_threads(settings.threads, settings.streams)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import openvino as ov
    except ImportError as error:
        raise EngineError("openvino is not installed: pip install 'stripsight[serve]'") from error
    core = ov.Core()
    _check_precision(variant, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    contract = bundle.manifest.input
    shape = [settings.batch, 1, contract.height, contract.width]
    weights = variant.file.removesuffix(".xml") + ".bin"
    # Bytes, not paths: what was hashed is what runs, and a graph can name no file outside.
    graph, data = bundle.read(variant.file), bundle.read(weights)
    try:
        model = core.read_model(graph, data)
        _check_ports(model)
        model.reshape(shape)
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[variant.precision],
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": streams,
            },
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"OpenVINO cannot run {variant.file}: {reason}") from error
    return OpenVinoBackend(
        compiled,
        EngineInfo(
            engine="openvino",
            version=ov.__version__,
            variant=variant.name,
            precision=variant.precision,
            device=str(core.get_property("CPU", "FULL_DEVICE_NAME")),
            threads=threads,
            streams=streams,
            batch=settings.batch,
        ),
    )


def _check_precision(variant: Variant, capabilities: list[str]) -> None:
    needed = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}[variant.precision]
    if needed not in capabilities:
        raise EngineError(
            f"this CPU computes {variant.precision} in no hardware (it has"
            f" {', '.join(sorted(capabilities))}): choose another --variant"
        )


def _check_ports(model: Any) -> None:
    given = [
        [next(iter(port.get_names()), "") for port in side]
        for side in (model.inputs, model.outputs)
    ]
    if given != [["images"], ["logits", "class_maps"]]:
        raise BundleError(
            f"the graph takes {given[0]} and gives {given[1]}: images, and logits and class_maps,"
            " are expected; export the bundle again"
        )
