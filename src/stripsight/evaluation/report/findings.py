"""What a reader of a report must not overlook, the most serious first, each with what to do."""

from collections.abc import Iterator

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.blind_maps import find_blind_maps
from stripsight.evaluation.report.blocks import write_note
from stripsight.evaluation.report.evidence import find_weak_evidence
from stripsight.evaluation.report.robustness import find_worst_corruption
from stripsight.evaluation.report.words import write_figure, write_share, write_share_limits
from stripsight.evaluation.slices.slice import describe_slice
from stripsight.reporting.page import Block, Note, Notice, Notices, Section
from stripsight.reporting.quantities import format_quantity, format_share

_MOST_ESCAPES = 0.2
_MOST_OVERKILLS = 0.2
_SURELY_BAD = 0.5
_CHANCE = 0.5  # an AUROC
_MISCALIBRATED = 0.05
_SAID_OF_A_CLASS = {
    "is never found": "never found",
    "has no threshold": "no positive in validation",
    "was not judged": "no positive among",
}
"""Titles of findings, and the judgement's notes that say the same."""
_ORDER = {"serious": 0, "look": 1, "note": 2}


def list_findings(evaluation: Evaluation) -> tuple[Notice, ...]:
    """All findings; empty where nothing stands out."""
    found = [
        *_find_collapse(evaluation),
        *_find_unkept_promises(evaluation),
        *_find_escapes(evaluation),
        *_find_overkills(evaluation),
        *_find_chance(evaluation),
        *_find_worst_slice(evaluation),
        *_find_miscalibration(evaluation),
        *find_blind_maps(evaluation),
        *find_worst_corruption(evaluation.stress),
        *find_weak_evidence(evaluation),
    ]
    return tuple(sorted(found, key=lambda notice: _ORDER[notice.level]))


def show_findings(evaluation: Evaluation) -> Section:
    """What to act on."""
    findings = list_findings(evaluation)
    blocks: list[Block] = (
        [Notices(findings)] if findings else [Note("Nothing stands out: no finding of any kind.")]
    )
    titles = {notice.title for notice in findings}
    blocks += [
        Note(write_note(evaluation, note))
        for note in evaluation.judgement.notes
        if not any(
            f"{row.name} {title}" in titles and note.startswith(f"{row.name}: {same}")
            for row in evaluation.judgement.classes
            for title, same in _SAID_OF_A_CLASS.items()
        )
    ]
    blocks += [Note(write_note(evaluation, f"{sentence}.")) for sentence in evaluation.left_out]
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


def _find_unkept_promises(evaluation: Evaluation) -> Iterator[Notice]:
    for promise in evaluation.fitted.policy.unmet:
        yield Notice(
            "serious",
            f"No promise can be made for {promise.name}",
            f"{promise.groups:,}",
            "images, look-alikes counted once",
            promise.words,
            f"Collect {promise.groups_needed:,} images of it, look-alikes counted once, or ask for"
            " less.",
        )


def _find_escapes(evaluation: Evaluation) -> Iterator[Notice]:
    for row in evaluation.judgement.classes:
        rate = row.figures["escape_rate"]
        if rate is None or row.counts is None or row.collapsed or rate.value <= _MOST_ESCAPES:
            continue
        yield Notice(
            "serious" if rate.interval.low > _SURELY_BAD else "look",
            f"{row.name} escapes often",
            write_share(rate),
            "of its images",
            f"{row.counts.escapes:,} of {row.positives:,} are called clean of it (95 % interval"
            f" {write_share_limits(rate)}).",
            "Look at its escapes in the report; lower its threshold, for example with stripsight"
            f" decide RUN --policy cost --price 1:1 --price {row.name}=20:1, or label more of it.",
        )


def _find_overkills(evaluation: Evaluation) -> Iterator[Notice]:
    judgement = evaluation.judgement
    found = [
        (
            "Clean images are often called defective",
            "of them",
            "",
            judgement.overall["image_overkill_rate"],
            judgement.counts,
        )
    ]
    if found[0][3] is None:  # no clean image, so of each class the images without it
        found = [
            (
                f"{row.name} is often called where it is not",
                "of the images without it",
                " images without it, all of which show another class",
                row.figures["overkill_rate"],
                row.counts,
            )
            for row in judgement.classes
            if row.counts is not None
        ]
    for title, unit, without, rate, counts in found:
        if rate is None or counts is None or rate.value <= _MOST_OVERKILLS:
            continue
        yield Notice(
            "serious" if rate.interval.low > _SURELY_BAD else "look",
            title,
            write_share(rate),
            unit,
            f"{counts.overkills:,} of {counts.negatives:,}{without} (95 % interval"
            f" {write_share_limits(rate)}).",
            "Name a price of overkills or a share of reviews with stripsight decide, or train on"
            " more images like them.",
        )


def _find_chance(evaluation: Evaluation) -> Iterator[Notice]:
    classes = evaluation.judgement.classes
    found = [
        f"{row.name} {write_figure(figure)}"
        for row in classes
        if (figure := row.figures["auroc"]) is not None and figure.interval.low <= _CHANCE
    ]
    if found:
        macro = evaluation.judgement.macro["auroc"]
        yield Notice(
            "serious" if macro is not None and macro.interval.low <= _CHANCE else "look",
            "Not shown to rank better than chance",
            f"{len(found):,}",
            f"of {format_quantity(len(classes), 'class', 'classes')}",
            f"The interval of the AUROC reaches {_CHANCE}, which is a coin's: {', '.join(found)}.",
            "Train longer, or judge on more images of these classes.",
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
            f"{describe_slice(part)} at 95 % confidence, with all slices that were looked at"
            " counted.",
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
