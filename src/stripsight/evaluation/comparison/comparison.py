"""Whether runs differ: paired intervals of differences, and an exact test of their decisions.

Every configuration is compared with the first. The verdict rests on one figure chosen beforehand,
the macro average precision: it judges the networks, while thresholds can be fitted anew. Both runs
are weighted alike in every round, so that what is hard for both cancels. With several
configurations p-values are Holm's (Scandinavian Journal of Statistics 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from stripsight.decision.policy import CLEAN, DEFECT, UNDECIDED, Codes
from stripsight.evaluation.comparison.compared_runs import ComparedRuns
from stripsight.evaluation.comparison.seeds import (
    Configuration,
    SeedFigure,
    average_seeds,
    group_by_configuration,
    have_same_classes,
    pool_spread,
)
from stripsight.evaluation.groups import Groups
from stripsight.evaluation.intervals.bootstrap import (
    CLASS_FIGURES,
    BootstrapFigures,
    bootstrap_figures,
)
from stripsight.evaluation.intervals.differences import Difference, subtract_figures
from stripsight.evaluation.intervals.interval import LEVEL
from stripsight.evaluation.intervals.weighted_figures import OVERALL_FIGURES
from stripsight.evaluation.metrics import Labels

VERDICT_FIGURE = "average_precision"
"""Its macro mean decides."""
SIGNIFICANT = 1 - LEVEL

_OF_DECIDED_CLASSES = ("exact_match", "hamming_loss")


@dataclass(frozen=True)
class McNemar:
    """How often one of two was right where the other was wrong, on all classes of an image.

    Attributes:
        gained: groups in which the second has more images right.
        lost: groups in which the first has.
        p_value: exact and two-sided (McNemar 1947).
    """

    gained: int
    lost: int
    p_value: float


@dataclass(frozen=True)
class Contrast:
    """One configuration against the first.

    Attributes:
        differences: by figure; None where either has none or they are not of the same classes.
        mcnemar: None where a side has several runs or they decide on different classes.
        p_value: of the verdict, Holm's.
        mcnemar_p_value: Holm's.
    """

    differences: dict[str, Difference | None]
    mcnemar: McNemar | None
    p_value: float | None
    mcnemar_p_value: float | None

    @property
    def is_real(self) -> bool:
        """Whether the verdict's figure differs beyond chance."""
        return self.p_value is not None and self.p_value <= SIGNIFICANT


@dataclass(frozen=True)
class Comparison:
    """Everything that `stripsight compare` says.

    Attributes:
        part: of the split.
        images: how many.
        groups: of look-alikes.
        class_names: in column order.
        positives: of each class.
        configurations: the first is what the others are compared with.
        figures: of each configuration, by name: the macro of `CLASS_FIGURES`, `OVERALL_FIGURES`;
            None where it cannot be had or is not of the same classes everywhere.
        contrasts: one for each configuration but the first.
    """

    part: str
    images: int
    groups: int
    class_names: tuple[str, ...]
    positives: tuple[int, ...]
    configurations: tuple[Configuration, ...]
    figures: tuple[dict[str, SeedFigure | None], ...]
    contrasts: tuple[Contrast, ...]


def compare_runs(runs: ComparedRuns, *, rounds: int = 1000, seed: int = 0) -> Comparison:
    """Compare each configuration with the first."""
    configurations = group_by_configuration(runs.runs)
    labels = runs.runs[0].predictions.labels
    drawn = [
        [
            bootstrap_figures(
                run.predictions.logits, run.codes, labels, runs.groups, rounds=rounds, seed=seed
            )
            for run in configuration.runs
        ]
        for configuration in configurations
    ]
    comparable = _list_comparable(runs, drawn)
    figures = tuple(_average(group, comparable) for group in drawn)
    tests = [
        _test_decisions(configurations[0], other, labels, runs.groups)
        for other in configurations[1:]
    ]
    differences = [
        {name: _subtract(figures, index, name) for name in figures[0]}
        for index in range(1, len(figures))
    ]
    verdicts = [row[VERDICT_FIGURE] for row in differences]
    adjusted = adjust_p_values([d.p_value if d else None for d in verdicts])
    adjusted_tests = adjust_p_values([test.p_value if test else None for test in tests])
    return Comparison(
        part=runs.part,
        images=len(labels),
        groups=len(np.unique(runs.groups)),
        class_names=runs.runs[0].predictions.class_names,
        positives=tuple(int(count) for count in labels.sum(axis=0)),
        configurations=configurations,
        figures=figures,
        contrasts=tuple(
            Contrast(*row) for row in zip(differences, tests, adjusted, adjusted_tests, strict=True)
        ),
    )


def adjust_p_values(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction; None stays None and is not counted."""
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        adjusted[index] = highest
    return adjusted


def compute_mcnemar(right_a: Labels, right_b: Labels, groups: Groups) -> McNemar:
    """McNemar's exact test, a group of look-alikes counting once.

    Args:
        right_a: `[N]`, 1 where the first is right.
        right_b: likewise the second.
        groups: `[N]`.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    balance = np.bincount(numbers, weights=right_b.astype(np.float64) - right_a)
    gained, lost = int((balance > 0).sum()), int((balance < 0).sum())
    p_value = min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))
    return McNemar(gained, lost, p_value if gained + lost else 1.0)


def _list_comparable(
    runs: ComparedRuns, drawn: Sequence[Sequence[BootstrapFigures]]
) -> tuple[str, ...]:
    """Figures that are of the same classes in every run."""
    every = [run for group in drawn for run in group]
    macro = [name for name in CLASS_FIGURES if have_same_classes(every, name)]
    decided = {tuple(_find_decided(run.codes)) for run in runs.runs}
    overall = [n for n in OVERALL_FIGURES if len(decided) == 1 or n not in _OF_DECIDED_CLASSES]
    return (*macro, *overall)


def _average(
    runs: Sequence[BootstrapFigures], comparable: Sequence[str]
) -> dict[str, SeedFigure | None]:
    rows = [{**run.macro, **run.overall} for run in runs]
    return {
        name: average_seeds([row[name] for row in rows]) if name in comparable else None
        for name in rows[0]
    }


def _subtract(
    figures: Sequence[dict[str, SeedFigure | None]], index: int, name: str
) -> Difference | None:
    first, second = figures[0][name], figures[index][name]
    if first is None or second is None:
        return None
    known = [row[name] for row in figures]
    spread, freedom = pool_spread([figure for figure in known if figure is not None])
    luck = spread**2 * (1 / len(first.of_runs) + 1 / len(second.of_runs))
    return subtract_figures(second.mean, first.mean, luck=luck, freedom=freedom)


def _test_decisions(
    first: Configuration, second: Configuration, labels: Labels, groups: Groups
) -> McNemar | None:
    if len(first.runs) > 1 or len(second.runs) > 1:
        return None
    codes = first.runs[0].codes, second.runs[0].codes
    decided = [_find_decided(of_run) for of_run in codes]
    if (decided[0] != decided[1]).any() or not decided[0].any():
        return None
    truth = np.where(labels, DEFECT, CLEAN)
    right_a, right_b = ((c == truth)[:, decided[0]].all(axis=1).astype(np.uint8) for c in codes)
    return compute_mcnemar(right_a, right_b, groups)


def _find_decided(codes: Codes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((codes != UNDECIDED).all(axis=0))
