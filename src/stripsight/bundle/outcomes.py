"""What a bundle's own thresholds come to on the validation images whose scores it carries.

They were fitted there, or set by somebody who looked there, so new steel will do worse: this shows
what a change of thresholds does, and is no judgement. That is the model card's. Numpy alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.bundle.folder import Bundle
from stripsight.bundle.validation import Validation, read_validation
from stripsight.decision.document import Decisions, apply_decisions
from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, Codes, judge_images

WHOLE_IMAGES = "whole images"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one class, or of whole images.

    Attributes:
        name: of the class; `WHOLE_IMAGES`.
        positives: images with the defect.
        negatives: images without.
        found: positives called defect.
        escapes: positives called clean.
        overkills: negatives called defect.
        reviews: images that a person gets for it: none where another class makes them defective.
    """

    name: str
    positives: int
    negatives: int
    found: int
    escapes: int
    overkills: int
    reviews: int

    @property
    def recall(self) -> float | None:
        """Of the positives, called defect; None where there are none."""
        return self.found / self.positives if self.positives else None


def count_validation(bundle: Bundle) -> tuple[Outcome | None, ...]:
    """Every class in column order, None where it is undecided, and last the whole images.

    Of the chosen variant, at the thresholds that the manifest has now.

    Raises:
        BundleError: see `read_validation`.
    """
    manifest = bundle.manifest
    return count_outcomes(manifest.decisions, read_validation(bundle), manifest.chosen)


def count_outcomes(
    decisions: Decisions, validation: Validation, variant: str
) -> tuple[Outcome | None, ...]:
    """The same of a variant under any decisions."""
    codes = apply_decisions(decisions, validation.logits[variant])
    truth = validation.labels == 1
    verdicts = judge_images(codes)
    classes = [
        None
        if (codes[:, column] == UNDECIDED).all()
        else _count(name, codes[:, column], truth[:, column], verdicts)
        for column, name in enumerate(decisions.class_names)
    ]
    return (*classes, _count(WHOLE_IMAGES, verdicts, truth.any(axis=1), verdicts))


def _count(name: str, codes: Codes, truth: npt.NDArray[np.bool_], verdicts: Codes) -> Outcome:
    return Outcome(
        name=name,
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        found=int((truth & (codes == DEFECT)).sum()),
        escapes=int((truth & (codes == CLEAN)).sum()),
        overkills=int((~truth & (codes == DEFECT)).sum()),
        reviews=int(((codes == REVIEW) & (verdicts == REVIEW)).sum()),
    )
