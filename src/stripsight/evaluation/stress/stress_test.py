"""How a run bears what a camera may do: every figure against the strength of each corruption.

Each image of a part is decoded once and predicted as it is and under every corruption at every
level. All figures are of the same images under the same weights, so the change from the figure
without corruption is paired. Average precision may hold while F1 falls: the ranking bears what the
thresholds, which nobody moves, do not.

Among 80 comparisons (8 corruptions, 5 strengths, 2 figures) some always look bad. So a fall is
called only where a bound that holds for all of them at once (Bonferroni) lies below 0: where no
corruption does anything, the chance that any fall is called is about 5 % at most.

Thresholds and calibration stay those of the run, whatever the light. What a corruption is, and
where labels stop being true, is `corruptions.py`'s business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.decision.document import Decisions, apply_decisions
from stripsight.errors import EvaluationError, UsageError
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.intervals.bootstrap import BootstrapFigures, bootstrap_figures
from stripsight.evaluation.intervals.differences import subtract_figures
from stripsight.evaluation.intervals.interval import LEVEL, Figure
from stripsight.evaluation.opened_run import OpenedRun
from stripsight.evaluation.stress.corrupted_images import ReportProgress, predict_corrupted
from stripsight.evaluation.stress.corruptions import CORRUPTIONS, LEVELS, Corruption

MACRO = ("average_precision", "auroc", "f1", "precision", "recall")
OVERALL = ("image_escape_rate", "image_overkill_rate", "image_review_rate")
COMPARED = ("macro_average_precision", "macro_recall")
"""Figures of which a fall is called."""

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Measured:
    """A figure, or a change of one, with its limits at 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class StressLevel:
    """The figures at one strength.

    Attributes:
        level: 1 to 5; 0 is as it is.
        strength: in the corruption's unit; None for level 0.
        figures: `macro_` figures of `MACRO` and the `OVERALL` ones; None where there is none.
        changes: each less the same figure without corruption, paired; None likewise, and 0 for
            level 0.
        bounds: of each figure of `COMPARED`, the least by which it has fallen, as a change:
            one-sided, and for all comparisons of the test at once; None likewise.
        average_precisions: of each class, in column order; None likewise.
    """

    level: int
    strength: float | None
    figures: Mapping[str, Measured | None]
    changes: Mapping[str, Measured | None]
    bounds: Mapping[str, float | None]
    average_precisions: tuple[Measured | None, ...]


@dataclass(frozen=True)
class StressCurve:
    """One corruption.

    Attributes:
        name: of the corruption.
        title: likewise.
        unit: of the strengths.
        note: what must be borne in mind.
        levels: 0 to 5.
    """

    name: str
    title: str
    unit: str
    note: str
    levels: tuple[StressLevel, ...]

    def find_fall(self, figure: str = "macro_average_precision") -> StressLevel | None:
        """The first level from which on `figure`, one of `COMPARED`, is lower beyond chance."""
        falls = None
        for level in reversed(self.levels[1:]):
            bound = level.bounds[figure]
            if bound is None or bound >= 0:
                break
            falls = level
        return falls


@dataclass(frozen=True)
class StressTest:
    """All corruptions of one part.

    Attributes:
        part: of the split.
        images: predicted at each level.
        part_images: of the whole part; more than `images` after a limit.
        class_names: in column order.
        positives: of each class, the groups of look-alikes among `images` that show it.
        seed: of noise, sides and bootstrap.
        rounds: of the bootstrap.
        curves: one a corruption.
    """

    part: str
    images: int
    part_images: int
    class_names: tuple[str, ...]
    positives: tuple[int, ...]
    seed: int
    rounds: int
    curves: tuple[StressCurve, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `stress_<part>.json`."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def stress_run(
    opened: OpenedRun,
    part: str,
    decisions: Decisions,
    *,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    limit: int | None = None,
    rounds: int = 1000,
    seed: int = 0,
    report_progress: ReportProgress = lambda done, total: None,
) -> StressTest:
    """Judge a run on the corrupted images of a part.

    Args:
        opened: the run.
        part: of its split.
        decisions: of the run.
        corruptions: which.
        limit: at most so many images, see `choose_subset`: for a quick look, as it holds more of
            the rare classes than the part does.
        rounds: of the bootstrap.
        seed: of all chance.
        report_progress: see `ReportProgress`.

    Raises:
        UsageError: no such part, or a limit below 1.
        EvaluationError: decisions of another checkpoint or data set, an output that is not finite,
            or a corruption without five strengths.
        DecisionError: decisions of other classes.
    """
    data = opened.data
    if part not in data.datasets:
        raise UsageError(f"split {part!r} cannot be stressed: choose {', '.join(data.datasets)}")
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: at least one image is needed")
    _check(opened, decisions, corruptions)
    whole = data.datasets[part]
    dataset = SeverstalFullImageDataset(
        data.prepared, ids=whole.ids, image_size=data.requested_size, limit=limit
    )
    logits = predict_corrupted(
        opened.network,
        dataset,
        corruptions,
        seed=seed,
        batch_size=data.batch_size,
        num_workers=data.num_workers,
        device=opened.device,
        report_progress=report_progress,
    )
    groups = find_groups(data.prepared, dataset.ids)

    def judge(variant: int) -> BootstrapFigures:
        codes = apply_decisions(decisions, logits[variant])
        return bootstrap_figures(
            logits[variant], codes, dataset.labels, groups, rounds=rounds, seed=seed
        )

    clean = judge(0)
    confidence = 1 - (1 - LEVEL) / max(1, len(corruptions) * LEVELS * len(COMPARED))
    curves = []
    for number, corruption in enumerate(corruptions):
        levels = [_describe_level(0, None, clean, clean, confidence)]
        for level, strength in enumerate(corruption.strengths, 1):
            figures = judge(number * LEVELS + level)
            levels.append(_describe_level(level, float(strength), figures, clean, confidence))
        curves.append(
            StressCurve(
                corruption.name, corruption.title, corruption.unit, corruption.note, tuple(levels)
            )
        )
    return StressTest(
        part=part,
        images=len(dataset),
        part_images=len(whole),
        class_names=dataset.classes.names,
        positives=tuple(len(np.unique(groups[column == 1])) for column in dataset.labels.T),
        seed=seed,
        rounds=rounds,
        curves=tuple(curves),
    )


def _check(opened: OpenedRun, decisions: Decisions, corruptions: Sequence[Corruption]) -> None:
    for corruption in corruptions:
        if len(corruption.strengths) != LEVELS:
            raise EvaluationError(
                f"corruption {corruption.name!r} has {len(corruption.strengths)} strengths:"
                f" {LEVELS} are needed"
            )
    fitted = decisions.fitted_on
    source = opened.describe_source("validation")
    if (fitted.checkpoint, fitted.data_set) != (source["checkpoint"], source["data_set"]):
        raise EvaluationError(
            f"the decisions are of another checkpoint or data set than {opened.folder}:"
            " evaluate the run again"
        )


def _describe_level(
    level: int,
    strength: float | None,
    figures: BootstrapFigures,
    clean: BootstrapFigures,
    confidence: float,
) -> StressLevel:
    now, before = _select(figures), _select(clean)
    return StressLevel(
        level=level,
        strength=strength,
        figures={name: _measure(figure) for name, figure in now.items()},
        changes={name: _measure_change(figure, before[name]) for name, figure in now.items()},
        bounds={name: _bound_change(now[name], before[name], confidence) for name in COMPARED},
        average_precisions=tuple(_measure(c["average_precision"]) for c in figures.classes),
    )


def _select(figures: BootstrapFigures) -> dict[str, Figure | None]:
    return {
        **{f"macro_{name}": figures.macro[name] for name in MACRO},
        **{name: figures.overall[name] for name in OVERALL},
    }


def _measure(figure: Figure | None) -> Measured | None:
    if figure is None:
        return None
    return Measured(figure.value, figure.interval.low, figure.interval.high)


def _measure_change(now: Figure | None, before: Figure | None) -> Measured | None:
    if now is None or before is None:
        return None
    if now is before:
        return Measured(0.0, 0.0, 0.0)
    change = subtract_figures(now, before)
    return Measured(change.value, change.interval.low, change.interval.high)


def _bound_change(now: Figure | None, before: Figure | None, confidence: float) -> float | None:
    """Upper limit of the change, one-sided at `confidence`."""
    if now is None or before is None:
        return None
    if now is before:
        return 0.0
    return subtract_figures(now, before, level=2 * confidence - 1).interval.high
