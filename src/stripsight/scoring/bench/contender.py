"""What takes part in a measurement: something that predicts images, whoever computes it.

The line knows its own engines. What only the lab can build, PyTorch above all, comes in as an
`Opponent`, so that nothing here imports it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from stripsight.bundle.folder import Bundle
from stripsight.scoring.engine import Engine, EngineSettings, UInt8Images, load_engine


@dataclass(frozen=True)
class Contender:
    """Ready to predict batches of one size.

    Attributes:
        name: engine, variant and what else tells it from others.
        prepare: uint8 `[batch, 1, H, W]` to what it takes; outside the measured time.
        predict: one prepared batch, start to end.
        predict_each: prepared batches one after the other, with as many at a time as it can.
    """

    name: str
    prepare: Callable[[UInt8Images], Any]
    predict: Callable[[Any], object]
    predict_each: Callable[[Iterable[Any]], Iterator[object]]


@dataclass(frozen=True)
class Opponent:
    """Something to be compared with; `open` makes it ready for a batch size.

    Attributes:
        name: as in the tables.
        open: batch size to contender.
    """

    name: str
    open: Callable[[int], Contender]


def make_sequential(
    name: str, prepare: Callable[[UInt8Images], Any], predict: Callable[[Any], object]
) -> Contender:
    """A contender that works on one batch at a time."""

    def predict_each(batches: Iterable[Any]) -> Iterator[object]:
        return map(predict, batches)

    return Contender(name, prepare, predict, predict_each)


def open_engine(bundle: Bundle, settings: EngineSettings) -> Contender:
    """An engine of a bundle.

    Raises:
        BundleError: see `load_engine`.
        EngineError: likewise.
    """
    return enter_engine(load_engine(bundle, settings))


def enter_engine(engine: Engine) -> Contender:
    """An engine that is ready."""

    def predict_each(batches: Iterable[Any]) -> Iterator[object]:
        return engine.predict_each((None, batch) for batch in batches)

    name = f"{engine.info.engine} {engine.info.variant}"
    return Contender(name, lambda images: images, engine.predict, predict_each)


def oppose_onnx_runtime(bundle: Bundle, threads: int | None) -> Opponent:
    """The fp32 graph of a bundle in ONNX Runtime.

    Raises:
        BundleError: the bundle has no variant in fp32.
    """
    fp32 = next((v.name for v in bundle.manifest.variants if v.precision == "fp32"), "fp32")
    settings = EngineSettings(
        variant=bundle.manifest.find_variant(fp32).name, engine="onnxruntime", threads=threads
    )
    return Opponent(
        f"onnxruntime {fp32}",
        lambda batch: open_engine(bundle, replace(settings, batch=batch)),
    )
