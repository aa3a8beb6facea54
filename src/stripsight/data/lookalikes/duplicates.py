"""Find the images of a data set that show the same steel.

Identical files by their sha256; the rest by fingerprints (`matching.py`), each candidate judged
by the pixels of both images (`comparison.py`), which are decoded again. Of identical files only
the first by id is linked any further: the others hang on it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from stripsight.data.lookalikes.comparison import compare_images
from stripsight.data.lookalikes.fingerprint import Fingerprint
from stripsight.data.lookalikes.links import IDENTICAL, Link
from stripsight.data.lookalikes.matching import find_candidates
from stripsight.data.lookalikes.sketch import Sketch, correlate_sketches
from stripsight.data.lookalikes.voting import Candidate
from stripsight.data.prepared import PreparedDataset
from stripsight.imaging import GreyImage, read_grey

_CHUNK = 64
_CACHED_IMAGES = 64
# Of sketches. Of 4,912 true pairs among images made of real strips the least was 0.20, three
# quarters of the false candidates among 12,568 blends of strips stayed below 0.13.
_LEAST_AGREEMENT = 0.2

ReportProgress = Callable[[int, int], None]
"""Called with the number of candidates compared and the number in all."""


def find_links(
    dataset: PreparedDataset,
    fingerprints: Mapping[str, Fingerprint],
    *,
    workers: int | None = None,
    report_progress: ReportProgress = lambda done, total: None,
) -> tuple[Link, ...]:
    """Links between the images of a data set, sorted by their ids.

    Args:
        dataset: prepared.
        fingerprints: by image id; an image without one is linked by its sha256 alone.
        workers: threads that decode and compare; one a core if None.
        report_progress: called while candidates are compared.

    Raises:
        ImageError: an image can no longer be read.
    """
    identical = list(_link_identical(dataset.images))
    twins = {link.second for link in identical}
    table = dataset.images[~dataset.images["id"].isin(twins)].sort_values("id")
    table = table[table["id"].isin(list(fingerprints))]
    ids = [str(image_id) for image_id in table["id"]]
    paths = [dataset.image_root / file for file in table["file"]]
    workers = workers or len(os.sched_getaffinity(0))
    candidates = find_candidates([fingerprints[image_id] for image_id in ids], workers=workers)
    report_progress(0, len(candidates))
    best = {(link.first, link.second): link for link in identical}
    done = 0
    images = [
        _Image(image_id, path, fingerprints[image_id].sketch)
        for image_id, path in zip(ids, paths, strict=True)
    ]
    for compared, found in _compare_all(candidates, images, workers):
        for link in found:
            pair = link.first, link.second
            if pair not in best or link.similarity > best[pair].similarity:
                best[pair] = link
        done += compared
        report_progress(done, len(candidates))
    return tuple(best[pair] for pair in sorted(best))


def _link_identical(images: pd.DataFrame) -> Iterator[Link]:
    """The first of the images with one sha256 with each of the others."""
    first_of: dict[str, str] = {}
    ordered = images.sort_values("id")
    for image_id, sha256 in zip(ordered["id"], ordered["sha256"], strict=True):
        first = first_of.setdefault(sha256, image_id)
        if first != image_id:
            yield Link(first, image_id, IDENTICAL)


@dataclass(frozen=True, slots=True)
class _Image:
    id: str
    path: Path
    sketch: Sketch | None


def _compare_all(
    candidates: Sequence[Candidate], images: Sequence[_Image], workers: int
) -> Iterator[tuple[int, list[Link]]]:
    """Compare in threads: decoding and numpy on whole images release the interpreter's lock."""
    read = lru_cache(_CACHED_IMAGES)(read_grey)

    def compare(chunk: Sequence[Candidate]) -> list[Link]:
        return [link for candidate in chunk if (link := _compare(candidate, images, read))]

    pending: deque[tuple[int, Future[list[Link]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(candidates), _CHUNK):
            chunk = candidates[start : start + _CHUNK]
            pending.append((len(chunk), pool.submit(compare, chunk)))
            # Few in flight, so that an interrupt leaves no long queue behind.
            if len(pending) > 2 * workers:
                count, future = pending.popleft()
                yield count, future.result()
        while pending:
            count, future = pending.popleft()
            yield count, future.result()


def _compare(
    candidate: Candidate, images: Sequence[_Image], read: Callable[[Path], GreyImage]
) -> Link | None:
    """By their sketches, which sort out most, then by their pixels."""
    first, second = images[candidate.first], images[candidate.second]
    shift = candidate.shift_x, candidate.shift_y
    agreement = correlate_sketches(first.sketch, second.sketch, *shift)
    if agreement is not None and agreement < _LEAST_AGREEMENT:
        return None
    found = compare_images(read(first.path), read(second.path), *shift)
    if found is None:
        return None
    return Link(
        first=first.id,
        second=second.id,
        kind=found.kind,
        shift_x=found.shift_x,
        shift_y=found.shift_y,
        similarity=found.similarity,
    )
