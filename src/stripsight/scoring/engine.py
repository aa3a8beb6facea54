"""A bundle's network, ready to run: uint8 images in, logits and class maps out.

Two engines behind one door. OpenVINO runs every variant on CPUs; ONNX Runtime runs the fp32 graph
and is the independent reference. What runs is what was asked for: an engine or a precision that the
machine does not have is an error unless a fallback is allowed, and `EngineInfo` says what runs.

Graphs are compiled for one batch size. Several images at a time are as many requests in flight,
which on CPUs is as fast as a larger batch and needs no padding; `benchmark.py` measures both.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import EngineName, InputContract, Variant
from stripsight.errors import BundleError, EngineError
from stripsight.scoring.threads import settle_threads

UInt8Images = npt.NDArray[np.uint8]
"""`[N, 1, H, W]`."""

Key = TypeVar("Key")


class Output(NamedTuple):
    """What a network says of N images.

    Attributes:
        logits: float32 `[N, C]`.
        class_maps: float32 `[N, C, h, w]`.
    """

    logits: npt.NDArray[np.float32]
    class_maps: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine is to run.

    Attributes:
        variant: of the bundle; None: the one that it chose.
        engine: None: the one that the variant was gated on.
        threads: of all streams together, at most the cores; None: all cores.
        streams: images worked on at the same time; None: 1, all threads on one image.
        batch: images of one request.
        allow_fallback: run fp32 where the variant cannot run here; None: no, and the command has no
            such option to advise.
    """

    variant: str | None = None
    engine: EngineName | None = None
    threads: int | None = None
    streams: int | None = None
    batch: int = 1
    allow_fallback: bool | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs.

    Attributes:
        engine: its name.
        version: its version.
        variant: of the bundle.
        precision: of the arithmetic that runs, as the engine itself says.
        device: the processor's name.
        threads: of all streams together.
        streams: images worked on at the same time.
        batch: images of one request.
        fallback_from: what was asked for and cannot run here, such as `int8 by openvino`.
        fallback_reason: why not.
    """

    engine: EngineName
    version: str
    variant: str
    precision: str
    device: str
    threads: int
    streams: int
    batch: int
    fallback_from: str | None = None
    fallback_reason: str | None = None

    def describe(self) -> str:
        """One line for a person."""
        name = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[self.engine]
        what = (
            self.variant if self.variant == self.precision else f"{self.variant} ({self.precision})"
        )
        ran = (
            f"{what} by {name} {self.version.split('-')[0]},"
            f" {_count(self.threads, 'thread')} in {_count(self.streams, 'stream')}, {self.device}"
        )
        if self.fallback_from is None:
            return ran
        return f"{ran}; fallback from {self.fallback_from}: {self.fallback_reason}"


class Backend(Protocol):
    """One compiled graph; `start` and `finish` from one thread only."""

    info: EngineInfo

    def start(self, images: UInt8Images) -> object:
        """Begin a request of exactly `batch` images; blocks while all streams are busy."""
        ...

    def finish(self, request: object) -> Output:
        """Wait for it and take what it says."""
        ...


class Engine:
    """A backend with the checks and the overlap that every caller needs.

    Not for several threads at once: give each its own, or hand images over through one.
    """

    def __init__(self, backend: Backend, contract: InputContract, num_classes: int) -> None:
        self.info = backend.info
        self._backend = backend
        self._shape = (backend.info.batch, 1, contract.height, contract.width)
        self._num_classes = num_classes

    def predict(self, images: UInt8Images) -> Output:
        """Logits and class maps of images `[N, 1, H, W]`, uint8, N at least 1.

        Raises:
            ValueError: another dtype or shape, or N no multiple of the batch.
        """
        batch = self._shape[0]
        if len(images) == 0 or len(images) % batch:
            raise ValueError(f"{len(images)} images for an engine of batches of {batch}")
        parts = ((None, images[i : i + batch]) for i in range(0, len(images), batch))
        outputs = [output for _, output in self.predict_each(parts)]
        return Output(*(np.concatenate(values) for values in zip(*outputs, strict=True)))

    def predict_each(
        self, batches: Iterable[tuple[Key, UInt8Images]]
    ) -> Iterator[tuple[Key, Output]]:
        """Outputs of batches in their order, with as many in flight as there are streams.

        Args:
            batches: a key that comes back, and images `[batch, 1, H, W]`. Taken one after the other
                as streams come free, so that it may be endless, and decode as it goes.

        Raises:
            ValueError: another dtype or shape.
        """
        waiting: deque[tuple[Key, object]] = deque()
        try:
            for key, images in batches:
                waiting.append((key, self.start(images)))
                # One more than runs, so that a stream that is done goes on at once.
                if len(waiting) > self.info.streams:
                    key, request = waiting.popleft()
                    yield key, self.finish(request)
            while waiting:
                key, request = waiting.popleft()
                yield key, self.finish(request)
        finally:
            # Whoever stops half-way, by an error or a break, leaves an engine that runs on.
            for _, request in waiting:
                self._backend.finish(request)

    def start(self, images: UInt8Images) -> object:
        """Begin one batch; at most one more may be begun and not finished than there are streams.

        Raises:
            ValueError: another dtype or shape.
        """
        if images.dtype != np.uint8 or images.shape != self._shape:
            raise ValueError(
                f"images are {images.dtype} {list(images.shape)}: uint8"
                f" {list(self._shape)} is expected"
            )
        return self._backend.start(images)

    def finish(self, request: object) -> Output:
        """Wait for what `start` began.

        Raises:
            BundleError: the graph gives other than the manifest says.
        """
        output = self._backend.finish(request)
        expected = (self._shape[0], self._num_classes)
        if output.logits.shape != expected or output.class_maps.shape[:2] != expected:
            raise BundleError(
                f"the graph gives logits of shape {list(output.logits.shape)} for"
                f" {self._num_classes} classes: export the bundle again"
            )
        return output


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def load_engine(bundle: Bundle, settings: EngineSettings = EngineSettings()) -> Engine:
    """Compile a variant of an opened bundle.

    Raises:
        BundleError: no such variant; a file that is not what the manifest names, or no such graph.
        EngineError: engine or precision not to be had here, and no fallback allowed; or settings
            that this machine cannot run.
    """
    wanted = bundle.manifest.chosen if settings.variant is None else settings.variant
    variant = bundle.manifest.find_variant(wanted)
    engine = settings.engine or variant.engine
    _check_settings(engine, settings)
    try:
        backend = _compile(bundle, variant, engine, settings)
    except EngineError as error:
        backend = _fall_back(bundle, variant, engine, settings, error)
    return Engine(backend, bundle.manifest.input, len(bundle.manifest.classes))


def _check_settings(engine: EngineName, settings: EngineSettings) -> None:
    """What no fallback may hide."""
    if settings.batch < 1:
        raise EngineError(f"a batch of {settings.batch} images: at least 1 is needed")
    settle_threads(settings.threads, settings.streams)
    if engine == "onnxruntime" and settings.streams not in (None, 1):
        raise EngineError(f"--streams {settings.streams}: ONNX Runtime runs one stream here")


def _fall_back(
    bundle: Bundle,
    variant: Variant,
    engine: EngineName,
    settings: EngineSettings,
    error: EngineError,
) -> Backend:
    """fp32 by the engine that was asked for, or else by the other one."""
    other: EngineName = "onnxruntime" if engine == "openvino" else "openvino"
    choices = [
        (simpler, name)
        for simpler in bundle.manifest.variants
        for name in (engine, other)
        if simpler.precision == "fp32" and (simpler.name, name) != (variant.name, engine)
    ]
    if not settings.allow_fallback:
        option = settings.allow_fallback is not None and choices
        hint = "; --allow-fallback would try fp32 instead" if option else ""
        raise EngineError(f"{error}{hint}") from error
    reasons = [str(error)]
    for simpler, name in choices:
        try:
            backend = _compile(bundle, simpler, name, settings)
        except EngineError as fault:
            reasons.append(str(fault))
            continue
        backend.info = replace(
            backend.info, fallback_from=f"{variant.name} by {engine}", fallback_reason=str(error)
        )
        return backend
    raise EngineError(f"nothing to fall back on: {'; '.join(dict.fromkeys(reasons))}") from error


def _compile(
    bundle: Bundle, variant: Variant, engine: EngineName, settings: EngineSettings
) -> Backend:
    # Imported here: each engine takes a third of a second, and a machine needs but one.
    if engine == "openvino":
        from stripsight.scoring.openvino_backend import compile_openvino

        return compile_openvino(bundle, variant, settings)
    from stripsight.scoring.onnx_backend import compile_onnx

    return compile_onnx(bundle, variant, settings)
