"""Percentiles against numpy, ratios by hand, and the order in which contenders take turns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.scoring.bench.contender import make_sequential
from stripsight.scoring.bench.latency import (
    Latency,
    compare_latencies,
    compute_ratio,
    measure_latencies,
)

IMAGES = np.zeros((3, 1, 2, 4), np.uint8)


def make_latency(*rounds: list[float]) -> Latency:
    return Latency("one", tuple(np.array(block) for block in rounds), 0.0)


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=50), st.floats(0, 100))
def test_percentiles_are_numpys_over_all_rounds(values: list[float], percent: float) -> None:
    half = len(values) // 2
    latency = make_latency(*(block for block in (values[:half], values[half:]) if block))
    assert latency.compute_percentile(percent) == pytest.approx(np.percentile(values, percent))


def test_ratios_are_taken_round_by_round() -> None:
    # The second round ran on a machine half as fast: over all rounds the ratio would be 3.3.
    slow = make_latency([6.0, 6.0, 90.0], [12.0, 12.0])
    fast = make_latency([2.0, 2.0], [4.0, 4.0, 1.0])
    ratio = compare_latencies(slow, fast)
    assert (ratio.median, ratio.lowest, ratio.highest) == (3.0, 3.0, 3.0)
    assert compute_ratio([2, 6, 5], [1, 2, 1]).describe() == "3.00 (2.00-5.00)"


def test_contenders_take_turns_and_each_begins_a_round() -> None:
    calls: list[str] = []
    blocks: list[int] = []

    def make(name: str):  # type: ignore[no-untyped-def]
        return make_sequential(name, lambda images: images, lambda images: calls.append(name))

    measured = measure_latencies(
        [make("a"), make("b"), make("c")],
        IMAGES,
        seconds=0.0,
        between=lambda: blocks.append(len(calls)),
    )
    # One request to warm up each, then blocks of one uncounted and two counted requests.
    order = [calls[start] for start in blocks]
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert [[len(block) for block in each.rounds] for each in measured] == [[2, 2, 2]] * 3


def test_every_image_has_its_turn_prepared_outside_the_time() -> None:
    prepared: list[int] = []
    seen: list[int] = []

    def prepare(images: np.ndarray) -> int:
        prepared.append(1)
        return int(images[0, 0, 0, 0])

    images = np.arange(2, dtype=np.uint8).reshape(2, 1, 1, 1)
    measure_latencies([make_sequential("a", prepare, seen.append)], images, seconds=0.0)
    assert len(prepared) == 2
    assert set(seen) == {0, 1}
