"""What the number of suspects of a class is worth.

Confident learning says which labels to look at, and of a class that the network knows badly it says
too many. Two things tell. One is how plainly the network contradicts them: its mean probability
against the given labels of the class's suspects, here called doubt. Look-alikes are one piece of
steel: a network that is sure of one is sure of all, rightly or not, so a group counts once. The
other is the network itself: one that misses the class, or calls it where nobody labelled it, on
many images contradicts right labels as plainly as wrong ones.

Measured on NEU-DET by `benchmarks/audit_trial.py` (EXPERIMENTS.md): labels were made wrong on
purpose, and of the suspects of classes with a doubt below 0.85, below 0.95 and above it 18, 57 and
92 % were among them. That is what the trial found, with its networks and its share of wrong labels;
what it is here only looking tells.
"""

from collections.abc import Mapping, Sequence

from stripsight.data.audit.confident_learning import ClassAudit, Suspect
from stripsight.reporting.quantities import format_quantity, format_share

_FIRM, _WEAK = 0.95, 0.85

FEWEST_FOUND = 0.8
"""Of the images labelled with a class, and of those called so. One label in ten made wrong leaves
even a perfect network 0.9 of each, so less than this is hardly the labels' fault."""


def compute_doubt(
    suspects: Sequence[Suspect], column: int, group_of: Mapping[str, int]
) -> float | None:
    """Mean probability against the given labels of a class's suspects, 0..1; None without any.

    Args:
        suspects: of all classes.
        column: of the class.
        group_of: the group of look-alikes of each image; a group counts once.
    """
    doubts: dict[int, list[float]] = {}
    for suspect in suspects:
        if suspect.column == column:
            doubts.setdefault(group_of[suspect.image], []).append(1 - suspect.score)
    means = [sum(group) / len(group) for group in doubts.values()]
    return sum(means) / len(means) if means else None


def count_suspects(
    suspects: Sequence[Suspect], column: int, given: bool, group_of: Mapping[str, int]
) -> str:
    """How many suspects of a class with one given label, and in how many groups: `8 (3 groups)`."""
    own = [s for s in suspects if s.column == column and s.given == given]
    groups = len({group_of[s.image] for s in own})
    apart = f" ({format_quantity(groups, 'group')})" if groups < len(own) else ""
    return f"{len(own):,}{apart}"


def expect_wrong(doubt: float) -> int:
    """Of ten suspects of such a list, how many were made wrong in the trial."""
    if doubt >= _FIRM:
        return 9
    return 6 if doubt >= _WEAK else 2


def is_weak(judged: ClassAudit) -> bool:
    """Whether the network itself knows the class too badly for what the trial found."""
    if judged.found is None:
        return False
    return judged.found < FEWEST_FOUND or (judged.confirmed or 0.0) < FEWEST_FOUND


def describe_expectation(doubt: float | None, judged: ClassAudit) -> str:
    """For a cell of a table; empty without suspects."""
    if doubt is None:
        return ""
    return "weak network" if is_weak(judged) else f"{expect_wrong(doubt)} in 10"


def explain_expectation() -> str:
    """What the cells say, for below the table."""
    return (
        "wrong in a trial: of suspects that networks good at their class contradict as plainly, so"
        " many were labels made wrong on purpose (EXPERIMENTS.md); look-alikes count once. How many"
        " are wrong here, only looking tells"
    )


def warn_of_weakness(
    judged: ClassAudit, suspects: Sequence[Suspect], column: int, group_of: Mapping[str, int]
) -> str | None:
    """A sentence where many of the suspects of a class are probably right labels."""
    doubt = compute_doubt(suspects, column, group_of)
    if doubt is None:
        return None
    if is_weak(judged):
        calls = (
            "it calls none"
            if judged.confirmed is None
            else f"{format_share(judged.confirmed)} of those it calls are labelled so"
        )
        return (
            f"{judged.name}: the network itself is weak here (it finds"
            f" {format_share(judged.found or 0.0)} of the images labelled so, {calls}), so it"
            " contradicts right labels as plainly as wrong ones: train it further before you trust"
            " this list"
        )
    if doubt >= _WEAK:
        return None
    count = sum(1 for suspect in suspects if suspect.column == column)
    return (
        f"{judged.name}: the network is not sure of {'its' if count == 1 else 'these'}"
        f" {format_quantity(count, 'suspect')} itself ({format_share(doubt)} against the given"
        f" label on average): in a trial {expect_wrong(doubt)} in 10 of such were wrong labels,"
        " most of them at the top of the list"
    )
