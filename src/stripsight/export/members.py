"""The runs that go into a bundle, checked to belong together, and the rule they decide by.

One run keeps the decision rule that it was judged by. For several, whose logits are averaged, the
policy that they share is fitted again on the averaged validation logits: thresholds of one network
mean nothing for a mean of several.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stripsight.decision.document import Decisions
from stripsight.errors import EvaluationError
from stripsight.evaluation.comparison.compared_runs import (
    ComparedRun,
    load_compared_run,
    load_compared_runs,
)
from stripsight.evaluation.fitting import Choice, fit_decisions
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.judged_files import find_stale_files
from stripsight.evaluation.opened_run import OpenedRun, open_run
from stripsight.evaluation.predictions import Predictions
from stripsight.export.collapse import find_collapse, read_collapse

CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Members:
    """What is exported.

    Attributes:
        opened: the runs, with their networks and the data set they share.
        validation: labels, and logits by PyTorch in fp32: of an ensemble, averaged.
        decisions: of the bundle.
        card: MODEL_CARD.md as the bundle holds it.
        collapse: a sentence for each class that is never found or called; () where all are.
    """

    opened: tuple[OpenedRun, ...]
    validation: Predictions
    decisions: Decisions
    card: str
    collapse: tuple[str, ...]

    @property
    def first(self) -> OpenedRun:
        """Whose data set, split, classes and image size are those of all."""
        return self.opened[0]


def open_members(runs: Sequence[Path]) -> Members:
    """Open judged runs for export.

    Raises:
        UsageError: a run twice.
        TrainingError: no run folder, or its data set or split has changed.
        CheckpointError: no best checkpoint, a damaged one, or another run's.
        EvaluationError: not judged yet, or not as it stands; runs that do not belong together.
        DecisionError: no decision rule, or one that cannot be fitted on the averaged logits.
    """
    if len(runs) == 1:
        judged: tuple[ComparedRun, ...] = (load_compared_run(runs[0], "validation"),)
    else:
        judged = load_compared_runs(runs, "validation").runs
    cards = [_read_card(run) for run in judged]
    collapse = tuple(line for run in judged for line in read_collapse(run))
    if len(judged) > 1:
        _check_policies(judged)
    opened = tuple(open_run(run.path) for run in judged)
    for other in opened[1:]:
        if other.data.image_size != opened[0].data.image_size:
            raise EvaluationError(
                f"{other.folder} takes images of {_describe(other)}, {opened[0].folder} of"
                f" {_describe(opened[0])}: only runs of one image size make an ensemble"
            )
    if len(judged) == 1:
        alone = judged[0]
        collapse += find_collapse(alone.predictions, alone.decisions)
        return Members(opened, alone.predictions, alone.decisions, cards[0], collapse)
    validation = _average(judged)
    policy = judged[0].decisions.policy
    groups = find_groups(opened[0].data.prepared, validation.ids)
    fitted = fit_decisions(validation, groups, Choice(policy.name, policy.settings))
    collapse += find_collapse(validation, fitted.decisions)
    return Members(opened, validation, fitted.decisions, _join_cards(judged, cards), collapse)


def _average(judged: Sequence[ComparedRun]) -> Predictions:
    logits = np.stack([run.predictions.logits for run in judged]).mean(axis=0, dtype=np.float64)
    hashes = [str(run.predictions.source["checkpoint"]) for run in judged]
    joined = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    first = judged[0].predictions
    return replace(
        first, logits=logits.astype(np.float32), source={**first.source, "checkpoint": joined}
    )


def _check_policies(judged: Sequence[ComparedRun]) -> None:
    first = judged[0].decisions.policy
    for run in judged[1:]:
        policy = run.decisions.policy
        if (policy.name, policy.settings) != (first.name, first.settings):
            raise EvaluationError(
                f"{run.path} decides by {policy.name} {json.dumps(policy.settings)},"
                f" {judged[0].path} by {first.name} {json.dumps(first.settings)}: give all runs one"
                " policy with `stripsight decide`, then `stripsight evaluate` them"
            )


def _read_card(run: ComparedRun) -> str:
    """The card of a run, if it is of the rule that the run decides by."""
    card, again = run.path / CARD, f"run `stripsight evaluate {run.path}`"
    if not card.is_file():
        raise EvaluationError(f"{run.path} was not judged on test (no {CARD}): {again}")
    if CARD in find_stale_files(run.path, run.decisions):
        raise EvaluationError(f"{card} is of another decision rule than decisions.json: {again}")
    try:
        return card.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{card} cannot be read: {again}") from error


def add_note(card: str) -> str:
    """A card that a bundle carries says of which thresholds it is: they can be set anew there."""
    title, _, rest = card.partition("\n")
    return (
        f"{title}\n\n*At the thresholds of the export. `stripsight bundle show` says whether the"
        f" bundle still has them.*\n{rest}"
    )


def _join_cards(judged: Sequence[ComparedRun], cards: Sequence[str]) -> str:
    names = ", ".join(run.path.resolve().name for run in judged)
    head = (
        f"# Model card: ensemble of {len(judged)} runs\n\n"
        f"The mean of the logits of {names}, decided by {judged[0].decisions.policy.name}, which"
        " was fitted on the averaged logits of validation. Nobody has judged the ensemble on test:"
        " the figures"
        " below are of its members, each by itself.\n"
    )
    return "\n\n---\n\n".join([head, *cards])


def _describe(run: OpenedRun) -> str:
    height, width = run.data.image_size
    return f"{width}x{height}"
