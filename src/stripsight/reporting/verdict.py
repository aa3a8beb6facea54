"""The banner at the head of a report: a verdict in words and the few figures it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

VerdictLevel = Literal["good", "care", "bad"]
"""Told apart by shape, by colour, and by the word that is given with it."""


@dataclass(frozen=True)
class Headline:
    """A figure with its interval, drawn as a dot and a bar on a scale of its own.

    Attributes:
        label: what it is: `Escapes`.
        text: the figure in words: `3.1 %`; a dash where there is none.
        interval: its interval in words: `95 % interval 1.9 to 4.8 %`, or why there is none.
        note: what it was counted on: `of 269 defects in test`.
        value: the figure, or None.
        low: lower end of its interval, or None.
        high: upper end, or None.
        scale: the ends of the scale.
        ends: the same in words.
        target: a value to compare with, drawn as an upright line, or None.
        target_label: what it is: `promised: at most 5 %`.
    """

    label: str
    text: str
    interval: str
    note: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    scale: tuple[float, float] = (0.0, 1.0)
    ends: tuple[str, str] = ("0 %", "100 %")
    target: float | None = None
    target_label: str = ""

    def place(self, value: float) -> float:
        """Where `value` stands on the scale, in per cent from its left end, never beyond it."""
        low, high = self.scale
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)

    @property
    def bar(self) -> tuple[float, float] | None:
        """Left end and width of the interval's bar in per cent, or None without an interval."""
        if self.low is None or self.high is None:
            return None
        left = self.place(self.low)
        return left, round(self.place(self.high) - left, 2)


@dataclass(frozen=True)
class Verdict:
    """What the report says in one sentence.

    Attributes:
        level: how it is drawn.
        word: the level in words: `Use with care`.
        sentence: the verdict.
        headlines: the figures to see first, three to eight.
        text: what the sentence rests on and what it leaves open.
    """

    level: VerdictLevel
    word: str
    sentence: str
    headlines: Sequence[Headline] = ()
    text: str = ""
    kind: ClassVar[str] = "verdict"
