"""Runs that are all folds of one cross-validation, each judged on its own test part.

Refused are runs of another data set, set of folds or policy, a fold twice, a set that is not whole,
and whatever `compared_runs` refuses of a single run: no predictions of test, or ones that are not
of the run as it stands.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stripsight.config.schema import Config
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.splits.partition import Fold, Split
from stripsight.data.splits.store import load_split
from stripsight.errors import EvaluationError, UsageError
from stripsight.evaluation.comparison.compared_runs import ComparedRun, load_compared_run
from stripsight.training.provenance import read_provenance

_PART = "test"
# What folds of one procedure may differ in: where things lie, which fold, and what changes no bit.
_FREE = ("data.root", "data.split", "data.num_workers", "training.seed")


@dataclass(frozen=True)
class FoldRun:
    """One fold: the run on it, judged on its test part.

    Attributes:
        run: with its predictions of test and its own decision rule.
        split: that it was trained on.
        fold: which of the set.
        is_finished: whether its training came to its end.
    """

    run: ComparedRun
    split: Split
    fold: Fold
    is_finished: bool


@dataclass(frozen=True)
class FoldRuns:
    """All folds of one set, by number.

    Attributes:
        dataset: that all are of.
        folds: one a number, in order.
        differing: settings that are not the same in all runs, by key.
    """

    dataset: PreparedDataset
    folds: tuple[FoldRun, ...]
    differing: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name and making of the set in words."""
        first = self.folds[0]
        by = "by group" if first.split.by == "group" else "BY RANDOM, look-alikes not kept together"
        return f"{first.fold.of} ({first.fold.count} folds {by})"


def load_fold_runs(paths: Sequence[Path]) -> FoldRuns:
    """Read what `stripsight evaluate` wrote into the run of each fold.

    Raises:
        UsageError: a fold twice, or not all folds of the set.
        EvaluationError: no fold, or of another data set, set of folds or policy than the first; see
            `load_compared_runs`, whose other errors come as well.
        SplitError: the split of a run is gone, damaged, or not whole.
    """
    runs = [load_compared_run(path, _PART) for path in paths]
    first = runs[0]
    for run in runs[1:]:
        if run.predictions.source["data_set"] != first.predictions.source["data_set"]:
            raise EvaluationError(
                f"{run.path} was judged on another data set than {first.path}: only folds of one"
                " data set can be judged together"
            )
    dataset = load_prepared(Path(first.config.data.root))
    folds = [_place(run, dataset) for run in runs]
    for fold in folds[1:]:
        _check_belongs(fold, folds[0])
    _check_whole(folds)
    return FoldRuns(
        dataset=dataset,
        folds=tuple(sorted(folds, key=lambda fold: fold.fold.number)),
        differing=_find_differing([run.config for run in runs]),
    )


def _place(run: ComparedRun, dataset: PreparedDataset) -> FoldRun:
    record = read_provenance(run.path)
    split = load_split(dataset, record["split"]["name"], leaks="ignore", quiet=True)
    if split.hash != run.predictions.source["split"]:
        raise EvaluationError(
            f"the split {split.name!r} is not the one that {run.path} was trained on: restore it,"
            " or train again"
        )
    if split.fold is None:
        raise EvaluationError(
            f"{run.path} was trained on the split {split.name!r}, which is no fold: `stripsight"
            f" data split {dataset.root} --name cv --scheme kfold` makes folds to train on"
        )
    return FoldRun(run, split, split.fold, is_finished=record["finished"] is not None)


def _check_belongs(fold: FoldRun, first: FoldRun) -> None:
    here, there = fold.fold, first.fold
    if (here.of, here.count, here.set_hash) != (there.of, there.count, there.set_hash):
        raise EvaluationError(
            f"{fold.run.path} is a fold of {here.of!r}, {first.run.path} of {there.of!r}: give the"
            " runs of one set of folds"
        )
    ours, theirs = fold.run.decisions.policy, first.run.decisions.policy
    if ours.name != theirs.name:
        raise EvaluationError(
            f"{fold.run.path} decides by {ours.name}, {first.run.path} by {theirs.name}: give all"
            " folds one policy with `stripsight decide`"
        )
    if ours.settings != theirs.settings:
        raise EvaluationError(
            f"{fold.run.path} decides by {ours.name} with other settings than {first.run.path}:"
            " give all folds the same with `stripsight decide`"
        )


def _check_whole(folds: Sequence[FoldRun]) -> None:
    run_of: dict[int, Path] = {}
    for fold in folds:
        number = fold.fold.number
        if number in run_of:
            raise UsageError(
                f"{run_of[number]} and {fold.run.path} are both of fold {number}: its images would"
                " be judged twice; give one run a fold"
            )
        run_of[number] = fold.run.path
    first = folds[0].fold
    absent = [f"{first.of}-{n}" for n in range(1, first.count + 1) if n not in run_of]
    if absent:
        raise UsageError(
            f"{len(run_of)} of the {first.count} folds of {first.of!r} are given; not"
            f" {', '.join(absent)}: every image must be judged once, so give a run of each"
        )


def _find_differing(configs: Sequence[Config]) -> tuple[str, ...]:
    flat = [_flatten(config) for config in configs]
    return tuple(
        key
        for key in flat[0]
        if key not in _FREE and len({repr(settings[key]) for settings in flat}) > 1
    )


def _flatten(config: Config) -> dict[str, Any]:
    return {
        f"{group}.{key}": value
        for group, settings in asdict(config).items()
        for key, value in settings.items()
    }
