"""One finished strip: steel, marks, defects, and the mask of each defect.

Image `index` depends on the seed, the index and its label set; its steel and marks not even on the
label set, so the same strip with and without a defect can be laid over each other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.data.demo.defects import Zone, paint_defect
from stripsight.data.demo.fields import make_generator
from stripsight.data.demo.marks import mark_surface
from stripsight.data.demo.plan import LabelSet
from stripsight.data.demo.steel import expose, roll_frame
from stripsight.imaging import GreyImage

_ZONE_STREAM, _DEFECT_STREAM = 4, 5
_MARGIN = 12


@dataclass(frozen=True)
class Strip:
    """Pixels, uint8 `[H, W]`, and by class id the mask, bool `[H, W]`, of the defect's pixels."""

    pixels: GreyImage
    masks: dict[int, npt.NDArray[np.bool_]]


def paint_strip(seed: int, index: int, labels: LabelSet) -> Strip:
    """Paint image `index` with the defects of `labels`."""
    frame = roll_frame(seed, index)
    albedo = mark_surface(frame.albedo, seed, index)
    zones = _share_out(frame.left + _MARGIN, frame.right - _MARGIN, labels, seed, index)
    masks = {
        class_id: paint_defect(
            albedo, class_id, zone, make_generator(seed, _DEFECT_STREAM, index, class_id)
        )
        for class_id, zone in zones.items()
    }
    return Strip(expose(frame, albedo), masks)


def _share_out(left: int, right: int, labels: LabelSet, seed: int, index: int) -> dict[int, Zone]:
    """Columns for each class side by side, so that no defect hides another."""
    rng = make_generator(seed, _ZONE_STREAM, index)
    order = [int(c) for c in rng.permutation(sorted(labels))]
    parts = rng.uniform(0.8, 1.2, len(order))
    cuts = left + np.concatenate([[0.0], np.cumsum(parts) / max(parts.sum(), 1)]) * (right - left)
    bounds = [int(cut) for cut in cuts]
    return {c: Zone(a, b) for c, a, b in zip(order, bounds, bounds[1:], strict=False)}
