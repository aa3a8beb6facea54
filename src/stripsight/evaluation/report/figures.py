"""The plots of a report, one class at a time or all classes in one frame."""

from collections.abc import Sequence

import numpy as np

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW
from stripsight.evaluation.calibration.reliability import ReliabilityBin, compute_diagram
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.localisation.places import Places
from stripsight.evaluation.operating_curves import (
    FloatArray,
    OperatingCurve,
    compute_operating_curve,
    find_point,
)
from stripsight.evaluation.policies.review_band import compute_risk_coverage
from stripsight.evaluation.report.blind_maps import MEASURE_TITLES
from stripsight.evaluation.slices.slice import Slice
from stripsight.reporting.canvas import Plot
from stripsight.reporting.colors import STEEL
from stripsight.reporting.confusion import ClassOutcome, draw_confusion
from stripsight.reporting.curves import Curve, Reference, draw_curves
from stripsight.reporting.frame import Axis
from stripsight.reporting.intervals import IntervalRow, draw_intervals
from stripsight.reporting.quantities import format_share
from stripsight.reporting.reliability import ReliabilityPoint, ScoreCounts, draw_reliability
from stripsight.reporting.thresholds import ThresholdScan, draw_thresholds

FAULT = "#b3261e"
"""Colour of what went wrong."""
_SHARE = (0.0, 1.0)
_MOST_POINTS = 400
_BARS = 20


def draw_precision_recall(evaluation: Evaluation) -> Plot:
    """Precision against recall of every class, a ring where it decides."""
    curves = []
    for column, row in enumerate(evaluation.judgement.classes):
        curve = _compute_curve(evaluation, column)
        at = _find_chosen(evaluation, column)
        figure = row.figures["average_precision"]
        # Past the last positive only overkills are added: a drop that tells nothing.
        end = max(int((curve.recall < 1).sum()), 0 if at is None else at) + 1
        curves.append(
            Curve(
                label=row.name,
                x=_thin(np.append(0.0, curve.recall[:end])),
                y=_thin(np.append(curve.precision[0], curve.precision[:end])),
                color=evaluation.opened.data.classes.color(column),
                value=f"AP {figure.value:.3f}" if figure else "no positives",
                point=None if at is None else (float(curve.recall[at]), float(curve.precision[at])),
                steps=True,
            )
        )
    return draw_curves(
        curves,
        Axis("recall", _SHARE, "share"),
        Axis("precision", _SHARE, "share"),
        point="where it decides",
    )


def draw_roc(evaluation: Evaluation) -> Plot:
    """True against false positive rate of every class, a ring where it decides."""
    curves = []
    for column, row in enumerate(evaluation.judgement.classes):
        curve = _compute_curve(evaluation, column)
        at = _find_chosen(evaluation, column)
        figure = row.figures["auroc"]
        rates = curve.false_positive_rate, curve.recall
        curves.append(
            Curve(
                label=row.name,
                x=_thin(np.append(0.0, rates[0])),
                y=_thin(np.append(0.0, rates[1])),
                color=evaluation.opened.data.classes.color(column),
                value=f"AUROC {figure.value:.3f}" if figure else "no AUROC",
                point=None if at is None else (float(rates[0][at]), float(rates[1][at])),
            )
        )
    return draw_curves(
        curves,
        Axis("images without it called", _SHARE, "share"),
        Axis("images with it found", _SHARE, "share"),
        references=[Reference("chance", (0.0, 0.0), (1.0, 1.0))],
        point="where it decides",
    )


def draw_threshold_scan(evaluation: Evaluation, column: int) -> Plot | None:
    """Precision, recall and F1 of one class on validation; None where it has no positive there."""
    validation = evaluation.validation
    labels = validation.labels[:, column]
    if not labels.any():
        return None
    scores = evaluation.fitted.probabilities[:, column]
    curve = compute_operating_curve(scores, labels)
    chosen = evaluation.judgement.classes[column].thresholds
    # With the chosen threshold among them, its ring and value are exact.
    grid = np.linspace(0, 1, _MOST_POINTS + 1)
    if chosen.defect_from is not None and chosen.defect_from <= 1:
        grid = np.union1d(grid, [chosen.defect_from])
    at = [find_point(curve, threshold) for threshold in grid]

    def read(values: FloatArray, beyond: float) -> FloatArray:
        return np.array([beyond if i is None else values[i] for i in at])

    return draw_thresholds(
        ThresholdScan(
            thresholds=grid,
            precision=read(curve.precision, np.nan),
            recall=read(curve.recall, 0.0),
            f1=read(curve.f1, 0.0),
            clean_below=chosen.clean_below,
            defect_from=chosen.defect_from,
            data="validation",
        )
    )


def draw_class_reliability(evaluation: Evaluation, column: int) -> Plot:
    """Observed against predicted of one class, before and after calibration."""
    labels = evaluation.predictions.labels[:, column]
    after = evaluation.probabilities[:, column]
    before = evaluation.predictions.probabilities[:, column]
    color = evaluation.opened.data.classes.color(column)
    edges = np.linspace(0, 1, _BARS + 1)
    is_changed = evaluation.fitted.calibration.classes[column].chosen != "none"
    return draw_reliability(
        _to_points(compute_diagram(after, labels)),
        (
            ScoreCounts("with it", np.histogram(after[labels == 1], edges)[0], color),
            ScoreCounts("without it", np.histogram(after[labels == 0], edges)[0]),
        ),
        before=_to_points(compute_diagram(before, labels)) if is_changed else (),
        color=color,
    )


def draw_outcomes(evaluation: Evaluation) -> Plot | None:
    """What every decided class's calls came to; None where none is decided."""
    outcomes = []
    for column, row in enumerate(evaluation.judgement.classes):
        if row.counts is None:
            continue
        codes = evaluation.codes[:, column]
        has = evaluation.predictions.labels[:, column] == 1
        outcomes.append(
            ClassOutcome(
                label=row.name,
                found=int((has & (codes == DEFECT)).sum()),
                missed=int((has & (codes == CLEAN)).sum()),
                cleared=int((~has & (codes == CLEAN)).sum()),
                overkill=int((~has & (codes == DEFECT)).sum()),
                review_with=int((has & (codes == REVIEW)).sum()),
                review_without=int((~has & (codes == REVIEW)).sum()),
                color=evaluation.opened.data.classes.color(column),
            )
        )
    return draw_confusion(outcomes) if outcomes else None


def draw_risk_coverage(evaluation: Evaluation) -> Plot | None:
    """Wrong verdicts among the images that no person sees; None where no verdict is wrong."""
    thresholds = tuple(c.defect_from for c in evaluation.fitted.decisions.policy.classes)
    curve = compute_risk_coverage(
        evaluation.probabilities, evaluation.predictions.labels, thresholds
    )
    if not curve.risk.any():
        return None
    reviewed = 1 - curve.coverage
    highest = float(max(curve.escapes.max(), curve.overkills.max())) * 1.1
    return draw_curves(
        [
            Curve("escapes", _thin(reviewed), _thin(curve.escapes), FAULT),
            Curve("overkills", _thin(reviewed), _thin(curve.overkills), STEEL),
        ],
        Axis("images that go to a person", _SHARE, "share"),
        Axis("wrong among the rest", (0.0, min(1.0, highest)), "share"),
    )


def draw_slices(slices: Sequence[Slice]) -> Plot:
    """The rate of the worse fault in each slice, beside the rate elsewhere."""
    rows = []
    for part in slices:
        rate = part.worst_rate
        if rate is None:
            continue
        kind = "escapes" if part.worst == "escape" else "overkills"
        rows.append(
            IntervalRow(
                label=f"{kind}: {part.name}",
                value=rate.rate,
                low=rate.low,
                high=rate.high,
                text=format_share(rate.rate),
                color=FAULT if part.is_worse else STEEL,
                reference=rate.rest_rate,
            )
        )
    return draw_intervals(
        rows,
        Axis("share of the slice's images", kind="share"),
        reference_label="elsewhere",
        apart="interval above or below it",
        not_apart="interval reaches it",
    )


def draw_place_leads(places: Places) -> Plot:
    """How far the maps are ahead of the better guess, by measure."""
    rows = [
        IntervalRow(
            label=title,
            value=found.lead,
            low=found.lead_interval.low,
            high=found.lead_interval.high,
            text=f"{found.lead:+.3f} ({found.lead_interval.low:+.3f} to"
            f" {found.lead_interval.high:+.3f})",
        )
        for name, title in MEASURE_TITLES.items()
        if (found := places.macro.get(name)) is not None
    ]
    return draw_intervals(rows, Axis("lead"), reference=0.0, reference_label="a guess")


def _compute_curve(evaluation: Evaluation, column: int) -> OperatingCurve:
    # Of the logits, as AP and AUROC: an isotonic calibration would tie scores.
    predictions = evaluation.predictions
    return compute_operating_curve(predictions.logits[:, column], predictions.labels[:, column])


def _find_chosen(evaluation: Evaluation, column: int) -> int | None:
    """Index of the point at which this class decides; None where it calls nothing."""
    called = int((evaluation.codes[:, column] == DEFECT).sum())
    if not called:
        return None
    scores = np.sort(evaluation.predictions.logits[:, column])[::-1]
    return find_point(_compute_curve(evaluation, column), float(scores[called - 1]))


def _to_points(bins: Sequence[ReliabilityBin]) -> tuple[ReliabilityPoint, ...]:
    return tuple(
        ReliabilityPoint(b.mean_probability, b.observed, b.observed_low, b.observed_high, b.images)
        for b in bins
    )


def _thin(values: FloatArray) -> FloatArray:
    """At most `_MOST_POINTS` of them, first and last included."""
    if len(values) <= _MOST_POINTS:
        return values
    thinned: FloatArray = values[np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int)]
    return thinned
