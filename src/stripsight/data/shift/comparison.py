"""How two sets of images differ: two parts of a split, or the training images and this month's.

Three answers: number by number (`stability.py`), all numbers together (`two_sample.py`), and which
images of B are most unlike A. Look-alikes and identical files, where known, count as one in what
chance can do. Frames of one coil that are not known as look-alikes do not: they make two coils look
different from each other, which they are.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stripsight.data.shift.image_set import ImageSet
from stripsight.data.shift.stability import MODERATE, Stability, measure_stability
from stripsight.data.shift.two_sample import FEWEST_IMAGES, TwoSampleTest, compare_samples
from stripsight.data.statistics.processes import measure_in_processes
from stripsight.data.statistics.table import STATISTIC_NAMES
from stripsight.data.statistics.worker import ImageFile, MeasuredImage, UnmeasuredImage, Wanted
from stripsight.errors import DataError

COMPARED = (
    "brightness",
    "contrast",
    "border_left",
    "border_right",
    "sharpness",
    "jpeg_quality",
    "saturated",
    "checker",
)
"""The statistics that are compared one by one."""

FloatArray = npt.NDArray[np.float64]
ReportProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class StatisticShift:
    """One statistic in both sets; NaN where an image has no value (the JPEG quality of a PNG)."""

    name: str
    values_a: FloatArray
    values_b: FloatArray
    stability: Stability

    @property
    def medians(self) -> tuple[float | None, float | None]:
        """Of the images that have a value; None where none has."""
        return _median(self.values_a), _median(self.values_b)


@dataclass(frozen=True)
class UnlikeImage:
    """An image of B and its score: standard deviations of A's own scores beyond their mean."""

    image: str
    score: float


@dataclass(frozen=True)
class Comparison:
    """Set B against set A.

    Attributes:
        title_a: what A was given as.
        title_b: likewise.
        images_a: how many of A were measured.
        images_b: of B.
        groups_a: how many those of A are with look-alikes counted once.
        groups_b: of B.
        unreadable_a: reason by image of A that cannot be read.
        unreadable_b: of B.
        shared: identical files that stand in both.
        shifts: one for each of `COMPARED`.
        test: of the classifier; None where a set is too small.
        most_unlike: images of B, most unlike A first; empty without a test.
    """

    title_a: str
    title_b: str
    images_a: int
    images_b: int
    groups_a: int
    groups_b: int
    unreadable_a: dict[str, str]
    unreadable_b: dict[str, str]
    shared: int
    shifts: tuple[StatisticShift, ...]
    test: TwoSampleTest | None
    most_unlike: tuple[UnlikeImage, ...]

    @property
    def largest_chance(self) -> float:
        """PSI that chance alone reaches, of the statistic on which it reaches most."""
        return max(shift.stability.chance for shift in self.shifts)

    @property
    def is_too_small(self) -> bool:
        """Whether chance alone reaches what is called a moderate shift."""
        return self.largest_chance >= MODERATE


def compare_sets(
    a: ImageSet,
    b: ImageSet,
    *,
    workers: int | None = None,
    listed: int = 10,
    report_progress: ReportProgress = lambda done, total: None,
) -> Comparison:
    """Measure both sets and compare them.

    Args:
        a: what is known.
        b: what may differ from it.
        workers: processes; one a core if None.
        listed: how many of the most unlike images to name.
        report_progress: called as images come back.

    Raises:
        DataError: a set has no image that can be read, both are the same files, or a worker died.
    """
    measured, unreadable = _measure((a, b), workers, report_progress)
    for images, found, reasons in zip((a, b), measured, unreadable, strict=True):
        if not found:
            first, reason = next(iter(reasons.items()))
            raise DataError(f"no image of {images.title} can be read ({first}: {reason})")
    hashes = [Counter(image.sha256 for image in found.values()) for found in measured]
    if hashes[0].keys() == hashes[1].keys():
        raise DataError(
            f"{a.title} and {b.title} hold the same {len(hashes[0]):,} files: there is nothing to"
            " compare"
        )
    known = [
        (group, found[file.key].sha256)
        for images, found in zip((a, b), measured, strict=True)
        for file, group in zip(images.files, images.groups, strict=True)
        if file.key in found
    ]
    groups = join_groups([group for group, _ in known], [sha256 for _, sha256 in known])
    features = np.concatenate([_tabulate(found) for found in measured])
    count_a, count_b = len(measured[0]), len(measured[1])
    is_b = np.arange(count_a + count_b) >= count_a
    test = None
    if min(count_a, count_b) >= FEWEST_IMAGES:
        test = compare_samples(np.nan_to_num(features, nan=0.0), is_b, groups)
    return Comparison(
        title_a=a.title,
        title_b=b.title,
        images_a=count_a,
        images_b=count_b,
        groups_a=len(np.unique(groups[~is_b])),
        groups_b=len(np.unique(groups[is_b])),
        unreadable_a=unreadable[0],
        unreadable_b=unreadable[1],
        shared=len(hashes[0].keys() & hashes[1].keys()),
        shifts=tuple(
            compare_statistic(name, features[:, STATISTIC_NAMES.index(name)], is_b, groups)
            for name in COMPARED
        ),
        test=test,
        most_unlike=()
        if test is None
        else _list_unlike(list(measured[1]), test.scores[is_b], listed),
    )


def _measure(
    sets: Sequence[ImageSet], workers: int | None, report_progress: ReportProgress
) -> tuple[list[dict[str, MeasuredImage]], list[dict[str, str]]]:
    """Measured images and reasons of each set, by the images' own names and in their order."""
    places = [(number, file) for number, images in enumerate(sets) for file in images.files]
    asked = [
        ImageFile(str(place), file.path, file.sha256) for place, (_, file) in enumerate(places)
    ]
    results = {}
    for result in measure_in_processes(asked, Wanted(texture=True), workers=workers):
        results[int(result.key)] = result
        report_progress(len(results), len(asked))
    measured: list[dict[str, MeasuredImage]] = [{} for _ in sets]
    unreadable: list[dict[str, str]] = [{} for _ in sets]
    for place, (number, file) in enumerate(places):
        result = results[place]
        if isinstance(result, UnmeasuredImage):
            unreadable[number][file.key] = result.reason
        else:
            measured[number][file.key] = result
    return measured, unreadable


def join_groups(known: Sequence[str], hashes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Group of each image: joined by a known group or by equal bytes.

    Args:
        known: group of look-alikes of each image, of A first.
        hashes: SHA-256 of each file, in the same order.
    """
    numbers: dict[str, int] = {}
    pairs = [
        (
            numbers.setdefault(f"group {group}", len(numbers)),
            numbers.setdefault(f"bytes {sha256}", len(numbers)),
        )
        for group, sha256 in zip(known, hashes, strict=True)
    ]
    rows, columns = np.array(pairs).T
    edges = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(numbers), len(numbers)))
    _, component = connected_components(edges, directed=False)
    groups: npt.NDArray[np.int64] = component[rows].astype(np.int64)
    return groups


def _tabulate(found: dict[str, MeasuredImage]) -> FloatArray:
    """Statistics, in the order of `STATISTIC_NAMES`, and texture: float `[N, D]`."""
    rows = []
    for image in found.values():
        assert image.texture is not None
        values = [getattr(image.statistics, name) for name in STATISTIC_NAMES]
        rows.append([*(np.nan if v is None else float(v) for v in values), *image.texture.tolist()])
    return np.array(rows, dtype=np.float64)


def compare_statistic(
    name: str, values: FloatArray, is_b: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]
) -> StatisticShift:
    """How far one statistic has moved from A to B.

    Args:
        name: one of `COMPARED`.
        values: float `[N]`, of A first; NaN where an image has none.
        is_b: bool `[N]`.
        groups: int `[N]`, as `join_groups` gives them.
    """
    # As the stored table rounds them, so that what is read from it moves exactly as far.
    values = values.astype(np.float32).astype(np.float64)
    # No quality at all (PNG) is a value of its own, below all others.
    known = np.nan_to_num(values, nan=0.0)
    stability = measure_stability(known[~is_b], known[is_b], groups=groups)
    return StatisticShift(name, values[~is_b], values[is_b], stability)


def _list_unlike(names: list[str], scores: FloatArray, listed: int) -> tuple[UnlikeImage, ...]:
    order = np.argsort(-scores, kind="stable")[:listed]
    return tuple(UnlikeImage(names[place], float(scores[place])) for place in order)


def _median(values: FloatArray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None
