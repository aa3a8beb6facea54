"""All findings on a data set, the most serious first."""

from stripsight.data.analysis.finding import Finding
from stripsight.data.analysis.image_findings import find_in_images
from stripsight.data.analysis.label_findings import find_in_labels
from stripsight.data.analysis.split_findings import find_in_split
from stripsight.data.analysis.study import Study
from stripsight.reporting.page import LEVEL_WORDS


def collect_findings(study: Study) -> tuple[Finding, ...]:
    """Findings by level, then by weight."""
    if study.counts.images == 0:
        return (
            Finding(
                "serious",
                "no images",
                "The data set has no image",
                "0",
                "images",
                "There is nothing to analyse.",
                "Prepare it again from a source that holds images.",
            ),
        )
    levels = list(LEVEL_WORDS)
    found = [*find_in_labels(study), *find_in_images(study), *find_in_split(study)]
    return tuple(sorted(found, key=lambda f: (levels.index(f.level), -f.weight, f.kind)))
