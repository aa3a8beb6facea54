"""How many streams `score` should run with here: read off the throughput that was measured.

`score` takes images one at a time, so points of one image a request say it. Each took turns with
one and the same reference, so their ratios to it can be compared. One stream is the usual, and
another number is chosen only where its worst round beats the best one of the usual: on a machine
that does other things, too, medians alone would choose by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stripsight.scoring.bench.throughput import Throughput


@dataclass(frozen=True)
class Choice:
    """The outcome.

    Attributes:
        threads: of all streams together.
        streams: requests at a time.
        tried: points of one image a request, the usual first.
    """

    threads: int
    streams: int
    tried: tuple[Throughput, ...]

    def describe(self) -> str:
        """One line for a person, with the figures."""
        said = f"for `stripsight score`: --threads {self.threads} --streams {self.streams}"
        usual, *others = self.tried
        if not others:
            return f"{said} (nothing else was tried)"
        # Not images a second: points were measured minutes apart.
        figures = ", ".join(f"{p.ratio.describe()} with {p.streams}" for p in self.tried)
        surely = "" if self.streams != usual.streams else "; no other number is surely faster"
        return f"{said}{surely} (times as many by streams, one image a request: {figures})"


def choose_streams(points: Sequence[Throughput], name: str, threads: int) -> Choice:
    """The streams that surely score most images a second, else the usual.

    Args:
        points: measured, of any contender, batch and streams.
        name: of the contender to choose for; it has a point of batch 1.
        threads: that all its points had.
    """
    tried = sorted((p for p in points if p.name == name and p.batch == 1), key=lambda p: p.streams)
    usual = tried[0]
    better = [p for p in tried if p.ratio.lowest > usual.ratio.highest]
    best = max(better, key=lambda p: p.ratio.median, default=usual)
    return Choice(threads, best.streams, tuple(tried))
