"""How long one request takes, contender against contender.

Contenders take turns in short blocks, each round in another order, so that what the machine does
meanwhile falls on all of them alike. Ratios are taken within a round. The first request of each
block is not counted: it finds the caches full of another's data.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.scoring.bench.contender import Contender
from stripsight.scoring.engine import UInt8Images

MOST_DISAGREEMENT = 1.5
"""Highest over lowest ratio of the rounds, up to which their median may be believed."""

_LEAST_REQUESTS = 2
_MOST_ROUNDS = 10
_LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Latency:
    """Requests of one contender.

    Attributes:
        name: of the contender.
        rounds: seconds of each counted request, round by round.
        processor_seconds: of all threads of the process for one request, on average.
    """

    name: str
    rounds: tuple[npt.NDArray[np.float64], ...]
    processor_seconds: float

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """All of them, `[n]`."""
        return np.concatenate(self.rounds)

    def compute_percentile(self, percent: float) -> float:
        """Seconds that `percent` of the requests did not exceed, interpolated linearly."""
        return float(np.percentile(self.seconds, percent))


@dataclass(frozen=True, slots=True)
class Ratio:
    """A quotient of medians, taken round by round.

    Attributes:
        median: of the rounds.
        lowest: of the rounds.
        highest: of the rounds.
    """

    median: float
    lowest: float
    highest: float

    @property
    def agrees(self) -> bool:
        """Whether the rounds say nearly the same: the highest at most half more than the lowest."""
        return self.highest <= MOST_DISAGREEMENT * self.lowest

    def describe(self) -> str:
        """For a table."""
        return f"{self.median:.2f} ({self.lowest:.2f}-{self.highest:.2f})"


def compute_ratio(slow: Sequence[float], fast: Sequence[float]) -> Ratio:
    """slow / fast of values that were taken side by side, pair by pair."""
    pairs = np.asarray(slow, np.float64) / np.asarray(fast, np.float64)
    return Ratio(float(np.median(pairs)), float(pairs.min()), float(pairs.max()))


def compare_latencies(slow: Latency, fast: Latency) -> Ratio:
    """How many times longer a request of the one takes than one of the other."""
    return compute_ratio(
        [float(np.median(block)) for block in slow.rounds],
        [float(np.median(block)) for block in fast.rounds],
    )


def measure_latencies(
    contenders: Sequence[Contender],
    images: UInt8Images,
    *,
    seconds: float,
    between: Callable[[], None] = lambda: None,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Latency, ...]:
    """Time single requests, in turns.

    Args:
        contenders: at least one, of batch 1.
        images: uint8 `[N, 1, H, W]`, taken one after the other, over and over.
        seconds: of all contenders together, about; slow ones may take longer, for each gives at
            least two counted requests a round.
        between: called before each block.
        report_progress: takes (blocks done, in all).
    """
    prepared = [
        [each.prepare(images[i : i + 1]) for i in range(len(images))] for each in contenders
    ]
    for contender, requests in zip(contenders, prepared, strict=True):
        contender.predict(requests[0])
    rounds = int(np.clip(seconds / 2, _LEAST_ROUNDS, _MOST_ROUNDS))
    block_seconds = seconds / (rounds * len(contenders))
    times: list[list[npt.NDArray[np.float64]]] = [[] for _ in contenders]
    processor = [0.0] * len(contenders)
    done = 0
    for number in range(rounds):
        for turn in range(len(contenders)):
            index = (turn + number) % len(contenders)
            between()
            block, busy = _time_block(contenders[index], prepared[index], block_seconds)
            times[index].append(block)
            processor[index] += busy
            done += 1
            report_progress(done, rounds * len(contenders))
    return tuple(
        Latency(contender.name, tuple(blocks), busy / sum(map(len, blocks)))
        for contender, blocks, busy in zip(contenders, times, processor, strict=True)
    )


def _time_block(
    contender: Contender, requests: Sequence[object], seconds: float
) -> tuple[npt.NDArray[np.float64], float]:
    contender.predict(requests[0])
    times: list[float] = []
    busy, started = time.process_time(), time.perf_counter()
    while len(times) < _LEAST_REQUESTS or time.perf_counter() - started < seconds:
        request = requests[len(times) % len(requests)]
        before = time.perf_counter()
        contender.predict(request)
        times.append(time.perf_counter() - before)
    return np.array(times), time.process_time() - busy
