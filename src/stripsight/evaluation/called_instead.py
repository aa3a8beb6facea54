"""What was said of the images on which a class escaped: another class, or nothing at all.

A label is one class on one image. When it escapes, the image may still be called defective for
another class: then somebody stops the steel, if for the wrong reason. Or nothing is called, and the
image goes out as clean: only then does the image escape.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, Codes, judge_images
from stripsight.evaluation.metrics import Labels


@dataclass(frozen=True)
class CalledInstead:
    """The images on which one class escaped. An image can be under several classes.

    Attributes:
        name: of the class that escaped.
        escapes: images that show it and were called clean of it.
        wrongly: of those, by class, the images on which a class was called that is not there.
        rightly: likewise of classes that are there too.
        review: images on which nothing was called, but another class made a review of it.
        nothing: images that were called clean as a whole: they escape.
    """

    name: str
    escapes: int
    wrongly: Mapping[str, int]
    rightly: Mapping[str, int]
    review: int
    nothing: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def count_called_instead(
    codes: Codes, labels: Labels, class_names: tuple[str, ...]
) -> tuple[CalledInstead, ...]:
    """One entry for each class that escapes at all, in column order.

    Args:
        codes: int8 `[N, C]`.
        labels: `[N, C]`.
        class_names: C names.
    """
    truth, verdicts = labels == 1, judge_images(codes)
    escaped = truth & (codes == CLEAN)
    found = []
    for column, name in enumerate(class_names):
        rows = escaped[:, column]
        if not rows.any():
            continue
        called = codes[rows] == DEFECT
        found.append(
            CalledInstead(
                name=name,
                escapes=int(rows.sum()),
                wrongly=_count(called & ~truth[rows], class_names),
                rightly=_count(called & truth[rows], class_names),
                review=int((verdicts[rows] == REVIEW).sum()),
                nothing=int((verdicts[rows] == CLEAN).sum()),
            )
        )
    return tuple(found)


def _count(called: npt.NDArray[np.bool_], class_names: tuple[str, ...]) -> dict[str, int]:
    """Images a class, the most first; classes without any are left out."""
    counts = zip(class_names, called.sum(axis=0).tolist(), strict=True)
    return dict(sorted((pair for pair in counts if pair[1]), key=lambda pair: -pair[1]))
