"""The whole report as one page."""

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.report.background import show_limits, show_provenance, show_training
from stripsight.evaluation.report.doubts import show_calibration, show_slices
from stripsight.evaluation.report.findings import show_findings
from stripsight.evaluation.report.gallery import show_examples
from stripsight.evaluation.report.glossary import show_glossary
from stripsight.evaluation.report.performance import show_decisions, show_figures
from stripsight.evaluation.report.places import show_places
from stripsight.evaluation.report.robustness import show_stress
from stripsight.evaluation.report.verdict import reach_verdict
from stripsight.reporting.page import Fact, Page, Section, render_page


def build_report(evaluation: Evaluation, *, version: str) -> str:
    """One self-contained HTML document; `version` is StripSight's."""
    judgement, data = evaluation.judgement, evaluation.opened.data
    parts: list[Section | None] = [
        Section("verdict", "Verdict", [reach_verdict(evaluation), show_glossary()]),
        show_findings(evaluation),
        show_figures(evaluation),
        show_decisions(evaluation),
        show_examples(evaluation),
        show_calibration(evaluation),
        show_slices(evaluation),
        show_places(evaluation),
        None if evaluation.stress is None else show_stress(evaluation.stress),
        show_training(evaluation),
        show_provenance(evaluation),
        show_limits(evaluation),
    ]
    page = Page(
        title=f"Report of {evaluation.opened.folder.resolve().name}",
        subtitle=f"{evaluation.opened.config.model.backbone} on {data.prepared.name}, judged on"
        f" {judgement.part}: what it decides, how sure that is, and where it fails.",
        facts=(
            Fact(f"{judgement.images:,}", f"images of {judgement.part}"),
            Fact(f"{len(judgement.classes):,}", "classes"),
            Fact(
                f"{sum(row.positives for row in judgement.classes):,}",
                "labels to find: one class on one image",
            ),
        ),
        sections=tuple(section for section in parts if section is not None),
        footer=(
            f"StripSight {version}; data {evaluation.predictions.source['data_set'][:12]}, split"
            f" {evaluation.predictions.source['split'][:12]}, decision rule"
            f" {name_rule(evaluation.fitted.decisions)}. The same numbers are in metrics.json."
        ),
    )
    return render_page(page)
