"""How many streams a long scoring runs with: tried on this machine as it starts.

One image at a time with all threads on it has its verdict soonest. Which number scores most images
differs with network and machine: two cores did 15 % more with two streams. Trying takes seconds, so
only a scoring of many minutes asks. One graph is in memory at a time, as in the scoring itself.
Watches and cluster workers do not ask: the first wants each verdict soon, the second have a core
each.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stripsight.bundle.folder import Bundle
from stripsight.scoring.bench.contender import enter_engine, open_engine
from stripsight.scoring.bench.throughput import list_streams, measure_rate
from stripsight.scoring.engine import Engine, EngineSettings
from stripsight.scoring.golden import read_golden
from stripsight.scoring.threads import settle_threads

WORTH_SECONDS = 600.0
"""A scoring that takes so long with one stream asks. Trying took 8 s for DenseNet121 on 2 cores."""

_FEWEST_IMAGES = 1000  # below, nothing is timed: no network takes so long for so few
_TRIAL_SECONDS = 0.2
_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was tried.

    Attributes:
        streams: to run with.
        rates: images a second by streams, twice each.
    """

    streams: int
    rates: dict[int, tuple[float, ...]]

    def describe(self) -> str:
        """One line for a person."""
        rates = ", ".join(f"{statistics.mean(r):,.1f} with {n}" for n, r in self.rates.items())
        return f"streams tried here: {rates} images/s; {self.streams} kept"


def is_long(engine: Engine, bundle: Bundle, count: int) -> bool:
    """Whether `count` images keep an engine of one stream so busy that tuning pays.

    Raises:
        BundleError: the golden image cannot be read.
        EngineError: the engine failed.
    """
    if count < _FEWEST_IMAGES or engine.info.engine != "openvino" or engine.info.threads == 1:
        return False
    images = read_golden(bundle, bundle.manifest.golden[:1])
    rate = measure_rate(enter_engine(engine), images, 1, 1, _TRIAL_SECONDS)
    return count / rate > WORTH_SECONDS


def tune_streams(bundle: Bundle, settings: EngineSettings) -> Tuning:
    """Try streams from one to one a thread, each twice: up, and down again.

    Args:
        bundle: opened; with golden images.
        settings: of what is to run; its streams are not looked at.

    Raises:
        BundleError: see `load_engine`.
        EngineError: likewise.
    """
    threads, _ = settle_threads(settings.threads, None)
    images = read_golden(bundle, bundle.manifest.golden[:1])
    tried = list_streams(threads)
    rates: dict[int, list[float]] = {streams: [] for streams in tried}
    # Up and down: a machine that grows slower meanwhile is slower for all.
    for streams in (*tried, *reversed(tried)):
        contender = open_engine(bundle, replace(settings, streams=streams))
        measure_rate(contender, images, 1, streams, 0)  # the first ones are slow
        rates[streams].append(measure_rate(contender, images, 1, streams, _SECONDS))
    return Tuning(choose_surely(rates), {n: tuple(found) for n, found in rates.items()})


def choose_surely(rates: Mapping[int, Sequence[float]]) -> int:
    """One stream, unless another number is faster than it in every trial: then the fastest."""
    usual = max(rates[1])
    better = [streams for streams, found in rates.items() if min(found) > usual]
    return max(better, key=lambda streams: statistics.mean(rates[streams]), default=1)
