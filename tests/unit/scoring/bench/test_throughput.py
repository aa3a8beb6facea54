"""Images are counted, points are held against one reference, and streams stay within threads."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.scoring.bench.contender import Contender, make_sequential
from stripsight.scoring.bench.throughput import (
    Task,
    list_streams,
    measure_rate,
    measure_throughputs,
)

IMAGES = np.zeros((3, 1, 2, 4), np.uint8)


@given(st.integers(1, 512))
def test_streams_begin_at_one_and_end_at_a_thread_each(threads: int) -> None:
    streams = list_streams(threads)
    assert streams[0] == 1
    assert streams[-1] == threads
    assert list(streams) == sorted(set(streams))
    assert len(streams) <= threads.bit_length() + 1


def test_every_stream_gets_two_batches_however_short_the_time() -> None:
    fed: list[Any] = []

    def predict_each(batches: Iterable[Any]) -> Iterator[object]:
        for batch in batches:
            fed.append(batch)
            yield None

    contender = Contender("a", lambda images: images, lambda batch: None, predict_each)
    assert measure_rate(contender, IMAGES, images=3, streams=4, seconds=0.0) > 0
    assert len(fed) == 8


def test_points_have_batches_of_their_size_and_a_ratio_to_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    sizes: list[int] = []

    def make(seconds: float) -> Contender:
        def predict(images: np.ndarray) -> None:
            clock[0] += seconds
            sizes.append(len(images))

        return make_sequential("a", lambda images: images, predict)

    (point,) = measure_throughputs(
        [Task("a", 8, 1, lambda: make(0.4))], make(0.1), IMAGES, seconds=6.0
    )
    assert set(sizes) == {1, 8}
    assert point.images_per_second == pytest.approx(20.0)
    assert point.ratio.median == pytest.approx(2.0)
    assert (point.name, point.batch, point.streams) == ("a", 8, 1)
