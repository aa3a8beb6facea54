"""What the probe calls steady: by hand, and on a machine that is really loaded."""

import subprocess
import sys

import pytest

from stripsight.scoring.bench.steadiness import ProbeSample, SteadinessProbe, judge_samples
from stripsight.scoring.threads import count_cores


def test_a_machine_that_grants_all_and_varies_little_is_steady() -> None:
    steadiness = judge_samples([ProbeSample(0.0200 + 0.0001 * i, 0.99) for i in range(11)])
    assert steadiness.spread == pytest.approx(0.0008 / 0.0205)
    assert steadiness.steady
    assert steadiness.describe().startswith("machine steady: the same work took 20.0 to 21.0 ms")


@pytest.mark.parametrize(
    "samples",
    [
        [ProbeSample(0.02 * (1 + i % 2), 0.99) for i in range(10)],  # now fast, now slow
        [ProbeSample(0.04, 0.5) for _ in range(10)],  # slow all the while
    ],
    ids=["changing", "shared"],
)
def test_either_figure_alone_shows_it(samples: list[ProbeSample]) -> None:
    steadiness = judge_samples(samples)
    assert not steadiness.steady
    assert "NOT STEADY" in steadiness.describe()


def test_other_work_on_every_core_is_seen() -> None:
    cores = count_cores()
    spin = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    others = [subprocess.Popen(spin, stdout=subprocess.PIPE) for _ in range(2 * cores)]
    try:
        for process in others:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
        with SteadinessProbe(cores) as probe:
            for _ in range(10):
                probe.take()
            steadiness = probe.judge()
    finally:
        for process in others:
            process.kill()
            process.communicate()
    assert steadiness.samples == 10
    assert steadiness.granted < 0.8
    assert not steadiness.steady
