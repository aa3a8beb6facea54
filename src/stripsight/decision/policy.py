"""The decision policy of a run: two thresholds a class, and the verdict that follows.

    probability   0 ........ clean_below ........ defect_from ........ 1
    decision        CLEAN                REVIEW               DEFECT

How the thresholds are fitted is the lab's business (`evaluation/policies/`); how logits become the
probabilities they are compared with is `calibration.py`'s.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.errors import DecisionError

CLEAN, REVIEW, DEFECT = 0, 1, 2
"""Decision codes: the higher, the more there is to do."""

UNDECIDED = -1
"""Code of a class without thresholds."""

NEVER = math.nextafter(1.0, 2.0)
"""The threshold that no probability reaches."""

Codes = npt.NDArray[np.int8]
"""Decision codes, `[N, C]` of classes or `[N]` of images."""


@dataclass(frozen=True, slots=True)
class ClassPolicy:
    """Thresholds of one class, on calibrated probabilities.

    Attributes:
        clean_below: a lower probability is CLEAN.
        defect_from: this probability or a higher one is DEFECT; what lies between is REVIEW. Equal
            to `clean_below` where there is no review band. Both None: the class is undecided.

    Raises:
        DecisionError: only one is None; not in 0 <= clean_below <= defect_from <= `NEVER`.
    """

    clean_below: float | None
    defect_from: float | None

    def __post_init__(self) -> None:
        low, high = self.clean_below, self.defect_from
        if low is None and high is None:
            return
        if low is None or high is None or not 0 <= low <= high <= NEVER:
            raise DecisionError(
                f"thresholds clean_below={low}, defect_from={high} are none: both null, or"
                " 0 <= clean_below <= defect_from <= 1"
            )

    @classmethod
    def at(cls, threshold: float | None) -> "ClassPolicy":
        """Without a review band."""
        return cls(threshold, threshold)

    @property
    def decided(self) -> bool:
        """Whether the class has thresholds."""
        return self.defect_from is not None


@dataclass(frozen=True)
class Policy:
    """Thresholds of all classes, and how they came about.

    Attributes:
        name: of the kind of policy, such as `max_f1`.
        settings: what it was asked for, as plain JSON.
        classes: in column order.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    classes: tuple[ClassPolicy, ...] = ()

    @property
    def decided(self) -> npt.NDArray[np.bool_]:
        """bool `[C]`: which classes have thresholds."""
        return np.array([c.decided for c in self.classes], dtype=bool)


def decide(policy: Policy, probabilities: npt.NDArray[np.floating]) -> Codes:
    """Decision codes of every image and class.

    Args:
        policy: of C classes.
        probabilities: calibrated, `[N, C]`. One that is not finite, or not in [0, 1], is REVIEW in
            any class, undecided ones too: such a score is a fault, never a clean strip.

    Returns:
        int8 `[N, C]`.

    Raises:
        DecisionError: probabilities of another number of classes.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != len(policy.classes):
        raise DecisionError(
            f"probabilities of the shape {list(probabilities.shape)} do not fit a policy of"
            f" {len(policy.classes)} classes"
        )
    # As float64: numpy would round a threshold to the type of what it is compared with.
    probabilities = probabilities.astype(np.float64)
    sound = (probabilities >= 0) & (probabilities <= 1)
    codes = np.full(probabilities.shape, REVIEW, dtype=np.int8)
    for column, thresholds in enumerate(policy.classes):
        values = probabilities[:, column]
        if thresholds.clean_below is None or thresholds.defect_from is None:
            codes[sound[:, column], column] = UNDECIDED
            continue
        codes[sound[:, column] & (values < thresholds.clean_below), column] = CLEAN
        codes[sound[:, column] & (values >= thresholds.defect_from), column] = DEFECT
    return codes


def judge_images(codes: Codes) -> Codes:
    """The verdict on each image: DEFECT if any class is, else REVIEW if any is, else CLEAN.

    Undecided classes take no part; an image of which nothing was decided is REVIEW.

    Args:
        codes: int8 `[N, C]`.

    Returns:
        int8 `[N]` of CLEAN, REVIEW and DEFECT.
    """
    if codes.shape[1] == 0:
        return np.full(len(codes), REVIEW, dtype=np.int8)
    highest = codes.max(axis=1)  # the codes are ordered by what must be done
    return np.where(highest == UNDECIDED, np.int8(REVIEW), highest)
