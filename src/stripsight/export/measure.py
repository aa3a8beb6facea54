"""What the variants of a bundle say and how fast they are, by the engine that will run them."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.bundle.folder import Bundle
from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.scoring.engine import Engine, EngineSettings, Output, load_engine
from stripsight.scoring.threads import count_cores

ROUNDS = 25
"""Single images timed of each variant; a variant takes its turn in every round, so that a machine
that is busy for a while is busy for all."""

_WARM_UP = 3
_IN_FLIGHT = 16


def predict_images(
    engine: Engine,
    dataset: SeverstalFullImageDataset,
    report_image: Callable[[], None] = lambda: None,
) -> Output:
    """Logits float32 `[N, C]` and class maps `[N, C, h, w]` of every image, one by one.

    Raises:
        ImageError: an image cannot be decoded.
    """
    outputs: list[Output] = []
    for _, output in engine.predict_each(_read(dataset)):
        outputs.append(output)
        report_image()
    return Output(
        np.concatenate([output.logits for output in outputs]),
        np.concatenate([output.class_maps for output in outputs]),
    )


def time_variants(
    bundle: Bundle,
    names: Sequence[str],
    images: npt.NDArray[np.uint8],
    report_round: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[str, Any]]:
    """Speed of each variant on this machine: plain JSON for `Variant.speed`.

    Single images have all cores; images a second are measured with as many in flight as there are
    cores.

    Args:
        bundle: with the files of the variants.
        names: of the variants.
        images: uint8 `[K, 1, H, W]` to take turns with.
        report_round: takes (done, in all).
    """
    cores = count_cores()
    alone = {name: load_engine(bundle, EngineSettings(variant=name)) for name in names}
    parallel = {
        name: load_engine(bundle, EngineSettings(variant=name, streams=cores)) for name in names
    }
    seconds: dict[str, list[float]] = {name: [] for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-_WARM_UP, ROUNDS):
        image = images[turn % len(images)][None]
        for name in names:
            started = time.perf_counter()
            alone[name].predict(image)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
            if turn >= 0 and turn % 5 == 0:
                rates[name].append(_time_stream(parallel[name], images))
        report_round(max(turn + 1, 0), ROUNDS)
    return {name: _describe(seconds[name], rates[name], cores) for name in names}


def _time_stream(engine: Engine, images: npt.NDArray[np.uint8]) -> float:
    batches = [(i, images[i % len(images)][None]) for i in range(_IN_FLIGHT)]
    started = time.perf_counter()
    for _ in engine.predict_each(batches):
        pass
    return _IN_FLIGHT / (time.perf_counter() - started)


def _describe(seconds: list[float], rates: list[float], cores: int) -> dict[str, Any]:
    quarters = statistics.quantiles(seconds, n=4)
    return {
        "latency_ms": 1e3 * statistics.median(seconds),
        "latency_quartiles_ms": [1e3 * quarters[0], 1e3 * quarters[2]],
        "images_per_second": statistics.median(rates),
        "threads": cores,
        "streams_for_images_per_second": cores,
        "images": len(seconds),
        "steadiness": quarters[0] / quarters[2],
    }


def _read(dataset: SeverstalFullImageDataset) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    for row in range(len(dataset)):
        yield row, np.asarray(dataset[row]["image"].numpy()[None])
