"""The decision rule of a run, fitted on its validation predictions: calibration, then policy.

`evaluate` and `decide` both come here, so the same predictions and the same choice give the same
rule. What a run was asked to decide by is kept in its `decisions.json`: `evaluate` fits that policy
again, with its settings, until `decide` names another. A run without one gets `max_f1`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.decision.document import Decisions, FittedOn, load_decisions
from stripsight.decision.policy import Policy
from stripsight.errors import DecisionError
from stripsight.evaluation.calibration.choice import FittedCalibration, fit_calibration
from stripsight.evaluation.groups import Groups
from stripsight.evaluation.policies.fitting import FittedPolicy, fit_policy
from stripsight.evaluation.policies.settings import complete_settings
from stripsight.evaluation.predictions import Predictions

FILE_NAME = "decisions.json"


@dataclass(frozen=True)
class Choice:
    """Which policy a run decides by, and its settings; see `policies.settings`."""

    name: str = "max_f1"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedDecisions:
    """A decision rule and how it came about.

    Attributes:
        decisions: what is stored and applied.
        calibration: with the candidates of each class.
        policy: with what it promises.
        probabilities: calibrated, of the validation images, float64 `[N, C]`.
    """

    decisions: Decisions
    calibration: FittedCalibration
    policy: FittedPolicy
    probabilities: npt.NDArray[np.float64]


def fit_decisions(validation: Predictions, groups: Groups, choice: Choice) -> FittedDecisions:
    """Fit calibration and policy on validation predictions.

    Args:
        validation: N predictions whose `source` says that they are of validation.
        groups: `[N]`.
        choice: of the policy.

    Raises:
        EvaluationError: nothing can be calibrated on these predictions.
        DecisionError: predictions of another part, or see `fit_policy`.
    """
    logits, labels, names = validation.logits, validation.labels, validation.class_names
    calibration = fit_calibration(logits, labels, groups, names)
    probabilities = calibration.calibration.apply(logits)
    policy = fit_policy(choice.name, choice.settings, probabilities, labels, groups, names)
    source = validation.source
    decisions = Decisions(
        class_names=names,
        calibration=calibration.calibration,
        policy=policy.policy,
        fitted_on=FittedOn(
            part=source["part"],
            images=len(labels),
            data_set=source["data_set"],
            split=source["split"],
            checkpoint=source["checkpoint"],
        ),
        positives=tuple(int(count) for count in labels.sum(axis=0)),
        promises=tuple(promise.to_json() for promise in policy.promises),
    )
    return FittedDecisions(decisions, calibration, policy, probabilities)


def read_choice(run: Path, class_names: tuple[str, ...]) -> Choice:
    """The policy that the `decisions.json` of a run names; `max_f1` where there is none.

    Raises:
        DecisionError: the file is damaged, of other classes or of a newer StripSight.
    """
    path = run / FILE_NAME
    if not path.exists() or _is_of_first_schema(path):
        return Choice()
    try:
        policy = load_decisions(path, class_names).policy
        _check_known(policy, path, class_names)
    except DecisionError as error:
        raise DecisionError(
            f"{error}; delete it to fit max_f1, or name a policy with"
            f" `stripsight decide {run} --policy ...`"
        ) from error
    return Choice(policy.name, policy.settings)


def _check_known(policy: Policy, path: Path, class_names: tuple[str, ...]) -> None:
    # Before hours of predicting, and with the name of the file that holds it.
    try:
        complete_settings(policy.name, policy.settings, class_names)
    except DecisionError as error:
        raise DecisionError(f"{path}: {error}") from error


def _is_of_first_schema(path: Path) -> bool:
    """Whether it was written when there was no policy but `max_f1`."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.get("schema_version") == 1
