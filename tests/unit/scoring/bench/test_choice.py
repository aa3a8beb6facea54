"""Streams follow from the measured points, and only where the rounds leave no doubt."""

import pytest

from stripsight.scoring.bench.choice import choose_streams
from stripsight.scoring.bench.latency import Ratio
from stripsight.scoring.bench.throughput import Throughput


def make_point(streams: int, ratio: Ratio, batch: int = 1, name: str = "ours") -> Throughput:
    return Throughput(name, batch, streams, 256.0 * ratio.median, ratio)


@pytest.mark.parametrize(
    ("usual", "two", "four", "streams"),
    [
        (Ratio(1, 0.98, 1.02), Ratio(1.2, 1.1, 1.3), Ratio(1.4, 1.3, 1.5), 4),
        (Ratio(1, 0.98, 1.02), Ratio(1.5, 1.1, 1.6), Ratio(1.4, 1.3, 1.5), 2),
        (Ratio(0.93, 0.86, 0.99), Ratio(1.1, 0.9, 1.4), Ratio(1.3, 0.8, 1.5), 1),  # who knows
        (Ratio(1, 0.98, 1.02), Ratio(0.9, 0.8, 0.95), Ratio(0.7, 0.6, 0.8), 1),
    ],
)
def test_the_best_that_is_surely_better(
    usual: Ratio, two: Ratio, four: Ratio, streams: int
) -> None:
    points = [make_point(4, four), make_point(2, two), make_point(1, usual)]
    # Neither a larger batch nor another contender says how `score` should run.
    points += [make_point(3, Ratio(9, 9, 9), batch=8), make_point(3, Ratio(9, 9, 9), name="other")]
    choice = choose_streams(points, "ours", threads=4)
    assert (choice.threads, choice.streams) == (4, streams)
    assert [point.streams for point in choice.tried] == [1, 2, 4]
    said = choice.describe()
    assert f"--threads 4 --streams {streams}" in said
    assert ("no other number is surely faster" in said) == (streams == 1)


def test_pinned_streams_are_all_there_is() -> None:
    choice = choose_streams([make_point(2, Ratio(1.1, 1, 1.2))], "ours", threads=2)
    assert (choice.streams, choice.describe()) == (
        2,
        "for `stripsight score`: --threads 2 --streams 2 (nothing else was tried)",
    )
