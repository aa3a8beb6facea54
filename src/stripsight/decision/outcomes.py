"""What decisions came to: escapes, overkills and reviews, by class and by image.

A class may be unsure of an image that another class makes defective. The image is then defective,
and no person is asked: such a review is overruled, and counted apart from those that cost work.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, Codes, judge_images


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one class, or of whole images.

    Attributes:
        positives: with the defect (of images: with any, decided or not).
        negatives: without.
        found: positives called defect.
        escapes: positives called clean.
        overkills: negatives called defect.
        reviews: on images that are handed to a person.
        overruled: would be reviews, but another class makes the image defective: nobody gets them.
            0 of whole images.
    """

    positives: int
    negatives: int
    found: int
    escapes: int
    overkills: int
    reviews: int
    overruled: int = 0

    @property
    def recall(self) -> float | None:
        """Of the positives, called defect; None where there are none."""
        return self.found / self.positives if self.positives else None


@dataclass(frozen=True)
class Outcomes:
    """Counts of every class (None where undecided), and of the images."""

    classes: tuple[Counts | None, ...]
    images: Counts

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def count_outcomes(codes: Codes, labels: npt.NDArray[np.uint8]) -> Outcomes:
    """Compare decision codes with labels of 0 and 1, `[N, C]` both."""
    truth = labels == 1
    verdicts = judge_images(codes)
    return Outcomes(
        classes=tuple(
            None
            if len(codes) and (codes[:, column] == UNDECIDED).all()
            else _count(codes[:, column], truth[:, column], verdicts)
            for column in range(codes.shape[1])
        ),
        images=_count(verdicts, truth.any(axis=1), verdicts),
    )


def _count(codes: Codes, truth: npt.NDArray[np.bool_], verdicts: Codes) -> Counts:
    unsure = codes == REVIEW
    return Counts(
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        found=int((truth & (codes == DEFECT)).sum()),
        escapes=int((truth & (codes == CLEAN)).sum()),
        overkills=int((~truth & (codes == DEFECT)).sum()),
        reviews=int((unsure & (verdicts == REVIEW)).sum()),
        overruled=int((unsure & (verdicts == DEFECT)).sum()),
    )
