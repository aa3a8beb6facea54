"""Another policy for a run that is trained and evaluated: no network runs, nothing is retrained.

Fitted on the stored validation predictions alone. Those of test are not even opened: thresholds
chosen with them would make every later figure of test worthless.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.choice import take_split
from stripsight.decision.document import Decisions, save_decisions
from stripsight.errors import DecisionError, EvaluationError, UsageError
from stripsight.evaluation.fitting import FILE_NAME, Choice, FittedDecisions, fit_decisions
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.judged_files import find_stale_files
from stripsight.evaluation.policies.settings import complete_settings
from stripsight.evaluation.policies.what_if import Scenario, compute_what_if
from stripsight.evaluation.predictions import Predictions
from stripsight.evaluation.stored_predictions import load_stored_predictions
from stripsight.training.lock import lock_run
from stripsight.training.provenance import read_provenance


@dataclass(frozen=True)
class Refit:
    """What `decide` did.

    Attributes:
        fitted: the new rule, as it was stored.
        scenarios: outcomes on validation at its settings and at nearby ones.
        images: of validation.
        groups: of look-alikes that they form.
        stale: files of the run whose figures are of another rule.
    """

    fitted: FittedDecisions
    scenarios: tuple[Scenario, ...]
    images: int
    groups: int
    stale: tuple[str, ...]

    @property
    def decisions(self) -> Decisions:
        """The rule itself."""
        return self.fitted.decisions

    @property
    def warnings(self) -> tuple[str, ...]:
        """What nobody should overlook: promises not kept, classes undecided."""
        undecided = [
            f"{name}: no positive in validation, so no threshold: it takes no part in any verdict"
            for name, thresholds in zip(
                self.decisions.class_names, self.decisions.policy.classes, strict=True
            )
            if not thresholds.decided
        ]
        return (
            *(f"not promised: {promise.words}" for promise in self.fitted.policy.unmet),
            *undecided,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        decisions = self.decisions
        return {
            "part": "validation",
            "images": self.images,
            "groups": self.groups,
            "policy": decisions.policy.name,
            "settings": decisions.policy.settings,
            "classes": [
                {
                    "name": name,
                    "positives": positives,
                    "clean_below": thresholds.clean_below,
                    "defect_from": thresholds.defect_from,
                    "calibration": calibration.kind,
                }
                for name, positives, thresholds, calibration in zip(
                    decisions.class_names,
                    decisions.positives,
                    decisions.policy.classes,
                    decisions.calibration.classes,
                    strict=True,
                )
            ],
            "promises": list(decisions.promises),
            "what_if": [scenario.to_json() for scenario in self.scenarios],
            "warnings": list(self.warnings),
            "stale": list(self.stale),
        }


def refit_run(run: Path, choice: Choice) -> Refit:
    """Fit `choice` on the stored validation predictions of `run` and write its `decisions.json`.

    Raises:
        UsageError: settings that the policy does not take, or that do not fit the classes.
        TrainingError: no run folder, or another command is at work in it.
        CheckpointError: no best checkpoint, or a damaged one.
        EvaluationError: no predictions, or ones that are not of this run as it stands.
        DataError: its data set is gone or damaged.
        DecisionError: see `fit_policy`; the stored rule stays as it is.
    """
    read_provenance(run)  # a folder that is no run is not locked
    with lock_run(run, "decide"):
        return _refit(run, choice)


def _refit(run: Path, choice: Choice) -> Refit:
    validation, dataset = load_validation(run)
    try:
        complete_settings(choice.name, choice.settings, validation.class_names)
    except DecisionError as error:
        raise UsageError(str(error)) from error
    groups = find_groups(dataset, validation.ids)
    fitted = fit_decisions(validation, groups, choice)
    scenarios = compute_what_if(
        fitted.decisions.policy,
        fitted.probabilities,
        validation.labels,
        groups,
        validation.class_names,
    )
    save_decisions(fitted.decisions, run / FILE_NAME)
    return Refit(
        fitted=fitted,
        scenarios=scenarios,
        images=len(validation.ids),
        groups=len(np.unique(groups)),
        stale=find_stale_files(run, fitted.decisions),
    )


def load_validation(run: Path) -> tuple[Predictions, PreparedDataset]:
    """The stored validation predictions of a run, checked to be its own, and its data set.

    Raises:
        StripSightError: see `refit_run`.
    """
    stored = load_stored_predictions(run, "validation")
    data, ids = stored.config.data, stored.predictions.ids
    split = take_split(
        stored.dataset, data.split, fractions=data.fractions, seed=data.split_seed, leaks="warn"
    )
    inside = set(split.ids("validation"))
    strange = next((image_id for image_id in ids if image_id not in inside), None)
    if strange is not None:
        raise EvaluationError(
            f"{run / 'predictions_validation.parquet'}: image {strange!r} is not of the validation"
            f" part: run `stripsight evaluate {run}` again"
        )
    return stored.predictions, stored.dataset
