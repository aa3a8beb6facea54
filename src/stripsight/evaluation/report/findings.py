"""What a reader of a report must not overlook, the most serious first, each with what to do."""

from collections.abc import Iterator

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.words import write_share, write_share_limits
from stripsight.reporting.page import Block, Note, Notice, Notices, Section
from stripsight.reporting.quantities import format_quantity, format_share

FEW_POSITIVES = 30
"""Of fewer a class's figures say little: 27 found of 30 is a recall of 0.76 to 0.97."""
_WEAK_RECALL = 0.8
_MISCALIBRATED = 0.05
_ORDER = {"serious": 0, "look": 1, "note": 2}


def list_findings(evaluation: Evaluation) -> tuple[Notice, ...]:
    """All findings; empty where nothing stands out."""
    found = [
        *_find_collapse(evaluation),
        *_find_leaks(evaluation),
        *_find_undecided(evaluation),
        *_find_unkept_promises(evaluation),
        *_find_own_images(evaluation),
        *_find_weak_classes(evaluation),
        *_find_worst_slice(evaluation),
        *_find_miscalibration(evaluation),
        *_find_few_positives(evaluation),
    ]
    return tuple(sorted(found, key=lambda notice: _ORDER[notice.level]))


def show_findings(evaluation: Evaluation) -> Section:
    """What to act on."""
    findings = list_findings(evaluation)
    blocks: list[Block] = (
        [Notices(findings)] if findings else [Note("Nothing stands out: no finding of any kind.")]
    )
    blocks += [Note(note) for note in evaluation.judgement.notes]
    return Section("findings", "Findings", blocks, "The most serious first.")


def _find_collapse(evaluation: Evaluation) -> Iterator[Notice]:
    for row in evaluation.judgement.classes:
        if row.collapsed:
            yield Notice(
                "serious",
                f"{row.name} is never found",
                f"0 of {row.positives:,}",
                "images",
                "Every image that shows it is called clean of it. Means over the classes hide"
                " this.",
                "Train longer or with loss.pos_weight=auto, or choose other thresholds with"
                " stripsight decide.",
            )


def _find_leaks(evaluation: Evaluation) -> Iterator[Notice]:
    source, opened = evaluation.predictions.source, evaluation.opened
    if opened.leaks or source["split_by"] == "random":
        count = len(opened.leaks)
        yield Notice(
            "serious",
            "Look-alikes stand on two sides of the split",
            f"{count:,}",
            "groups" if count != 1 else "group",
            "Images that the network was trained on stand here again in slightly other form, so"
            " every figure looks better than the model is.",
            "Make a split by group with stripsight data split and train again.",
            details=tuple(str(leak) for leak in opened.leaks[:5]),
        )


def _find_undecided(evaluation: Evaluation) -> Iterator[Notice]:
    for row in evaluation.judgement.classes:
        if not row.thresholds.decided:
            yield Notice(
                "serious" if row.positives else "look",
                f"{row.name} has no threshold",
                "0",
                "validation images",
                "No image of validation shows it, so nothing could be fitted. It takes no part in"
                f" any verdict; {format_quantity(row.positives, 'image')} here show it.",
                "Add images of it, or make a split that spreads it.",
            )


def _find_unkept_promises(evaluation: Evaluation) -> Iterator[Notice]:
    for promise in evaluation.fitted.policy.unmet:
        yield Notice(
            "serious",
            f"No promise can be made for {promise.name}",
            f"{promise.groups:,}",
            "groups of positives",
            promise.words,
            f"Collect {promise.groups_needed:,} groups of positives, or ask for less.",
        )


def _find_own_images(evaluation: Evaluation) -> Iterator[Notice]:
    if evaluation.part == "validation":
        yield Notice(
            "look",
            "These are the images that everything was fitted on",
            f"{evaluation.judgement.images:,}",
            "images",
            "Best epoch, calibration and thresholds were chosen on validation, so its figures look"
            " better than they are.",
            "Judge on test: stripsight evaluate RUN.",
        )


def _find_weak_classes(evaluation: Evaluation) -> Iterator[Notice]:
    for row in evaluation.judgement.classes:
        recall = row.figures["recall"]
        if recall is None or row.counts is None or row.collapsed or recall.value >= _WEAK_RECALL:
            continue
        if row.counts.escapes / row.positives < 1 - _WEAK_RECALL:
            continue  # handed to a person, not lost
        yield Notice(
            "look",
            f"{row.name} escapes often",
            write_share(row.figures["escape_rate"]),
            "of its images",
            f"{row.counts.escapes:,} of {row.positives:,} are called clean of it (95 % interval"
            f" {write_share_limits(row.figures['escape_rate'])}).",
            "Look at its escapes below; lower its threshold with stripsight decide, or label more"
            " of it.",
        )


def _find_worst_slice(evaluation: Evaluation) -> Iterator[Notice]:
    for part in evaluation.slices[:3]:
        rate = part.worst_rate
        if not part.is_worse or rate is None:
            continue
        kind = "escapes" if part.worst == "escape" else "overkills"
        yield Notice(
            "look",
            f"More {kind}: {part.name}",
            format_share(rate.rate),
            f"against {format_share(rate.rest_rate)} elsewhere",
            f"{rate.wrong:,} of {rate.images:,} images here, {rate.rest_wrong:,} of"
            f" {rate.rest_images:,} elsewhere; worse by at least"
            f" {format_share(part.evidence or 0.0)}, all slices that were looked at counted.",
            "Look at what these images have in common; label more of them.",
        )


def _find_miscalibration(evaluation: Evaluation) -> Iterator[Notice]:
    for row, effect in zip(evaluation.judgement.classes, evaluation.calibration, strict=True):
        after = effect.after
        if after.ece is None or after.ece_by_chance is None:
            continue
        if after.ece > max(_MISCALIBRATED, 2 * after.ece_by_chance):
            yield Notice(
                "look",
                f"Probabilities of {row.name} are off",
                format_share(after.ece),
                "expected calibration error",
                f"Chance alone would give {format_share(after.ece_by_chance)} on so many images.",
                "Do not read them as frequencies; validation and this part may differ"
                " (stripsight data compare).",
            )


def _find_few_positives(evaluation: Evaluation) -> Iterator[Notice]:
    few = [r for r in evaluation.judgement.classes if 0 < r.positives < FEW_POSITIVES]
    if few:
        yield Notice(
            "note",
            "Few images to judge on",
            f"{min(r.positives for r in few):,}",
            "images of the rarest",
            f"{format_quantity(len(few), 'class has', 'classes have')} fewer than {FEW_POSITIVES}"
            f" images here ({', '.join(f'{r.name} {r.positives}' for r in few)}): their figures"
            " say little, and their intervals how little.",
            "Judge on more images before anything rests on these classes.",
        )
