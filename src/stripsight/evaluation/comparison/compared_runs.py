"""Runs that may be compared: what they predicted of the same images, and how they decide.

Refused are runs of another data set, split, part, class list or set of images, a run twice, and
predictions or decisions that are not of the checkpoint that lies in the run. The order of images is
made that of the first run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stripsight.config.schema import Config
from stripsight.data.prepared import load_prepared
from stripsight.decision.document import Decisions, apply_decisions, load_decisions
from stripsight.decision.policy import Codes
from stripsight.errors import EvaluationError, UsageError
from stripsight.evaluation.groups import Groups, find_groups
from stripsight.evaluation.judged_files import is_judged
from stripsight.evaluation.predictions import Predictions
from stripsight.evaluation.stored_predictions import load_stored_predictions

_PARTS = ("validation", "test")
_HASHES = {"part": "part", "data_set": "data set", "split": "split"}


@dataclass(frozen=True)
class ComparedRun:
    """One run: its folder as given, its configuration, and what it said of each image.

    Attributes:
        path: as given.
        config: as composed.
        run_id: of its provenance.
        predictions: of one part.
        decisions: as they stand in the run.
        codes: int8 `[N, C]`, the decisions on the predictions.
        is_judged: whether `evaluate` has judged the part by these decisions; not where `decide` has
            changed them since.
    """

    path: Path
    config: Config
    run_id: str
    predictions: Predictions
    decisions: Decisions
    codes: Codes
    is_judged: bool


@dataclass(frozen=True)
class ComparedRuns:
    """Runs on the same images in the same order, and the groups of look-alikes among these."""

    part: str
    runs: tuple[ComparedRun, ...]
    groups: Groups


def load_compared_runs(paths: Sequence[Path], part: str = "test") -> ComparedRuns:
    """Read the predictions of `part` that `stripsight evaluate` wrote into each run.

    Raises:
        UsageError: fewer than two runs, a run twice, or a part that is none.
        EvaluationError: no predictions, not of the run as it stands, or not of the same images.
        CheckpointError: no best checkpoint, a damaged one, or another run's.
        DecisionError: no decisions, or damaged ones.
        DataError: the data set, whose groups of look-alikes are needed, is not there.
        TrainingError: a folder that is no run.
    """
    if part not in _PARTS:
        raise UsageError(f"split {part!r} cannot be compared: choose {' or '.join(_PARTS)}")
    if len(paths) < 2:
        raise UsageError("give two runs or more to compare")
    _check_distinct([str(path.resolve()) for path in paths], paths, "the same folder")
    runs = [load_compared_run(path, part) for path in paths]
    _check_distinct([run.run_id for run in runs], paths, "copies of one run")
    first = runs[0]
    aligned = (first, *(_align(run, first) for run in runs[1:]))
    dataset = load_prepared(Path(first.config.data.root))
    return ComparedRuns(part, aligned, find_groups(dataset, first.predictions.ids))


def load_compared_run(path: Path, part: str) -> ComparedRun:
    """One run alone; see `load_compared_runs`."""
    stored = load_stored_predictions(path, part)
    predictions, file = stored.predictions, path / "decisions.json"
    if not file.is_file():
        raise EvaluationError(f"{path} has no {file.name}: run `stripsight evaluate {path}` first")
    decisions = load_decisions(file, predictions.class_names)
    for key in ("data_set", "split", "checkpoint"):
        if getattr(decisions.fitted_on, key) != predictions.source[key]:
            raise EvaluationError(
                f"{file} was fitted on another {key.replace('_', ' ')} than the run has now: run"
                f" `stripsight evaluate {path}` again"
            )
    return ComparedRun(
        path=path,
        config=stored.config,
        run_id=str(stored.record["run_id"]),
        predictions=predictions,
        decisions=decisions,
        codes=apply_decisions(decisions, predictions.logits),
        is_judged=is_judged(path, part, decisions),
    )


def _check_distinct(keys: Sequence[str], paths: Sequence[Path], what: str) -> None:
    for index, key in enumerate(keys):
        if key in keys[:index]:
            other = paths[keys.index(key)]
            raise UsageError(f"{other} and {paths[index]} are {what}: give different runs")


def _align(run: ComparedRun, first: ComparedRun) -> ComparedRun:
    """`run` with its images in the order of `first`."""
    a, b = first.predictions, run.predictions
    for key, words in _HASHES.items():
        if a.source[key] != b.source[key]:
            raise EvaluationError(
                f"{run.path} was judged on another {words} than {first.path}: only runs on the same"
                " images can be compared"
            )
    if a.class_names != b.class_names:
        raise EvaluationError(
            f"{run.path} knows the classes {', '.join(b.class_names)}, {first.path}"
            f" {', '.join(a.class_names)}"
        )
    row_of = {image_id: row for row, image_id in enumerate(b.ids)}
    for here, there, ids in ((run, a.ids, row_of), (first, b.ids, set(a.ids))):
        absent = [image_id for image_id in there if image_id not in ids]
        if absent:
            raise EvaluationError(
                f"{here.path} has no prediction of {len(absent):,} of the images, the first"
                f" {absent[0]!r} (data.limit or missing files): evaluate both on the same images"
            )
    order = np.array([row_of[image_id] for image_id in a.ids])
    if (b.labels[order] != a.labels).any():
        row = int((b.labels[order] != a.labels).any(axis=1).argmax())
        raise EvaluationError(
            f"{run.path} and {first.path} hold other labels of image {a.ids[row]!r}: evaluate"
            " both again"
        )
    predictions = replace(b, ids=a.ids, labels=a.labels, logits=b.logits[order])
    return replace(run, predictions=predictions, codes=run.codes[order])
