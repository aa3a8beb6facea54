"""Precision, recall and F1 against the threshold, with what was chosen on them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import INK, STEEL
from stripsight.reporting.curves import Curve, Reference, Span, draw_curves
from stripsight.reporting.frame import Axis
from stripsight.reporting.quantities import format_number, format_share

FloatArray = npt.NDArray[np.floating]

_PRECISION, _RECALL = "#b8620a", STEEL


@dataclass(frozen=True)
class ThresholdScan:
    """What one class's figures would be at every threshold.

    Attributes:
        thresholds: float `[K]`, rising, on the scale of probabilities.
        precision: float `[K]`; NaN where nothing is called a defect.
        recall: float `[K]`.
        f1: float `[K]`.
        clean_below: images below are called clean, or None where nothing was chosen.
        defect_from: images from here on are called defects; between the two they are reviewed.
        data: what the figures were counted on: `validation`.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    clean_below: float | None = None
    defect_from: float | None = None
    data: str = ""


def draw_thresholds(scan: ThresholdScan) -> Plot:
    """Three curves, rings at the threshold from which an image is called a defect, review shaded.

    The curves' values are those at that threshold.
    """
    chosen = scan.defect_from
    curves = [
        _build_curve(label, values, color, scan)
        for label, values, color in (
            ("precision", scan.precision, _PRECISION),
            ("recall", scan.recall, _RECALL),
            ("F1", scan.f1, INK),
        )
    ]
    references, spans = [], []
    if chosen is not None:
        label = f"defect from {format_number(chosen)}"
        references.append(Reference(label, (chosen, 0), (chosen, 1)))
        if scan.clean_below is not None and scan.clean_below < chosen:
            label = f"review from {format_number(scan.clean_below)}"
            spans.append(Span(label, scan.clean_below, chosen))
    title = f"share, counted on {scan.data}" if scan.data else "share"
    return draw_curves(
        curves,
        Axis("threshold on the calibrated probability", (0, 1)),
        Axis(title, (0, 1), "share"),
        references=references,
        spans=spans,
    )


def _build_curve(label: str, values: FloatArray, color: str, scan: ThresholdScan) -> Curve:
    if scan.defect_from is None:
        return Curve(label, scan.thresholds, values, color)
    at = float(np.interp(scan.defect_from, scan.thresholds, values))
    if not np.isfinite(at):
        return Curve(label, scan.thresholds, values, color)
    point = (scan.defect_from, at)
    return Curve(
        label,
        scan.thresholds,
        values,
        color,
        f"{format_share(at)} at {format_number(scan.defect_from)}",
        point=point,
    )
