"""The analysis as a page: the facts, the findings, and which sections follow."""

from collections.abc import Iterator, Sequence

from stripsight.data.analysis.figures import NamedPlot
from stripsight.data.analysis.finding import Finding
from stripsight.data.analysis.picture_book import PictureBook
from stripsight.data.analysis.picture_sections import show_galleries, show_look_alikes
from stripsight.data.analysis.sections import show_defects, show_images, show_labels, show_parts
from stripsight.data.analysis.study import Study
from stripsight.reporting.page import Fact, Note, Notice, Notices, Page, Section
from stripsight.reporting.quantities import format_count


def build_page(
    study: Study,
    findings: Sequence[Finding],
    plots: dict[str, list[NamedPlot]],
    pictures: Sequence[Section],
    *,
    version: str,
) -> Page:
    """Put everything in its place.

    Args:
        study: what was found.
        findings: the most serious first.
        plots: by section: `labels`, `defects`, `places`, `measures`.
        pictures: see `show_pictures`.
        version: of StripSight, for the footer.
    """
    book = PictureBook(study)
    sections = [
        _show_findings(findings),
        show_labels(study, book, plots["labels"]),
        show_defects(study, book, plots["defects"], plots["places"]),
        show_images(study, plots["measures"]),
        show_parts(study, book),
        *pictures,
    ]
    source = study.dataset.source_format
    return Page(
        title=f"Data analysis: {study.dataset.name}",
        subtitle="What is in this data set, what to mind before training on it, and what to do.",
        facts=tuple(_list_facts(study)),
        sections=tuple(sections),
        footer=(
            f"StripSight {version}; read from the {source} format; content"
            f" {study.dataset.content_hash()[:12]}. All numbers are in analysis.json, all figures"
            " in the folder figures."
        ),
    )


def show_pictures(study: Study) -> list[Section]:
    """The sections that consist of pictures: look-alikes, examples, extremes, suspects."""
    book = PictureBook(study)
    return [show_look_alikes(study, book), *show_galleries(book)]


def _list_facts(study: Study) -> Iterator[Fact]:
    counts = study.counts
    yield Fact(format_count(counts.images), "images")
    yield Fact(format_count(counts.labelled), "with known labels")
    yield Fact(format_count(counts.clean), "without a defect")
    yield Fact(format_count(len(counts.classes)), "classes")
    yield Fact(format_count(len(study.defects.table)), "drawn defects")
    sizes = counts.sizes
    if len(sizes) == 1:
        yield Fact(f"{sizes[0].width} \u00d7 {sizes[0].height}", "pixels, width by height")
    else:
        yield Fact(format_count(len(sizes)), "image sizes")


def _show_findings(findings: Sequence[Finding]) -> Section:
    if not findings:
        return Section(
            "findings", "Findings", [Note("Nothing stands out: no finding of any kind.")]
        )
    return Section(
        "findings",
        "Findings",
        [
            Notices(
                [
                    Notice(f.level, f.title, f.number, f.unit, f.text, f.action, f.details)
                    for f in findings
                ]
            )
        ],
        "The most serious first.",
    )
