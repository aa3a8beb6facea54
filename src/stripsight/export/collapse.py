"""Classes that a run never finds: such a bundle lets every one of those defects through.

`evaluate` ends with exit code 1 over them. An export is the last look before the line, so it is
refused there, too, unless somebody says that they know.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stripsight.decision.document import Decisions, apply_decisions
from stripsight.decision.policy import CLEAN
from stripsight.documents import parse_json
from stripsight.errors import EvaluationError
from stripsight.evaluation.comparison.compared_runs import ComparedRun
from stripsight.evaluation.judged_files import is_judged
from stripsight.evaluation.predictions import Predictions

_METRICS = "metrics.json"


def read_collapse(run: ComparedRun) -> tuple[str, ...]:
    """What `evaluate` has found on test, a sentence a class.

    Raises:
        EvaluationError: the run was not judged on test by the rule that it has now.
    """
    again = f"run `stripsight evaluate {run.path}`"
    path = run.path / _METRICS
    if not is_judged(run.path, "test", run.decisions):
        raise EvaluationError(f"{run.path} was not judged on test (no {_METRICS} of it): {again}")
    try:
        metrics = parse_json(path.read_bytes())
        positives = {row["name"]: int(row["positives"]) for row in metrics["classes"]}
        lost = [(name, "found") for name in metrics["collapsed"]]
        lost += [(name, "called, for it has no threshold") for name in metrics["uncalled"]]
        return tuple(
            f"{name} is never {what}: {positives[name]:,} test images show it"
            f" ({run.path.resolve().name})"
            for name, what in lost
        )
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise EvaluationError(f"{path} cannot be read ({error}): {again}") from error


def find_collapse(validation: Predictions, decisions: Decisions) -> tuple[str, ...]:
    """Classes whose every positive of validation is called clean, a sentence a class."""
    codes = apply_decisions(decisions, validation.logits)
    lines = []
    for column, name in enumerate(decisions.class_names):
        said = codes[validation.labels[:, column] == 1, column]
        if len(said) and np.all(said == CLEAN):
            lines.append(f"{name} is never found: {len(said):,} validation images show it")
    return tuple(lines)


def refuse_collapse(runs: Sequence[Path], lines: Sequence[str]) -> None:
    """Stop an export that nobody said it might lose a class.

    Raises:
        EvaluationError: there are lines.
    """
    if lines:
        names = ", ".join(map(str, runs))
        raise EvaluationError(
            f"{names} is not fit for a line: {'; '.join(lines)}; train longer or with"
            " loss.pos_weight=auto, choose other thresholds with `stripsight decide`, or"
            " --allow-collapse exports it as it is, and the bundle says so"
        )
