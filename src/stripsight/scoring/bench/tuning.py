"""Threads and streams that score most images a second on this machine.

Tried, not guessed: how many streams pay depends on the network, the precision and the processor's
caches. It costs a compilation for each pair, so it is for thousands of images, not for ten.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stripsight.bundle.folder import Bundle
from stripsight.scoring.bench.throughput import list_streams
from stripsight.scoring.engine import Engine, EngineSettings, UInt8Images, load_engine
from stripsight.scoring.threads import settle_threads

# What a few images can tell apart on a machine that does other things, too.
_WORTH_CHANGING = 1.03
_ROUNDS = 3
_BATCHES_A_STREAM = 2


@dataclass(frozen=True)
class Trial:
    """A pair that was tried.

    Attributes:
        threads: of all streams together.
        streams: requests at a time.
        images_per_second: median of the rounds.
        gain: over the first pair, median of the rounds' ratios.
    """

    threads: int
    streams: int
    images_per_second: float
    gain: float


@dataclass(frozen=True)
class Tuning:
    """The outcome.

    Attributes:
        engine: ready with the pair that was chosen.
        trials: what was tried, the usual pair first; empty where nothing was to be chosen.
    """

    engine: Engine
    trials: tuple[Trial, ...]


def list_pairs(settings: EngineSettings) -> tuple[tuple[int, int], ...]:
    """(threads, streams) to try, the most promising first, what is pinned as it is.

    All threads always work: fewer leave cores idle, and more than there are cores halve the speed.

    Raises:
        EngineError: pinned to what this machine cannot run.
    """
    threads, streams = settle_threads(settings.threads, settings.streams)
    if settings.streams is not None or settings.engine == "onnxruntime":
        return ((threads, streams),)
    # One stream, a thread a stream, then what lies between.
    choices = list_streams(threads)
    ordered = dict.fromkeys((1, threads, *reversed(choices)))
    return tuple((threads, choice) for choice in ordered)


def tune(bundle: Bundle, settings: EngineSettings, budget_s: float = 3.0) -> Tuning:
    """Try pairs of threads and streams in turns and keep the fastest.

    Args:
        bundle: opened.
        settings: pinned threads or streams stay.
        budget_s: seconds after which no further pair is compiled and no further round begun; one
            pair is always ready, and what has been begun is finished.

    Raises:
        BundleError: see `load_engine`.
        EngineError: likewise.
    """
    started = time.perf_counter()
    engines: list[Engine] = []
    longest = 0.0
    for threads, streams in list_pairs(settings):
        before = time.perf_counter()
        # As long again goes into the measurement.
        if engines and before - started + 2 * longest > budget_s:
            break
        engines.append(load_engine(bundle, replace(settings, threads=threads, streams=streams)))
        longest = max(longest, time.perf_counter() - before)
        if engines[0].info.engine == "onnxruntime":
            break  # the variant's own engine: it has one stream
    if len(engines) == 1:
        return Tuning(engines[0], ())
    rates = _measure(engines, bundle, settings.batch, started + budget_s)
    return _choose(engines, rates)


def _measure(engines: list[Engine], bundle: Bundle, batch: int, until: float) -> list[list[float]]:
    contract = bundle.manifest.input
    images = np.random.default_rng(0).integers(
        0, 256, (batch, 1, contract.height, contract.width), dtype=np.uint8
    )
    for engine in engines:
        engine.predict(images)
    rates: list[list[float]] = [[] for _ in engines]
    for number in range(_ROUNDS):
        if number and time.perf_counter() > until:
            break
        for turn in range(len(engines)):
            index = (turn + number) % len(engines)
            rates[index].append(_measure_rate(engines[index], images))
    return rates


def _measure_rate(engine: Engine, images: UInt8Images) -> float:
    # As many for each engine, and enough that the last ones, which run alone, weigh little.
    batches = _BATCHES_A_STREAM * max(2, engine.info.threads)

    def feed() -> Iterator[tuple[None, UInt8Images]]:
        for _ in range(batches):
            yield None, images

    started = time.perf_counter()
    done = sum(len(output.logits) for _, output in engine.predict_each(feed()))
    return done / (time.perf_counter() - started)


def _choose(engines: list[Engine], rates: list[list[float]]) -> Tuning:
    first = np.array(rates[0])
    trials = tuple(
        Trial(
            engine.info.threads,
            engine.info.streams,
            float(np.median(values)),
            float(np.median(np.array(values) / first)),
        )
        for engine, values in zip(engines, rates, strict=True)
    )
    best = max(range(len(trials)), key=lambda index: trials[index].gain)
    if trials[best].gain < _WORTH_CHANGING:
        best = 0
    return Tuning(engines[best], trials)
