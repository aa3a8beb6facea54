"""The verdict of a report: in words, how far to trust it, and the figures it rests on."""

from typing import Any

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.intervals.interval import Figure, Interval
from stripsight.evaluation.report.findings import list_findings
from stripsight.evaluation.report.words import (
    INTERVAL,
    write_limits,
    write_number,
    write_share,
    write_share_limits,
)
from stripsight.reporting.page import Level
from stripsight.reporting.quantities import format_quantity, format_share
from stripsight.reporting.verdict import Headline, Verdict, VerdictLevel

_MOST_NAMED = 4  # findings on a line

_LEVELS: dict[Level, tuple[VerdictLevel, str]] = {
    "serious": ("bad", "Do not use as it is"),
    "look": ("care", "Use with care"),
    "note": ("good", "Nothing speaks against it"),
}


def reach_verdict(evaluation: Evaluation) -> Verdict:
    """The verdict; its level is that of the most serious finding."""
    findings = list_findings(evaluation)  # the most serious first
    level, word = _LEVELS[findings[0].level if findings else "note"]
    return Verdict(
        level=level,
        word=word,
        sentence=write_sentence(evaluation),
        headlines=_list_headlines(evaluation),
        text=_explain(evaluation),
    )


def describe_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Plain data for `metrics.json`: every figure, the verdict, and the titles of all findings."""
    verdict = reach_verdict(evaluation)
    findings = [
        {"level": finding.level, "title": finding.title} for finding in list_findings(evaluation)
    ]
    described = {"level": verdict.level, "word": verdict.word, "findings": findings}
    return {**evaluation.to_json(), "verdict": described}


def write_verdict_line(evaluation: Evaluation) -> str:
    """`verdict: Use with care: Few images to judge on; ...`: the findings that it rests on."""
    findings = list_findings(evaluation)
    level, word = _LEVELS[findings[0].level if findings else "note"]
    if level == "good":
        return f"verdict: {word}"
    found = [finding.title for finding in findings if finding.level == findings[0].level]
    more = f"; {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    return f"verdict: {word}: {'; '.join(found[:_MOST_NAMED])}{more}"


def write_sentence(evaluation: Evaluation) -> str:
    """What the decisions come to on whole images of this part, in one sentence."""
    judgement = evaluation.judgement
    images = judgement.counts
    where = f"On {format_quantity(judgement.images, 'image')} of {judgement.part}"
    if all(row.counts is None for row in judgement.classes):
        return f"{where}, nothing is decided: no class has a threshold."
    escape = judgement.overall["image_escape_rate"]
    parts = ["there is no defect that could escape"]
    if escape is not None:
        called = "is" if 1 in (images.escapes, images.positives) else "are"
        parts = [
            f"{images.escapes:,} of {format_quantity(images.positives, 'defective image')} {called}"
            f" called clean ({INTERVAL} {write_share_limits(escape)})"
        ]
    overkill = judgement.overall["image_overkill_rate"]
    if overkill is None:
        parts.append("no image is clean")
    else:
        called = "is" if 1 in (images.overkills, images.negatives) else "are"
        parts.append(
            f"{images.overkills:,} of {format_quantity(images.negatives, 'clean image')} {called}"
            f" called defective ({write_share_limits(overkill)})"
        )
    if images.reviews:
        review = judgement.overall["image_review_rate"]
        share = evaluation.fitted.decisions.policy.settings.get("share")
        asked = "" if share is None else f"; {format_share(share)} on validation was asked for"
        parts.append(
            f"{format_quantity(images.reviews, 'image goes', 'images go')} to a person"
            f" ({write_share_limits(review)}{asked})"
        )
    return f"{where}, {', '.join(parts[:-1])} and {parts[-1]}."


def write_label_sentence(evaluation: Evaluation) -> str:
    """What they come to class by class, in one sentence.

    A label is a class on an image: an image with two classes has two that can escape.
    """
    judgement = evaluation.judgement
    decided = [row.counts for row in judgement.classes if row.counts is not None]
    if not decided:
        return ""
    escapes, labels = sum(c.escapes for c in decided), sum(c.positives for c in decided)
    false_calls = sum(c.overkills for c in decided)
    undecided = sum(row.positives for row in judgement.classes) - labels
    more = f", {undecided:,} more are of a class without a threshold" if undecided else ""
    return (
        f"Class by class, {escapes:,} of"
        f" {format_quantity(labels, 'label')} (one class on one image)"
        f" {'escapes' if escapes == 1 else 'escape'}{more}, and"
        f" {format_quantity(false_calls, 'call is of a class', 'calls are of a class')} that the"
        " image does not show. "
    )


def _explain(evaluation: Evaluation) -> str:
    judgement = evaluation.judgement
    alike = (
        f" With look-alikes counted once, the images are {judgement.groups:,}."
        if judgement.groups < judgement.images
        else ""
    )
    return (
        f"{write_label_sentence(evaluation)}Split {judgement.split}. Calibration and thresholds"
        f" ({judgement.policy}) were fitted on {len(evaluation.validation.ids):,} images of"
        f" validation and on nothing else.{alike}"
    )


def _list_headlines(evaluation: Evaluation) -> tuple[Headline, ...]:
    judgement = evaluation.judgement
    macro, overall = judgement.macro, judgement.overall
    labels = format_quantity(sum(row.positives for row in judgement.classes), "label")
    classes = format_quantity(len(judgement.classes), "class", "classes")
    images = format_quantity(judgement.images, "image")
    mean = f"mean over {classes}, {labels}"
    counts = judgement.counts
    defective = format_quantity(counts.positives, "defective image")
    clean = format_quantity(counts.negatives, "clean image")
    whole = (
        ("Images that escape", "image_escape_rate", f"of {defective}: called clean as a whole"),
        ("Images overkilled", "image_overkill_rate", f"of {clean}: called defective"),
        ("Images to a person", "image_review_rate", f"of {images}: called review"),
        ("Images wholly right", "exact_match", f"of {images}: every class called right"),
    )
    return (
        *(_headline(title, overall[name], note, share=True) for title, name, note in whole),
        _headline("Macro average precision", macro["average_precision"], f"mean over {classes}"),
        _headline("Macro F1", macro["f1"], f"at the thresholds, {mean}"),
        _headline("Macro escape rate", macro["escape_rate"], f"labels: {mean}", share=True),
        _headline(
            "Macro overkill rate",
            macro["overkill_rate"],
            f"images without the class, called it: mean over {classes}",
            share=True,
        ),
    )


def _headline(label: str, figure: Figure | None, note: str, *, share: bool = False) -> Headline:
    if figure is None:
        return Headline(label, "\u2013", "cannot be had here", note)
    interval = figure.interval
    low, high = _choose_scale(interval)
    limits = write_share_limits(figure) if share else write_limits(figure)
    return Headline(
        label=label,
        text=write_share(figure) if share else write_number(figure),
        interval=f"{INTERVAL} {limits}",
        note=note,
        value=figure.value,
        low=interval.low,
        high=interval.high,
        scale=(low, high),
        ends=(f"{100 * low:g} %", f"{100 * high:g} %") if share else (f"{low:g}", f"{high:g}"),
    )


def _choose_scale(interval: Interval) -> tuple[float, float]:
    """The upper or lower half where the interval lies in it, else all of 0 to 1."""
    if interval.low >= 0.5:
        return 0.5, 1.0
    return (0.0, 0.5) if interval.high <= 0.5 else (0.0, 1.0)
