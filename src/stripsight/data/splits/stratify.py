"""Stratified parts of grouped multi-label images: a holdout, or folds of equal size.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label data,
ECML PKDD 2011) over whole groups, with label combinations beside the single labels (second-order
stratification, Szymański and Kajdanowicz 2017) and with part sizes as hard bounds. It stands in for
scikit-learn's StratifiedGroupKFold, which knows folds of equal size and one label an image.

`shuffle_parts` is the plain shuffle to compare with: it knows neither labels nor groups.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stripsight.data.splits.evening import even_out
from stripsight.errors import SplitError

PARTS = ("train", "validation", "test")
MIN_FOLDS = len(PARTS)

# How much an uneven class counts against an uneven label combination. On Severstal's 12,568 label
# sets with 44 near-duplicate pairs every class stays within 1.2 % of its prevalence; with simulated
# coils of about 10 images, within 2.6 % (benchmarks/RESULTS.md).
_CLASS_WEIGHT = 4.0
# Swaps weigh squared images: with 4 here, coils of one kind of defect left Severstal's rarest class
# 7 % off in a fold, with 64 they leave it 1.2 %, the least that whole images allow.
_CLASS_WEIGHT_OF_SWAPS = 64.0

Counts = npt.NDArray[np.int64]


def make_holdout_split(
    labels: npt.NDArray[np.uint8],
    groups: npt.NDArray[np.integer],
    *,
    fractions: Sequence[float],
    seed: int,
) -> npt.NDArray[np.str_]:
    """Put every image into train, validation or test.

    Groups stay whole. Part sizes follow the fractions as far as whole groups allow: without groups
    they are exact to one image, and no part exceeds its share by the size of the largest group.
    Within that, each class reaches every part when at least three groups carry it (train first,
    then validation, when fewer do), and label combinations are spread by the fractions.

    Args:
        labels: uint8 `[N, C]`.
        groups: int `[N]`; images of the same number stay together, a negative number stands alone.
        fractions: shares of train, validation and test, each above 0, summing to 1.
        seed: of the choice among equals.

    Returns:
        `[N]` strings, each `train`, `validation` or `test`.

    Raises:
        SplitError: wrong fractions, or fewer than three images or groups.
    """
    shares = check_fractions(fractions)
    assigned = _assign_images(labels, groups, shares, seed, "train, validation and test")
    return np.array(PARTS)[assigned]


def make_fold_numbers(
    labels: npt.NDArray[np.uint8], groups: npt.NDArray[np.integer], *, folds: int, seed: int
) -> Counts:
    """Put every image into one of `folds` parts of equal size, under `make_holdout_split`'s rules.

    Args:
        labels: uint8 `[N, C]`.
        groups: int `[N]`; images of the same number stay together, a negative number stands alone.
        folds: at least 3, so that one is left to train on beside test and validation.
        seed: of the choice among equals.

    Returns:
        int64 `[N]`, 0 to `folds` - 1.

    Raises:
        SplitError: fewer than 3 folds, or fewer images or groups than folds.
    """
    shares = share_equally(folds)
    return _assign_images(labels, groups, shares, seed, f"{folds} folds", swap=True)


def shuffle_parts(count: int, shares: npt.NDArray[np.float64], *, seed: int) -> Counts:
    """Part of each of `count` images after a plain shuffle, int64 `[N]`; sizes exact to one image.

    Raises:
        SplitError: fewer images than parts.
    """
    _check_enough(count, len(shares), "labelled images", f"{len(shares)} parts")
    parts = np.repeat(np.arange(len(shares)), _share_out(count, shares))
    return np.random.default_rng(seed).permutation(parts)


def share_equally(folds: int) -> npt.NDArray[np.float64]:
    """Shares of `folds` equal parts, float64 `[K]`.

    Raises:
        SplitError: fewer than 3.
    """
    if folds < MIN_FOLDS:
        raise SplitError(
            f"{folds} folds: at least {MIN_FOLDS} are needed, one for test, one for validation and"
            " the rest for train"
        )
    return np.full(folds, 1 / folds)


def check_fractions(fractions: Sequence[float]) -> npt.NDArray[np.float64]:
    """The fractions as float64 `[3]`.

    Raises:
        SplitError: not three numbers above 0 that sum to 1.
    """
    shares = np.array([float(share) for share in fractions])
    if len(shares) != len(PARTS):
        raise SplitError(
            f"{len(shares)} fractions: three are needed, for train, validation and test"
        )
    if not (np.isfinite(shares).all() and (shares > 0).all()):
        raise SplitError(f"fractions {_show(shares)}: each must be above 0")
    if abs(shares.sum() - 1) > 1e-6:
        raise SplitError(f"fractions {_show(shares)} sum to {shares.sum():g}, not to 1")
    return shares


def _assign_images(
    labels: npt.NDArray[np.uint8],
    groups: npt.NDArray[np.integer],
    shares: npt.NDArray[np.float64],
    seed: int,
    what: str,
    *,
    swap: bool = False,
) -> Counts:
    """Part of each image, `[N]`; `what` names the parts in an error."""
    group_of_image, group_count = _number_groups(np.asarray(groups))
    _check_enough(len(labels), len(shares), "labelled images", what)
    _check_enough(group_count, len(shares), "groups of look-alike images", what)
    strata, sizes = _count_strata(labels, group_of_image, group_count)
    assigned = _assign_groups(strata, sizes, labels.shape[1], shares, np.random.default_rng(seed))
    # Not for a holdout: a seed must go on giving the split that runs were made on.
    if swap:
        weights = _weigh_strata(strata.sum(axis=0), labels.shape[1], _CLASS_WEIGHT_OF_SWAPS)
        assigned = even_out(
            assigned,
            strata,
            sizes,
            class_count=labels.shape[1],
            weights=weights,
            shares=shares,
        )
    return assigned[group_of_image]


def _weigh_strata(totals: Counts, class_count: int, class_weight: float) -> npt.NDArray[np.float64]:
    weights = 1 / totals.clip(1).astype(np.float64)
    weights[:class_count] *= class_weight
    return weights


def _check_enough(count: int, needed: int, of_what: str, what: str) -> None:
    if count < needed:
        raise SplitError(f"{count} {of_what} cannot fill {what}: at least {needed} are needed")


def _number_groups(groups: npt.NDArray[np.integer]) -> tuple[Counts, int]:
    """Groups numbered from 0, lone images included."""
    own = groups.astype(np.int64).copy()
    lone = own < 0
    own[lone] = own.max(initial=0) + 1 + np.arange(int(lone.sum()))
    _, numbered = np.unique(own, return_inverse=True)
    return numbered.astype(np.int64), int(numbered.max(initial=-1)) + 1


def _count_strata(
    labels: npt.NDArray[np.uint8], group_of_image: Counts, group_count: int
) -> tuple[Counts, Counts]:
    """Images of each class, then of each label combination, per group: `[G, C + K]` and `[G]`."""
    combinations, combination_of_image = np.unique(labels, axis=0, return_inverse=True)
    indicator = np.concatenate(
        [labels.astype(np.int64), np.eye(len(combinations), dtype=np.int64)[combination_of_image]],
        axis=1,
    )
    strata = np.zeros((group_count, indicator.shape[1]), dtype=np.int64)
    np.add.at(strata, group_of_image, indicator)
    return strata, np.bincount(group_of_image, minlength=group_count).astype(np.int64)


def _assign_groups(
    strata: Counts,
    sizes: Counts,
    class_count: int,
    shares: npt.NDArray[np.float64],
    generator: np.random.Generator,
) -> Counts:
    """Part of each group, `[G]`."""
    room = _share_out(int(sizes.sum()), shares)
    totals = strata.sum(axis=0)
    weights = _weigh_strata(totals, class_count, _CLASS_WEIGHT)
    need = shares[:, None] * totals[None, :]
    part_of = np.full(len(sizes), -1, dtype=np.int64)
    has_group = np.zeros(len(shares), dtype=bool)

    # Large groups first, while there is room to balance them; then the rarest strata.
    rarity = np.where(strata > 0, totals[None, :], np.iinfo(np.int64).max).min(axis=1)
    shuffled = generator.permutation(len(sizes))
    order = shuffled[np.lexsort((rarity[shuffled], -sizes[shuffled]))]

    def put(group: int, part: int) -> None:
        part_of[group] = part
        room[part] -= sizes[group]
        need[part] -= strata[group]
        has_group[part] = True

    for group, part in _cover_classes(strata[:, :class_count], sizes, order, room):
        put(group, part)
    left = int((part_of < 0).sum())
    for group in order[part_of[order] < 0]:
        carried = np.flatnonzero(strata[group])
        allowed = room >= sizes[group]
        if left <= int((~has_group).sum()):
            allowed = ~has_group
        elif not allowed.any():
            allowed = room == room.max()
        # How much of its own share of each stratum a part still lacks: relative, so that the parts
        # fill in step and no early stratum goes to the largest part whole.
        gain = strata[group, carried] * weights[carried]
        score = (need[:, carried] * gain).sum(axis=1) / shares
        score = np.where(allowed, score, -np.inf)
        best = np.flatnonzero(score >= score.max() - 1e-12)
        roomiest = best[room[best] == room[best].max()]
        put(int(group), int(generator.choice(roomiest)))
        left -= 1
    return part_of


def _cover_classes(
    carries: Counts, sizes: Counts, order: Counts, room: Counts
) -> list[tuple[int, int]]:
    """One group of each class for each part, rarest class first, as far as there is room."""
    placed: dict[int, int] = {}
    free = room.copy()
    for column in np.argsort(carries.sum(axis=0), kind="stable"):
        carriers = [int(group) for group in order if carries[group, column]]
        # The plainest group first: a rare combination spent here is missing where it belongs.
        carriers.sort(key=lambda group: (sizes[group], (carries[group] > 0).sum()))
        for part in range(len(room)):
            empty = set(range(len(room))) - set(placed.values()) - {part}
            if len(sizes) - len(placed) <= len(empty):
                return list(placed.items())  # the groups left are needed to fill the empty parts
            if any(placed.get(group) == part for group in carriers):
                continue
            group = next((g for g in carriers if g not in placed and sizes[g] <= free[part]), None)
            if group is not None:
                placed[group] = part
                free[part] -= sizes[group]
    return list(placed.items())


def _share_out(total: int, shares: npt.NDArray[np.float64]) -> Counts:
    """`total` by largest remainder, at least 1 each."""
    exact = shares * total
    counts = np.maximum(np.floor(exact + 1e-9).astype(np.int64), 1)
    while counts.sum() != total:
        short = counts.sum() < total
        gap = exact - counts
        counts[int(np.argmax(gap) if short else np.argmin(np.where(counts > 1, gap, np.inf)))] += (
            1 if short else -1
        )
    return counts


def _show(shares: npt.NDArray[np.float64]) -> str:
    return ", ".join(f"{share:g}" for share in shares)
