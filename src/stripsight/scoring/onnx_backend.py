"""ONNX Runtime: the fp32 graph where OpenVINO is not wanted, and what it is measured against."""

from typing import Any

from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import Variant
from stripsight.errors import BundleError, EngineError
from stripsight.scoring.engine import EngineInfo, EngineSettings, Output, UInt8Images
from stripsight.scoring.graph_contract import Kind, Port, check_graph
from stripsight.scoring.onnxruntime_module import import_onnxruntime
from stripsight.scoring.self_contained import check_self_contained
from stripsight.scoring.threads import settle_threads

ONNX_FILE = "model.onnx"


class OnnxBackend:
    """See `Backend`. One request at a time: `finish` is where it runs."""

    def __init__(self, session: Any, info: EngineInfo) -> None:
        self.info = info
        self._session = session

    def start(self, images: UInt8Images) -> object:
        """See `Backend`."""
        return images.copy()

    def finish(self, request: object) -> Output:
        """See `Backend`."""
        try:
            logits, class_maps = self._session.run(["logits", "class_maps"], {"images": request})
        except _load_errors() as error:
            raise EngineError(
                f"ONNX Runtime failed: {' '.join(str(error).split())[:300]}"
            ) from error
        return Output(logits, class_maps)


def compile_onnx(bundle: Bundle, variant: Variant, settings: EngineSettings) -> OnnxBackend:
    """A session of `model.onnx`.

    Raises:
        BundleError: a file that is not what the manifest names, or a graph of another form.
        EngineError: no ONNX Runtime, or a variant other than fp32.
    """
    if variant.precision != "fp32":
        raise EngineError(
            f"ONNX Runtime runs the fp32 graph of a bundle, not {variant.name}: choose --variant"
            " fp32, or the engine openvino"
        )
    threads, _ = settle_threads(settings.threads, 1)
    onnxruntime = import_onnxruntime()
    # Bytes, not a path: what was hashed is what runs.
    graph = bundle.read(ONNX_FILE)
    check_self_contained(ONNX_FILE, graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except _load_errors() as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(f"ONNX Runtime cannot run {ONNX_FILE}: {reason}") from error
    check_graph(
        ONNX_FILE,
        [_describe_port(port) for port in session.get_inputs()],
        [_describe_port(port) for port in session.get_outputs()],
        bundle.manifest.input,
        len(bundle.manifest.classes),
        settings.batch,
    )
    return OnnxBackend(
        session,
        EngineInfo(
            engine="onnxruntime",
            version=onnxruntime.__version__,
            variant=variant.name,
            precision="fp32",
            device="CPU",
            threads=threads,
            streams=1,
            batch=settings.batch,
        ),
    )


def _describe_port(port: Any) -> Port:
    kinds: dict[str, Kind] = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
    shape = tuple(length if isinstance(length, int) else None for length in port.shape)
    return Port(port.name, kinds.get(port.type, "other"), shape)


def _load_errors() -> tuple[type[Exception], ...]:
    # ONNX Runtime's errors have no base class of their own.
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        *("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf"),
        *("NoModel", "NotImplemented", "RuntimeException"),
    )
    return (RuntimeError, *(getattr(state, name) for name in names))
