"""Another policy for a run that is trained and evaluated: no network runs, nothing is retrained.

Fitted on the stored validation predictions alone. Those of test are not even opened: thresholds
chosen with them would make every later figure of test worthless.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stripsight.config.compose import load_config
from stripsight.config.schema import Config
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.splits.choice import take_split
from stripsight.decision.document import Decisions, save_decisions
from stripsight.errors import DecisionError, EvaluationError, UsageError
from stripsight.evaluation.fitting import FILE_NAME, Choice, FittedDecisions, fit_decisions
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.policies.settings import complete_settings
from stripsight.evaluation.policies.what_if import Scenario, compute_what_if
from stripsight.evaluation.predictions import Predictions, load_predictions
from stripsight.evaluation.stored_predictions import (
    find_fault_of_labels,
    find_fault_of_rows,
    find_missing_images,
)
from stripsight.training.checkpoint import hash_checkpoint, read_description
from stripsight.training.provenance import read_provenance

_JUDGED = ("metrics*.json", "report*.html", "MODEL_CARD.md")
"""What `evaluate` writes of the rule that it judged by."""


@dataclass(frozen=True)
class Refit:
    """What `decide` did.

    Attributes:
        fitted: the new rule, as it was stored.
        scenarios: outcomes on validation at its settings and at nearby ones.
        images: of validation.
        groups: of look-alikes that they form.
        stale: files of the run whose figures are of the rule before.
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
        TrainingError: no run folder.
        CheckpointError: no best checkpoint, or a damaged one.
        EvaluationError: no predictions, or ones that are not of this run as it stands.
        DataError: its data set is gone or damaged.
        DecisionError: see `fit_policy`; the stored rule stays as it is.
    """
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
        stale=tuple(sorted(path.name for pattern in _JUDGED for path in run.glob(pattern))),
    )


def load_validation(run: Path) -> tuple[Predictions, PreparedDataset]:
    """The stored validation predictions of a run, checked to be its own, and its data set.

    Raises:
        StripSightError: see `refit_run`.
    """
    record = read_provenance(run)
    path = run / "predictions_validation.parquet"
    if not path.exists():
        raise EvaluationError(f"{run} has no {path.name}: run `stripsight evaluate {run}` first")
    predictions = load_predictions(path)
    checkpoint = run / "checkpoints" / "best.ckpt"
    description = read_description(checkpoint, run_id=record["run_id"])
    expected = {
        "part": "validation",
        "data_set": record["data_set"]["content_hash"],
        "split": record["split"]["hash"],
        "checkpoint": hash_checkpoint(checkpoint),
    }
    names = tuple(str(row["name"]) for row in description["classes"])
    config = load_config(run / "config.yaml")
    dataset = load_prepared(config.data.root)
    if fault := (
        _find_fault_of_source(predictions, expected)
        or find_fault_of_rows(predictions, names)
        or find_fault_of_labels(predictions, dataset, expected["data_set"])
        or _find_fault_of_part(predictions, dataset, config, record)
    ):
        raise EvaluationError(f"{path}: {fault}: run `stripsight evaluate {run}` again")
    return predictions, dataset


def _find_fault_of_source(predictions: Predictions, expected: dict[str, str]) -> str | None:
    source: object = predictions.source  # plain JSON, of any kind in a file that was tampered with
    if not isinstance(source, dict):
        return "it does not say what its predictions are of"
    for key, value in expected.items():
        if source.get(key) != value:
            if key == "part":
                return f"predictions of the part {source.get(key)!r}, not of validation"
            return f"made with another {key.replace('_', ' ')} than the run has now"
    return None


def _find_fault_of_part(
    predictions: Predictions, dataset: PreparedDataset, config: Config, record: dict[str, Any]
) -> str | None:
    data = config.data
    split = take_split(
        dataset, data.split, fractions=data.fractions, seed=data.split_seed, leaks="warn"
    )
    inside = set(split.ids("validation"))
    strange = next((name for name in predictions.ids if name not in inside), None)
    if strange is not None:
        return f"image {strange!r} is not of the validation part"
    return find_missing_images(predictions, record, "validation")
