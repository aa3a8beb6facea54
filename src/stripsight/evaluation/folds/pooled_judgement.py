"""All folds of a cross-validation judged as one: every image once, by a network that never saw it.

Each fold's own calibration and thresholds, fitted on its own validation part, are applied to its
own test part. Calibrated probabilities and decisions are then put together and judged as those of
one run are. Logits are not: those of two networks are on two scales.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.data.splits.leaks import find_leaks
from stripsight.decision.policy import CLEAN, UNDECIDED, ClassPolicy, Codes
from stripsight.evaluation.folds.fold_runs import FoldRuns
from stripsight.evaluation.groups import Groups, find_groups
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.judgement import Judgement, judge_codes
from stripsight.evaluation.metrics import Labels
from stripsight.reporting.quantities import format_quantity


@dataclass(frozen=True)
class PooledTest:
    """The test parts of all folds, one after the other.

    Attributes:
        ids: N image ids, none twice.
        labels: uint8 `[N, C]`.
        probabilities: float64 `[N, C]`, each by the calibration of its image's fold.
        codes: int8 `[N, C]`, each by the thresholds of its image's fold; see `pool_folds`.
        groups: int64 `[N]`.
    """

    ids: tuple[str, ...]
    labels: Labels
    probabilities: npt.NDArray[np.float64]
    codes: Codes
    groups: Groups


@dataclass(frozen=True)
class FoldsJudgement:
    """What the folds came to.

    Attributes:
        runs: that were judged.
        judgement: every figure, of the test parts together.
    """

    runs: FoldRuns
    judgement: Judgement

    @property
    def thresholds(self) -> tuple[str, ...]:
        """From where each class is called, lowest and highest over the folds, in words."""
        words = []
        for column in range(len(self.judgement.classes)):
            limits = [
                limit
                for fold in self.runs.folds
                if (limit := fold.run.decisions.policy.classes[column].defect_from) is not None
            ]
            ends = (
                dict.fromkeys(f"{end:.3f}" for end in (min(limits), max(limits))) if limits else "-"
            )
            words.append("-".join(ends))
        return tuple(words)

    def to_json(self) -> dict[str, Any]:
        """As `metrics.json` has it of one run, with what is each fold's own."""
        return {
            **self.judgement.to_json(),
            "folds": [
                {
                    "number": fold.fold.number,
                    "run": str(fold.run.path),
                    "split": fold.split.name,
                    "images": len(fold.run.predictions.ids),
                    "thresholds": [asdict(c) for c in fold.run.decisions.policy.classes],
                    "calibration": fold.run.decisions.calibration.to_json(),
                    "rule": name_rule(fold.run.decisions),
                }
                for fold in self.runs.folds
            ],
        }


def judge_folds(runs: FoldRuns) -> FoldsJudgement:
    """Every figure of the test parts of all folds together, with intervals over look-alikes.

    Raises:
        EvaluationError: see `judge_codes`.
    """
    pooled, first = pool_folds(runs), runs.folds[0].run
    names = first.predictions.class_names
    judgement = judge_codes(
        pooled.probabilities,
        pooled.codes,
        pooled.labels,
        pooled.groups,
        class_names=names,
        thresholds=(ClassPolicy.at(None),) * len(names),
        policy=first.decisions.policy.name,
        part="test",
        split=runs.title,
        notes=(*_list_notes(runs, len(pooled.ids)), *_note_undecided(runs)),
    )
    return FoldsJudgement(runs, judgement)


def pool_folds(runs: FoldRuns) -> PooledTest:
    """Probabilities and decisions of each fold by its own rule, put together.

    A class that one fold has no threshold for, its validation showing none, is never called there:
    in a procedure that calls it elsewhere those images are called clean of it. Only a class without
    a threshold in every fold stays undecided.
    """
    parts = [fold.run for fold in runs.folds]
    ids = tuple(image_id for run in parts for image_id in run.predictions.ids)
    codes = np.concatenate([run.codes for run in parts])
    undecided = codes == UNDECIDED
    codes = np.where(undecided & ~undecided.all(axis=0), np.int8(CLEAN), codes)
    return PooledTest(
        ids=ids,
        labels=np.concatenate([run.predictions.labels for run in parts]),
        probabilities=np.concatenate(
            [run.decisions.calibration.apply(run.predictions.logits) for run in parts]
        ),
        codes=codes,
        groups=find_groups(runs.dataset, ids),
    )


def _list_notes(runs: FoldRuns, images: int) -> list[str]:
    count = len(runs.folds)
    notes = [
        f"figures of the procedure, over {count} networks, each on the images it never saw: no"
        " single network has them, nor would one that is trained on all images"
    ]
    if runs.differing:
        notes.append(
            f"the folds were not trained alike ({', '.join(runs.differing)} differ), so these are"
            " figures of a mixture"
        )
    for fold in runs.folds:
        if not fold.is_finished:
            notes.append(f"{fold.run.path}: training has not finished: a later epoch may be better")
        if not fold.run.is_judged:
            notes.append(
                f"{fold.run.path}: its decision rule is newer than its report: `stripsight evaluate"
                f" {fold.run.path}` judges it by this rule too"
            )
    leaking = [len(find_leaks(runs.dataset, fold.split)) for fold in runs.folds]
    if any(leaking):
        notes.append(
            f"look-alikes on two sides of a split ({format_quantity(max(leaking), 'group')} in the"
            " worst fold), so these figures look better than they are"
        )
    whole = len(runs.dataset.labelled_images)
    if images < whole:
        short = [
            f"{fold.split.name} ({len(fold.run.predictions.ids):,} of {there:,})"
            for fold in runs.folds
            if len(fold.run.predictions.ids) < (there := len(fold.split.ids("test")))
        ]
        notes.append(
            f"only {images:,} of the {whole:,} labelled images: {', '.join(short)} left some out"
            " (data.limit or missing files)"
        )
    return notes


def _note_undecided(runs: FoldRuns) -> list[str]:
    """Classes that some folds, but not all, have no threshold for."""
    notes = []
    for column, name in enumerate(runs.folds[0].run.predictions.class_names):
        without = [fold for fold in runs.folds if not fold.run.decisions.policy.decided[column]]
        if 0 < len(without) < len(runs.folds):
            missed = sum(int(fold.run.predictions.labels[:, column].sum()) for fold in without)
            where = ", ".join(fold.split.name for fold in without)
            notes.append(
                f"{name}: no positive in validation of {where}, so no threshold and no call there:"
                f" the {format_quantity(missed, 'image')} that show it there count as escapes"
            )
    return notes
