"""Images a second against batch size and streams.

Each point takes turns with one and the same reference, single images in a single stream, so that
points that were measured minutes apart can be compared by their ratios to it. No more than two
graphs are in memory at a time beside the opponents'.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stripsight.scoring.bench.contender import Contender
from stripsight.scoring.bench.latency import Ratio, compute_ratio
from stripsight.scoring.engine import UInt8Images

_ROUNDS = 3
_LEAST_BATCHES = 2


@dataclass(frozen=True, slots=True)
class Task:
    """A point to be measured; `open` makes it ready."""

    name: str
    batch: int
    streams: int
    open: Callable[[], Contender]


@dataclass(frozen=True, slots=True)
class Throughput:
    """A measured point.

    Attributes:
        name: of the contender.
        batch: images of one request.
        streams: requests at a time.
        images_per_second: median of the rounds.
        ratio: to the reference.
    """

    name: str
    batch: int
    streams: int
    images_per_second: float
    ratio: Ratio


def list_streams(threads: int) -> tuple[int, ...]:
    """Stream counts worth trying with that many threads: powers of two, and a thread a stream."""
    powers = [2**power for power in range(threads.bit_length()) if 2**power < threads]
    return (*powers, threads)


def measure_throughputs(
    tasks: Sequence[Task],
    reference: Contender,
    images: UInt8Images,
    *,
    seconds: float,
    between: Callable[[], None] = lambda: None,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Throughput, ...]:
    """Measure points, each in turns with the reference.

    Args:
        tasks: the points.
        reference: of batch 1.
        images: uint8 `[N, 1, H, W]`, repeated to fill batches.
        seconds: of all points together, about; each gives at least a few batches a round.
        between: called before each block.
        report_progress: takes (points done, in all).
    """
    block = seconds / (2 * _ROUNDS * max(1, len(tasks)))
    single = reference.prepare(images[:1])
    reference.predict(single)
    points = []
    for number, task in enumerate(tasks):
        contender = task.open()
        batch = contender.prepare(np.resize(images, (task.batch, *images.shape[1:])))
        contender.predict(batch)
        rates: list[float] = []
        references: list[float] = []
        for _ in range(_ROUNDS):
            between()
            references.append(measure_rate(reference, single, 1, 1, block))
            rates.append(measure_rate(contender, batch, task.batch, task.streams, block))
        points.append(
            Throughput(
                task.name,
                task.batch,
                task.streams,
                float(np.median(rates)),
                compute_ratio(rates, references),
            )
        )
        report_progress(number + 1, len(tasks))
    return tuple(points)


def measure_rate(
    contender: Contender, batch: Any, images: int, streams: int, seconds: float
) -> float:
    """Images a second while a contender is fed the same batch for about that long.

    Args:
        contender: what predicts.
        batch: prepared.
        images: in it.
        streams: batches at a time; each gets at least two.
        seconds: to go on feeding.
    """
    started = time.perf_counter()

    def feed() -> Iterator[Any]:
        number = 0
        while number < _LEAST_BATCHES * streams or time.perf_counter() - started < seconds:
            yield batch
            number += 1

    done = sum(images for _ in contender.predict_each(feed()))
    return done / (time.perf_counter() - started)
