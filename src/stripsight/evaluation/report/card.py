"""MODEL_CARD.md: what a person must know before using the model, from the report's own source.

The headings are those of Mitchell et al., Model Cards for Model Reporting (FAT* 2019), less what
nobody has measured.
"""

from collections.abc import Iterator, Sequence

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.report.background import list_limits
from stripsight.evaluation.report.blocks import write_threshold
from stripsight.evaluation.report.findings import list_findings
from stripsight.evaluation.report.verdict import reach_verdict, write_sentence
from stripsight.evaluation.report.words import (
    OVERRULED,
    has_overruled,
    write_counts,
    write_figure,
)
from stripsight.reporting.quantities import format_quantity


def build_card(evaluation: Evaluation, *, version: str) -> str:
    """The card as Markdown; `version` is StripSight's."""
    return "\n".join(_write(evaluation, version)) + "\n"


def _write(evaluation: Evaluation, version: str) -> Iterator[str]:
    opened, judgement = evaluation.opened, evaluation.judgement
    record, source = opened.record, evaluation.predictions.source
    verdict = reach_verdict(evaluation)
    is_overruled = has_overruled(judgement.classes)
    names = ", ".join(_escape(name) for name in opened.data.classes.names)
    height, width = opened.data.image_size
    yield f"# Model card: {_escape(opened.folder.resolve().name)}"
    yield ""
    yield f"**{verdict.word}.** {write_sentence(evaluation)} {_escape(verdict.text)}"
    yield ""
    yield "## Model"
    yield ""
    yield f"- {opened.config.model.backbone}, {opened.config.model.pooling} pooling of class maps"
    yield f"- takes grey images of {width}x{height} pixels, says of each which defects it shows"
    yield f"- classes: {names}"
    finished = str(record["finished"])[:10] if record["finished"] else "now, not finished"
    yield f"- trained until {finished}, seed {record['seed']}"
    yield f"- checkpoint sha256 {source['checkpoint']}"
    yield f"- decision rule {name_rule(evaluation.fitted.decisions)}"
    yield f"- made with StripSight {version}"
    yield ""
    yield "## Intended use"
    yield ""
    yield from _write_intended_use(evaluation)
    yield ""
    yield "## Data"
    yield ""
    images = record["data_set"]["images_used"]
    yield f"- {_escape(record['data_set']['name'])}, content {source['data_set']}"
    yield f"- split {_escape(judgement.split)}, {source['split']}"
    yield "- " + ", ".join(f"{count:,} {part}" for part, count in images.items()) + " images"
    yield ""
    yield f"## Figures on {judgement.part}"
    yield ""
    once = f", {judgement.groups:,} where look-alikes count once"
    yield (
        f"{format_quantity(judgement.images, 'image')}"
        f"{once if judgement.groups < judgement.images else ''}; in brackets 95 % intervals."
    )
    yield ""
    shown = ("average_precision", "auroc", "f1", "precision", "recall")
    yield from _table(
        ("class", "positives", "AP", "AUROC", "F1", "precision", "recall"),
        [
            *(
                (row.name, f"{row.positives:,}", *(write_figure(row.figures[n]) for n in shown))
                for row in judgement.classes
            ),
            ("macro", "", *(write_figure(judgement.macro[n]) for n in shown)),
        ],
    )
    yield ""
    yield f"## Decisions: {judgement.policy}"
    yield ""
    yield f"Fitted on {len(evaluation.validation.ids):,} images of validation. A class's counts are"
    yield "of labels, one class on one image; an image escapes only where it is called clean as a"
    yield "whole."
    yield ""
    yield from _table(
        (
            *("class", "calibration", "clean below", "defect from", "escapes", "overkills"),
            *("to a person", *(["overruled"] if is_overruled else [])),
        ),
        [
            *(
                (
                    row.name,
                    fit.chosen,
                    write_threshold(row.thresholds.clean_below),
                    write_threshold(row.thresholds.defect_from),
                    *write_counts(row.counts, is_overruled=is_overruled),
                )
                for row, fit in zip(
                    judgement.classes, evaluation.fitted.calibration.classes, strict=True
                )
            ),
            (
                "whole images",
                "",
                "",
                "",
                *write_counts(judgement.counts, is_overruled=is_overruled),
            ),
        ],
    )
    if is_overruled:
        yield ""
        yield OVERRULED
    yield ""
    yield "## What to mind"
    yield ""
    for finding in list_findings(evaluation):
        yield (
            f"- **{_escape(finding.title)}** ({finding.number} {finding.unit}):"
            f" {_escape(finding.text)} {_escape(finding.action)}"
        )
    for about, text in list_limits(evaluation):
        yield f"- **{about}**: {text}"


def _write_intended_use(evaluation: Evaluation) -> Iterator[str]:
    record, judgement = evaluation.opened.record, evaluation.judgement
    handed = judgement.counts.reviews
    person = (
        f"{format_quantity(handed, 'image')} of the {judgement.images:,} judged went to a person:"
        " somebody must be there to look at them."
        if handed
        else "It handed no image to a person here: whoever wants a second look at unsure images"
        " chooses the policy review (stripsight decide)."
    )
    steel = _escape(record["data_set"]["name"])
    yield f"Saying of grey images of steel surfaces like those of {steel}"
    yield f"which of the classes above they show: defect, clean, or review. {person}"
    yield ""
    yield "Not shown to work on other steel, cameras, lights or image sizes, nor on defects of"
    yield "other classes, which it calls clean or takes for one that it knows: judge it on labelled"
    yield "images from there first. It does not measure how large or how deep a defect is."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join([" --- "] + [" ---: "] * (len(head) - 1)) + "|"
    for row in rows:
        yield "| " + " | ".join(map(_escape, row)) + " |"


def _escape(text: str) -> str:
    """Names from a data set must not become Markdown or HTML."""
    for character in "\\`*_[]<>|#~&":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
