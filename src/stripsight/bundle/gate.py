"""Whether a variant of a network may stand for it: judged on the whole validation part.

A variant passes where, against the trained network in fp32 by PyTorch,

- each class keeps 99 % of its recall and of its F1 at the bundle's own thresholds, and
- no calibrated probability is further off than `LARGEST_DISTANCE` says.

REVIEW is not called, as in every figure of StripSight: it costs recall and F1. A class without
positives in validation has neither, and a class that the network itself never finds has nothing to
lose: the probabilities alone hold them. The first is said in the figures as null.

fp32 is the same arithmetic in another order, so it is held against the logits themselves; there the
distance of probabilities is no criterion, for a steep calibration makes much of a last bit.

Numpy alone, so that thresholds can be changed, and the gate be asked again, beside the line.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.bundle.folder import Bundle
from stripsight.bundle.manifest import Manifest, Precision, Variant
from stripsight.bundle.validation import Validation, read_validation
from stripsight.decision.document import Decisions
from stripsight.decision.policy import DEFECT, Codes, decide, judge_images
from stripsight.errors import BundleError

LEAST_SHARE = 0.99
"""Of the recall and of the F1 of each class."""

LARGEST_DISTANCE: dict[Precision, float] = {"fp32": 1.0, "bf16": 0.05, "int8": 0.1}
"""Of a calibrated probability: bf16 may be off by half a tenth, int8, which has half its bits, by a
whole one. fp32 is bound by its logits alone."""

LARGEST_LOGIT_DISTANCE = 1e-3
"""Of an fp32 logit, as a share of 1 or of its size where that is more."""


@dataclass(frozen=True, slots=True)
class ClassQuality:
    """One class of one variant.

    Attributes:
        name: of the class.
        positives: in validation.
        recall: at the bundle's threshold; None without positives or threshold.
        f1: likewise.
        reference_recall: of the network itself.
        reference_f1: likewise.
        recall_share: `recall` as a share of the reference's; 1 where that is 0.
        f1_share: likewise.
        largest_distance: of a calibrated probability.
    """

    name: str
    positives: int
    recall: float | None
    f1: float | None
    reference_recall: float | None
    reference_f1: float | None
    recall_share: float | None
    f1_share: float | None
    largest_distance: float | None


def judge_variant(
    decisions: Decisions, validation: Validation, name: str, precision: Precision
) -> dict[str, Any]:
    """Put a variant through the gate.

    Args:
        decisions: calibration and thresholds of the bundle.
        validation: labels and logits of N images.
        name: of the variant.
        precision: of its arithmetic.

    Returns:
        Plain JSON for `Variant.gate`: `passed`, `reasons` (why not, one a fault), `images`,
        `classes` (see `ClassQuality`), `largest_probability_distance` and
        `mean_probability_distance`, `largest_logit_distance`, `changed_verdicts` (images) and
        `rule`, the limits that were set.
    """
    logits = validation.logits[name]
    rule: dict[str, float] = {"least_share": LEAST_SHARE}
    if precision == "fp32":
        rule["largest_logit_distance"] = LARGEST_LOGIT_DISTANCE
    else:
        rule["largest_probability_distance"] = LARGEST_DISTANCE[precision]
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        reason = f"{broken:,} of {len(logits):,} images have a score that is no number"
        return {"passed": False, "reasons": [reason], "images": len(logits), "rule": rule}
    expected = decisions.calibration.apply(validation.reference)
    found = decisions.calibration.apply(logits)
    distance = np.abs(found - expected)
    before, after = decide(decisions.policy, expected), decide(decisions.policy, found)
    classes = _compare_classes(decisions, validation.labels, before, after, distance.max(axis=0))
    reasons = _find_lost_classes(classes)
    scale = np.maximum(1.0, np.abs(validation.reference))
    off = float((np.abs(logits - validation.reference) / scale).max())
    if precision == "fp32" and off > LARGEST_LOGIT_DISTANCE:
        reasons.append(f"a logit is {off:.2g} off, more than {LARGEST_LOGIT_DISTANCE:g}")
    if distance.max() > LARGEST_DISTANCE[precision]:
        reasons.append(
            f"a probability is {distance.max():.3f} off, more than {LARGEST_DISTANCE[precision]:g}"
        )
    return {
        "passed": not reasons,
        "reasons": reasons,
        "images": len(logits),
        "classes": [asdict(row) for row in classes],
        "largest_probability_distance": float(distance.max()),
        "mean_probability_distance": float(distance.mean()),
        "largest_logit_distance": off,
        "changed_verdicts": int((judge_images(before) != judge_images(after)).sum()),
        "rule": rule,
    }


def choose_variant(variants: tuple[Variant, ...]) -> tuple[str, str]:
    """The fastest variant that passes, by the median time of single images, and why in words.

    Raises:
        BundleError: none passes.
    """
    passed = sorted((v for v in variants if v.passed), key=lambda v: v.speed["latency_ms"])
    failed = [f"{v.name} does not pass: {v.gate['reasons'][0]}" for v in variants if not v.passed]
    if not passed:
        raise BundleError(f"no variant passes the gate: {'; '.join(failed)}")
    chosen, *others = passed
    times = ", ".join(f"{v.name} {v.speed['latency_ms']:.1f} ms" for v in others)
    against = f", against {times}" if times else ""
    alone = "the only variant that passes" if not others else "the fastest variant that passes"
    sentence = f"{chosen.name} is {alone}: {chosen.speed['latency_ms']:.1f} ms an image{against}"
    return chosen.name, "; ".join([sentence, *failed])


def regate(bundle: Bundle, decisions: Decisions) -> Manifest:
    """The manifest of a bundle under other decisions: all variants judged and chosen from again.

    Raises:
        BundleError: no stored validation logits, other classes, or no variant passes any more.
    """
    manifest = bundle.manifest
    if decisions.class_names != manifest.classes.names:
        raise BundleError(
            f"decisions on the classes {', '.join(decisions.class_names)}; the bundle knows"
            f" {', '.join(manifest.classes.names)}"
        )
    validation = read_validation(bundle)
    variants = tuple(
        replace(v, gate=judge_variant(decisions, validation, v.name, v.precision))
        for v in manifest.variants
    )
    chosen, why = choose_variant(variants)
    return replace(manifest, decisions=decisions, variants=variants, chosen=chosen, why_chosen=why)


def _compare_classes(
    decisions: Decisions,
    labels: npt.NDArray[np.uint8],
    before: Codes,
    after: Codes,
    distances: npt.NDArray[np.float64],
) -> list[ClassQuality]:
    rows = []
    for column, name in enumerate(decisions.class_names):
        truth = labels[:, column] == 1
        decided = decisions.policy.classes[column].decided
        figures: list[tuple[float | None, float | None]] = [
            _compute_quality(codes[:, column] == DEFECT, truth) if decided else (None, None)
            for codes in (before, after)
        ]
        (old_recall, old_f1), (recall, f1) = figures
        rows.append(
            ClassQuality(
                name=name,
                positives=int(truth.sum()),
                recall=recall,
                f1=f1,
                reference_recall=old_recall,
                reference_f1=old_f1,
                recall_share=_compute_share(recall, old_recall),
                f1_share=_compute_share(f1, old_f1),
                largest_distance=float(distances[column]),
            )
        )
    return rows


def _compute_quality(
    called: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    positives = int(truth.sum())
    if positives == 0:
        return None, None
    hits = int((called & truth).sum())
    return hits / positives, 2 * hits / (int(called.sum()) + positives)


def _compute_share(figure: float | None, reference: float | None) -> float | None:
    if figure is None or reference is None:
        return None
    return 1.0 if reference == 0 else figure / reference


def _find_lost_classes(classes: list[ClassQuality]) -> list[str]:
    reasons = []
    for row in classes:
        for what, share, figure, old in (
            ("recall", row.recall_share, row.recall, row.reference_recall),
            ("F1", row.f1_share, row.f1, row.reference_f1),
        ):
            if share is not None and share < LEAST_SHARE:
                reasons.append(f"{what} of {row.name} falls from {old:.3f} to {figure:.3f}")
    return reasons
