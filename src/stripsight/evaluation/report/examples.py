"""Which wrong verdicts to show: the surest of each class first, look-alikes only once."""

from dataclasses import dataclass

import numpy as np

from stripsight.decision.policy import CLEAN, DEFECT
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.slices.fault_rates import Fault


@dataclass(frozen=True)
class Example:
    """One image and one class on it that was called wrongly.

    Attributes:
        row: of the image in the predictions.
        column: of the class.
        probability: calibrated.
        threshold: that it was compared with.
    """

    row: int
    column: int
    probability: float
    threshold: float


def choose_examples(evaluation: Evaluation, fault: Fault, most: int) -> tuple[Example, ...]:
    """At most `most` faults of one kind: the worst of each class, then each one's second, ...

    The worst escape is the one whose probability is lowest, the worst overkill the one whose is
    highest.
    """
    labels, codes = evaluation.predictions.labels == 1, evaluation.codes
    wrong = labels & (codes == CLEAN) if fault == "escape" else ~labels & (codes == DEFECT)
    ranked = []
    for column in range(wrong.shape[1]):
        rows = np.flatnonzero(wrong[:, column])
        scores = evaluation.predictions.logits[rows, column]
        rows = rows[np.argsort(scores if fault == "escape" else -scores, kind="stable")]
        _, first = np.unique(evaluation.groups[rows], return_index=True)
        ranked += [(place, column, int(row)) for place, row in enumerate(rows[np.sort(first)])]
    return tuple(
        _describe(evaluation, row, column, fault) for _, column, row in sorted(ranked)[:most]
    )


def _describe(evaluation: Evaluation, row: int, column: int, fault: Fault) -> Example:
    thresholds = evaluation.fitted.decisions.policy.classes[column]
    compared = thresholds.clean_below if fault == "escape" else thresholds.defect_from
    assert compared is not None, "an undecided class is called nothing"
    return Example(row, column, float(evaluation.probabilities[row, column]), compared)
