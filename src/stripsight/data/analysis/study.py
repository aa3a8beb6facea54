"""Everything the analysis knows of a data set, gathered in one pass over its images."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stripsight.data.analysis.appearance import (
    MeasureSummary,
    Suspect,
    find_suspects,
    group_images,
    summarise_measures,
)
from stripsight.data.analysis.counts import LabelCounts, count_dataset
from stripsight.data.analysis.defects import DefectCounts, Defects, count_defects, find_defects
from stripsight.data.analysis.parts import Parts, describe_parts, find_split_name
from stripsight.data.lookalikes.duplicates import find_links
from stripsight.data.lookalikes.links import Conflict, Link, find_conflicts, load_links, save_links
from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.listing import describe_absence, is_listed
from stripsight.data.splits.store import load_split
from stripsight.data.statistics.scan import Scan, scan_dataset
from stripsight.errors import SplitError

logger = logging.getLogger(__name__)

ReportProgress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is."""


@dataclass(frozen=True)
class Study:
    """A data set and all that was found in it.

    Attributes:
        dataset: with the groups that follow from the links.
        statistics: one row an image that can be read.
        unreadable: reason by image id.
        counts: labels.
        defects: single drawn defects.
        defect_counts: of each class, in column order.
        groups: rows of the statistics by group, see `group_images`.
        measures: quantiles of every measure and group.
        suspects: images to look at.
        links: between look-alikes.
        conflicts: look-alikes that disagree on their labels.
        parts: of the split that was named or found; None without one.
        split_fault: why a split that is there cannot be shown.
    """

    dataset: PreparedDataset
    statistics: pd.DataFrame
    unreadable: dict[str, str]
    counts: LabelCounts
    defects: Defects
    defect_counts: tuple[DefectCounts, ...]
    groups: dict[str, npt.NDArray[np.bool_]]
    measures: tuple[MeasureSummary, ...]
    suspects: tuple[Suspect, ...]
    links: tuple[Link, ...]
    conflicts: tuple[Conflict, ...]
    parts: Parts | None
    split_fault: str | None = None


def study_dataset(
    dataset: PreparedDataset,
    *,
    split: str | None = None,
    workers: int | None = None,
    report_progress: ReportProgress = lambda what, done, total: None,
) -> Study:
    """Scan the images, find look-alikes where that was not done yet, and count everything.

    Look-alikes and statistics are stored beside the data set; where its folder cannot be written,
    they are used all the same (one warning).

    Args:
        dataset: prepared.
        split: to compare the parts of; None takes `holdout` or the first stored one, if any.
        workers: processes that decode; one a core if None.
        report_progress: called now and then.

    Raises:
        SplitError: the split that was named does not exist or does not fit.
        DatasetError: stored links are damaged.
        DataError: a process that decodes died.
    """
    if split is not None:
        # A wrong name is said before the long scan.
        if not is_listed(dataset.root, split):
            raise SplitError(describe_absence(dataset.root, split))
        load_split(dataset, split, leaks="ignore")
    known = load_links(dataset)
    scan = scan_dataset(
        dataset,
        fingerprints=known is None,
        workers=workers,
        report_progress=lambda done, total: report_progress("scanning images", done, total),
    )
    dataset, links = _link(dataset, scan, known, report_progress)
    parts, fault = _describe_split(dataset, split, scan.statistics)
    assignment = {} if parts is None else parts.split.assignment
    groups = group_images(dataset, scan.statistics, assignment)
    defects = find_defects(dataset)
    return Study(
        dataset=dataset,
        statistics=scan.statistics,
        unreadable=scan.unreadable,
        counts=count_dataset(dataset),
        defects=defects,
        defect_counts=count_defects(dataset, defects),
        groups=groups,
        measures=summarise_measures(scan.statistics, groups),
        suspects=find_suspects(dataset, scan.statistics),
        links=links,
        conflicts=find_conflicts(dataset, links),
        parts=parts,
        split_fault=fault,
    )


def _link(
    dataset: PreparedDataset,
    scan: Scan,
    known: tuple[Link, ...] | None,
    report_progress: ReportProgress,
) -> tuple[PreparedDataset, tuple[Link, ...]]:
    if known is not None:
        return dataset, known
    links = find_links(
        dataset,
        scan.fingerprints,
        report_progress=lambda done, total: report_progress(
            "comparing look-alikes, pairs", done, total
        ),
    )
    if scan.unreadable:
        logger.warning("the look-alikes are not stored: not every image can be read")
        return dataset, links
    try:
        return save_links(dataset, links), links
    except OSError as error:
        logger.warning("the look-alikes are not stored (%s); they are shown all the same", error)
        return dataset, links


def _describe_split(
    dataset: PreparedDataset, name: str | None, statistics: pd.DataFrame
) -> tuple[Parts | None, str | None]:
    chosen = name or find_split_name(dataset)
    if chosen is None:
        return None, None
    try:
        return describe_parts(dataset, chosen, statistics), None
    except SplitError as error:
        if name is not None:
            raise
        return None, str(error)
