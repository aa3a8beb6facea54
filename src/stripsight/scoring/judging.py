"""From what a network says of an image to the row of its verdict."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from stripsight.bundle.manifest import Manifest
from stripsight.decision.calibration import Calibration
from stripsight.decision.places import find_boxes, upsample_map
from stripsight.decision.policy import REVIEW, Policy, decide, judge_images
from stripsight.scoring.engine import EngineInfo, Output
from stripsight.scoring.intake import Refused, Taken
from stripsight.scoring.rows import UNDECIDED, VERDICTS, ClassScore, Origin, Place, Row


@dataclass(frozen=True)
class Judge:
    """Applies the decision rule of one bundle.

    Attributes:
        names: of the classes.
        calibration: logits to probabilities.
        policy: probabilities to decisions.
        origin: what the rows say they were made by.
        levels: heat from which on a piece gets a box, one a class.
    """

    names: tuple[str, ...]
    calibration: Calibration
    policy: Policy
    origin: Origin
    levels: tuple[float, ...]

    @classmethod
    def of(cls, manifest: Manifest, info: EngineInfo, level: float | None = None) -> "Judge":
        """The judge of a bundle that runs as `info` says; `level` is for every class, if given."""
        levels = manifest.find_box_levels()
        if level is not None:
            levels = (level,) * len(levels)
        return cls(
            manifest.classes.names,
            manifest.decisions.calibration,
            manifest.decisions.policy,
            Origin(manifest.bundle_id, info.variant, info.precision, info.engine),
            levels,
        )

    def judge(self, id_: str, taken: Taken, output: Output) -> Row:
        """The row of an image that was scored.

        Args:
            id_: of the input.
            taken: the image.
            output: logits `[1, C]` and class maps `[1, C, h, w]`.
        """
        probabilities = self.calibration.apply(output.logits)
        codes = decide(self.policy, probabilities)
        sound = np.isfinite(probabilities[0])
        broken = [name for name, fine in zip(self.names, sound, strict=True) if not fine]
        return Row(
            id=id_,
            verdict=VERDICTS[judge_images(codes)[0]],
            reason=f"score not finite: {', '.join(broken)}" if broken else None,
            suspect=taken.suspect,
            classes=tuple(
                ClassScore(
                    name,
                    float(probability) if fine else None,
                    VERDICTS[code] if code >= 0 else UNDECIDED,
                )
                for name, probability, fine, code in zip(
                    self.names, probabilities[0], sound, codes[0], strict=True
                )
            ),
            places=tuple(
                place
                for column in np.flatnonzero(codes[0] >= REVIEW)
                for place in find_places(
                    self.names[column],
                    output.class_maps[0, column],
                    (taken.stored.shape[0], taken.stored.shape[1]),
                    self.levels[column],
                )
            ),
            origin=self.origin,
            scored_at=_tell_time(),
        )

    def refuse(self, id_: str, refused: Refused) -> Row:
        """The row of an image that could not be scored: for review, never clean."""
        return Row(id_, VERDICTS[REVIEW], refused.reason, None, (), (), self.origin, _tell_time())


def find_places(
    name: str, class_map: npt.NDArray[np.floating], size: tuple[int, int], level: float
) -> tuple[Place, ...]:
    """Boxes of one class.

    Args:
        name: of the class.
        class_map: logits `[h, w]`.
        size: (H, W) of the image in pixels.
        level: of the heatmap, above 0 and below 1.
    """
    # On logits: the logistic function keeps their order, and costs more than all the rest.
    boxes = find_boxes(upsample_map(class_map, size), math.log(level / (1 - level)))
    return tuple(
        Place(
            name,
            box.left,
            box.top,
            box.right,
            box.bottom,
            box.area,
            round(0.5 + 0.5 * math.tanh(0.5 * box.score), 4),
        )
        for box in boxes
    )


def _tell_time() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
