"""The decision rule: one threshold a class, fitted on validation, applied with numpy alone.

    decisions.json    schema_version, policy, fitted_on, classes, thresholds, positives

The policy here is `max_f1`. A class without positives in the validation split has no threshold; it
is left undecided, never given a default.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stripsight.atomic import write_atomically
from stripsight.evaluation.metrics import Labels, Scores, find_max_f1_threshold

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Decisions:
    """Thresholds of a run.

    Attributes:
        class_names: in column order.
        thresholds: on probabilities, one a class; None where none could be fitted.
        positives: validation positives behind each threshold.
        policy: how they were fitted.
        fitted_on: the part they were fitted on.
    """

    class_names: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    positives: tuple[int, ...]
    policy: str = "max_f1"
    fitted_on: str = "validation"


def fit_decisions(probabilities: Scores, labels: Labels, class_names: tuple[str, ...]) -> Decisions:
    """Fit `max_f1` thresholds on validation probabilities `[N, C]` and labels `[N, C]`."""
    return Decisions(
        class_names=class_names,
        thresholds=tuple(
            find_max_f1_threshold(probabilities[:, column], labels[:, column])
            for column in range(len(class_names))
        ),
        positives=tuple(int(count) for count in labels.sum(axis=0)),
    )


def apply_decisions(decisions: Decisions, probabilities: Scores) -> npt.NDArray[np.bool_]:
    """bool `[N, C]`: probability at or above the threshold; an undecided class is all False."""
    limits = np.array([np.inf if t is None else t for t in decisions.thresholds])
    return np.asarray(probabilities >= limits)


def save_decisions(decisions: Decisions, path: Path) -> None:
    """Write `decisions.json` in one step."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "policy": decisions.policy,
        "fitted_on": decisions.fitted_on,
        "classes": list(decisions.class_names),
        "thresholds": list(decisions.thresholds),
        "positives": list(decisions.positives),
    }
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())
