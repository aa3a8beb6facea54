"""What decisions came to: escapes, overkills and reviews, by class and by image."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, Codes, judge_images
from stripsight.evaluation.metrics import Labels


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one class, or of whole images.

    Attributes:
        positives: with the defect (of images: with any, decided or not).
        negatives: without.
        escapes: positives called clean.
        overkills: negatives called defect.
        reviews: handed to a person.
    """

    positives: int
    negatives: int
    escapes: int
    overkills: int
    reviews: int


@dataclass(frozen=True)
class Outcomes:
    """Counts of every class (None where undecided), and of the images."""

    classes: tuple[Counts | None, ...]
    images: Counts

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def count_outcomes(codes: Codes, labels: Labels) -> Outcomes:
    """Compare decision codes `[N, C]` with labels `[N, C]`."""
    truth = labels == 1
    return Outcomes(
        classes=tuple(
            None
            if len(codes) and (codes[:, column] == UNDECIDED).all()
            else _count(codes[:, column], truth[:, column])
            for column in range(codes.shape[1])
        ),
        images=_count(judge_images(codes), truth.any(axis=1)),
    )


def _count(codes: Codes, truth: npt.NDArray[np.bool_]) -> Counts:
    return Counts(
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        escapes=int((truth & (codes == CLEAN)).sum()),
        overkills=int((~truth & (codes == DEFECT)).sum()),
        reviews=int((codes == REVIEW).sum()),
    )
