"""How many of the suspects of a class to expect to be wrong labels.

Confident learning says which labels to look at, and of a class that the network knows badly it says
too many. What tells the two apart is how plainly the network contradicts them: its mean probability
against the given labels of the class's suspects, here called doubt.

Measured on NEU-DET by `benchmarks/audit_trial.py` (EXPERIMENTS.md): labels were made wrong on
purpose, and of the suspects of classes with a doubt below 0.85, below 0.95 and above it 18, 57 and
92 % were among them. Other networks and other steel may do better or worse.
"""

from collections.abc import Sequence

from stripsight.data.audit.confident_learning import Suspect
from stripsight.reporting.quantities import format_quantity, format_share

_FIRM, _WEAK = 0.95, 0.85


def compute_doubt(suspects: Sequence[Suspect], column: int) -> float | None:
    """Mean probability against the given labels of a class's suspects, 0..1; None without any."""
    doubts = [1 - suspect.score for suspect in suspects if suspect.column == column]
    return sum(doubts) / len(doubts) if doubts else None


def expect_wrong(doubt: float) -> int:
    """Of ten suspects, how many are wrong labels, by what was measured."""
    if doubt >= _FIRM:
        return 9
    return 6 if doubt >= _WEAK else 2


def describe_expectation(doubt: float | None) -> str:
    """For a cell of a table; empty without suspects."""
    return "" if doubt is None else f"about {expect_wrong(doubt)} in 10"


def warn_of_weakness(name: str, suspects: Sequence[Suspect], column: int) -> str | None:
    """A sentence where most of the suspects of a class are probably right labels."""
    doubt = compute_doubt(suspects, column)
    if doubt is None or doubt >= _WEAK:
        return None
    count = sum(1 for suspect in suspects if suspect.column == column)
    return (
        f"{name}: the network is not sure of {'its' if count == 1 else 'these'}"
        f" {format_quantity(count, 'suspect')} itself ({format_share(doubt)} against the given"
        f" label on average): expect about {expect_wrong(doubt)} in 10 to be wrong labels, most of"
        " them at the top of the list"
    )
