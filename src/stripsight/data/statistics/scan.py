"""One pass over a data set's images: statistics, and fingerprints to find look-alikes by.

Each image is decoded once, and of identical files only one. Images that cannot be read are left out
and named; what becomes of them is for the command to say.
"""

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from stripsight.data.lookalikes.fingerprint import Fingerprint
from stripsight.data.prepared import PreparedDataset
from stripsight.data.source import read_file
from stripsight.data.statistics.processes import measure_in_processes
from stripsight.data.statistics.table import load_statistics, make_statistics_table, save_statistics
from stripsight.data.statistics.worker import ImageFile, MeasuredImage, UnmeasuredImage, Wanted
from stripsight.imaging import DEFAULT_LIMITS

logger = logging.getLogger(__name__)

ReportProgress = Callable[[int, int], None]
"""Called with the number of images done and the number in all."""


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    Attributes:
        statistics: one row an image that decodes, columns `STATISTICS_COLUMNS`, in the data set's
            order.
        fingerprints: of each of these by its id; empty where none were asked for.
        unreadable: reason by image id.
    """

    statistics: pd.DataFrame
    fingerprints: dict[str, Fingerprint]
    unreadable: dict[str, str]


def scan_dataset(
    dataset: PreparedDataset,
    *,
    fingerprints: bool,
    workers: int | None = None,
    report_progress: ReportProgress = lambda done, total: None,
) -> Scan:
    """Measure every image and store the statistics beside the data set.

    Stored statistics of the very same files are taken as they are, unless fingerprints are wanted
    too: those need the pixels anyway. Where the data set's folder cannot be written, nothing is
    stored (one warning).

    Args:
        dataset: prepared; images that differ from its sha256 count as unreadable.
        fingerprints: compute them as well.
        workers: processes; one a core if None, 1 for none but this.
        report_progress: called as images come back.

    Raises:
        DataError: a worker process died.
    """
    if not fingerprints:
        known = load_statistics(dataset)
        if known is not None and len(known) == len(dataset.images) and _are_as_prepared(dataset):
            report_progress(len(known), len(known))
            return Scan(known, {}, {})
    scan = _measure(dataset, Wanted(fingerprint=fingerprints), workers, report_progress)
    try:
        save_statistics(dataset, scan.statistics)
    except OSError as error:
        logger.warning("the statistics are not stored (%s); they were taken all the same", error)
    return scan


def _are_as_prepared(dataset: PreparedDataset) -> bool:
    """Whether every file is there with the bytes that were prepared."""

    def is_same(file: str, sha256: str) -> bool:
        try:
            data = read_file(dataset.image_root / file, DEFAULT_LIMITS.max_bytes)
        except OSError:
            return False
        return hashlib.sha256(data).hexdigest() == sha256

    # Threads: reading and hashing release the interpreter's lock.
    with ThreadPoolExecutor() as pool:
        return all(pool.map(is_same, dataset.images["file"], dataset.images["sha256"]))


def _measure(
    dataset: PreparedDataset,
    wanted: Wanted,
    workers: int | None,
    report_progress: ReportProgress,
) -> Scan:
    table = dataset.images
    ids_of: dict[str, list[str]] = {}
    files: list[ImageFile] = []
    for image_id, file, sha256 in zip(table["id"], table["file"], table["sha256"], strict=True):
        if sha256 not in ids_of:
            files.append(ImageFile(sha256, dataset.image_root / file, sha256))
        ids_of.setdefault(sha256, []).append(image_id)
    measured: dict[str, MeasuredImage] = {}
    unreadable: dict[str, str] = {}
    done = 0
    for result in measure_in_processes(files, wanted, workers=workers):
        for image_id in ids_of[result.key]:
            if isinstance(result, UnmeasuredImage):
                unreadable[image_id] = result.reason
            else:
                measured[image_id] = result
        done += len(ids_of[result.key])
        report_progress(done, len(table))
    order = [image_id for image_id in table["id"] if image_id in measured]
    return Scan(
        statistics=make_statistics_table(
            (image_id, measured[image_id].sha256, measured[image_id].statistics)
            for image_id in order
        ),
        fingerprints={
            image_id: found
            for image_id in order
            if (found := measured[image_id].fingerprint) is not None
        },
        unreadable={i: unreadable[i] for i in table["id"] if i in unreadable},
    )
