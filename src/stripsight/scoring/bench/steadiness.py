"""Whether the machine ran evenly while something was measured.

The same piece of work is done on all cores again and again between the measurements. Two figures
come of it, for each is blind to what the other sees: the spread of its time shows a machine that
changes (its clock, neighbours on a virtual machine's host, work that comes and goes), the share of
the time that its threads were on a core shows work of others that stays all the while.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

MOST_SPREAD = 0.10
LEAST_GRANTED = 0.95

_VALUES = 2**20  # 4 MB a core
_REPEATS = 4  # some 15 ms: longer than the time that a scheduler gives at one go


@dataclass(frozen=True, slots=True)
class ProbeSample:
    """One time that the fixed work was done.

    Attributes:
        seconds: until the last core was through.
        granted: share of that time that its threads were on a core, 0 to 1.
    """

    seconds: float
    granted: float


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What the samples say.

    Attributes:
        samples: their number.
        spread: 90th less 10th percentile of the time, over its median.
        granted: the mean share of the time on a core.
        fastest: seconds.
        slowest: seconds.
    """

    samples: int
    spread: float
    granted: float
    fastest: float
    slowest: float

    @property
    def steady(self) -> bool:
        """Whether absolute figures may be believed."""
        return self.spread <= MOST_SPREAD and self.granted >= LEAST_GRANTED

    def describe(self) -> str:
        """One line for a person, with the figures."""
        figures = (
            f"the same work took {1000 * self.fastest:.1f} to {1000 * self.slowest:.1f} ms in"
            f" {self.samples} samples: spread {self.spread:.2f} (steady up to {MOST_SPREAD:.2f}),"
            f" {self.granted:.2f} of the cores' time granted (steady from {LEAST_GRANTED:.2f})"
        )
        if self.steady:
            return f"machine steady: {figures}"
        return f"MACHINE NOT STEADY, believe at most ratios whose rounds agree: {figures}"


def judge_samples(samples: Sequence[ProbeSample]) -> Steadiness:
    """Spread and share of samples, at least one."""
    seconds = np.array([sample.seconds for sample in samples])
    low, middle, high = np.percentile(seconds, (10, 50, 90))
    return Steadiness(
        samples=len(samples),
        spread=float((high - low) / middle),
        granted=float(np.mean([sample.granted for sample in samples])),
        fastest=float(seconds.min()),
        slowest=float(seconds.max()),
    )


class SteadinessProbe:
    """Does the fixed work on each of `cores` cores whenever it is asked to."""

    def __init__(self, cores: int) -> None:
        self.samples: list[ProbeSample] = []
        self._cores = cores
        self._barrier = threading.Barrier(cores)
        self._values = np.random.default_rng(0).standard_normal(_VALUES, dtype=np.float32)
        self._scratch = [np.empty_like(self._values) for _ in range(cores)]
        self._pool = ThreadPoolExecutor(cores)

    def __enter__(self) -> Self:
        self._run()  # fresh pages and threads take longer
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def take(self) -> None:
        """One more sample."""
        self.samples.append(self._run())

    def judge(self) -> Steadiness:
        """What the samples so far say; one is taken where there is none."""
        if not self.samples:
            self.take()
        return judge_samples(self.samples)

    def _run(self) -> ProbeSample:
        timed = list(self._pool.map(self._sort, range(self._cores)))
        return ProbeSample(
            seconds=max(wall for wall, _ in timed),
            granted=min(1.0, sum(cpu for _, cpu in timed) / sum(wall for wall, _ in timed)),
        )

    def _sort(self, core: int) -> tuple[float, float]:
        self._barrier.wait()
        wall, cpu = time.perf_counter(), time.thread_time()
        # Both let go of Python's lock, so that all cores work at once.
        for _ in range(_REPEATS):
            np.copyto(self._scratch[core], self._values)
            self._scratch[core].sort()
        return time.perf_counter() - wall, time.thread_time() - cpu
