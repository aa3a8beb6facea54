"""Swap whole groups between folds while that makes classes and label sets more even.

A greedy assignment is left with what its last groups leave it. Here two groups of two parts change
places as long as the weighted sum of squared deviations falls, the best swap first. Sizes of parts
stay within one image of what they were meant to be or no further off than they were, and no part
loses the last image of a class.
"""

import itertools

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

# Swaps weighed at once; more would take memory and seconds that the last tenth is not worth.
_MAX_PAIRS = 4_000_000
# Below this a gain is rounding, which may differ from machine to machine.
_SMALLEST_GAIN = 1e-9


def even_out(
    part_of: Counts,
    strata: Counts,
    sizes: Counts,
    *,
    class_count: int,
    weights: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
) -> Counts:
    """Part of each group after the swaps, int64 `[G]`.

    Args:
        part_of: before them, `[G]`.
        strata: images of each class, then of each label set, per group, `[G, S]`.
        sizes: images per group, `[G]`.
        class_count: how many of the S columns are classes.
        weights: of the squared deviation of each column, `[S]`.
        shares: of each part, `[K]`.
    """
    # Groups of the same content are as good as each other.
    kinds, kind_of = np.unique(np.column_stack([strata, sizes]), axis=0, return_inverse=True)
    members = np.zeros((len(shares), len(kinds)), dtype=np.int64)
    np.add.at(members, (part_of, kind_of), 1)
    moved = np.ones(len(shares), dtype=bool)
    # Each pair of parts again for as long as one of the two has changed.
    while moved.any():
        changed, moved = moved, np.zeros_like(moved)
        for pair in itertools.combinations(range(len(shares)), 2):
            if (changed[list(pair)] | moved[list(pair)]).any():
                moved[list(pair)] |= _swap_between(
                    members, pair, kinds, class_count, weights, shares
                )
    return _hand_out(part_of, kind_of, members)


def _swap_between(
    members: Counts,
    pair: tuple[int, int],
    kinds: Counts,
    class_count: int,
    weights: npt.NDArray[np.float64],
    shares: npt.NDArray[np.float64],
) -> bool:
    """Swap kinds between two parts, in `members` `[K, kinds]`, until nothing is gained."""
    one, two = pair
    own = [np.flatnonzero(members[one]), np.flatnonzero(members[two])]
    if own[0].size * own[1].size > _MAX_PAIRS:
        return False
    any_swap = False
    target = shares[list(pair), None] * (members.sum(axis=0) @ kinds)[None, :]
    while True:
        first, second = np.flatnonzero(members[one]), np.flatnonzero(members[two])
        held = members[list(pair)] @ kinds
        surplus = held - target
        content = kinds[:, :-1].astype(np.float64)
        a, b = content[first], content[second]
        # Of a swap d = a - b: |s1 - d|^2 + |s2 + d|^2 - |s1|^2 - |s2|^2 = 2 (|d|^2 - d (s1 - s2)).
        squares = [(x * x) @ weights for x in (a, b)]
        pull = [x @ (weights * (surplus[0] - surplus[1])[:-1]) for x in (a, b)]
        change = squares[0][:, None] + squares[1][None, :] - 2 * (a * weights) @ b.T
        change -= pull[0][:, None] - pull[1][None, :]
        grown = kinds[second, -1][None, :] - kinds[first, -1][:, None]
        for side, sign in ((0, 1), (1, -1)):
            bound = max(abs(surplus[side, -1]), 1)
            change[np.abs(surplus[side, -1] + sign * grown) > bound + _SMALLEST_GAIN] = np.inf
        best = _find_best(change, kinds[first], kinds[second], held, class_count)
        if best is None:
            return any_swap
        for part, gives, takes in (
            (one, first[best[0]], second[best[1]]),
            (two, second[best[1]], first[best[0]]),
        ):
            members[part, gives] -= 1
            members[part, takes] += 1
        any_swap = True


def _find_best(
    change: npt.NDArray[np.float64],
    first: Counts,
    second: Counts,
    held: Counts,
    class_count: int,
) -> tuple[int, int] | None:
    """The swap that gains most and takes no part's last image of a class."""
    rounded = np.round(change, 9)
    while rounded.size:
        row, column = divmod(int(np.argmin(rounded)), rounded.shape[1])
        if not rounded[row, column] < -_SMALLEST_GAIN:
            return None
        moved = (first[row] - second[column])[:class_count]
        left = np.stack([held[0, :class_count] - moved, held[1, :class_count] + moved])
        if not ((left <= 0) & (held[:, :class_count] > 0)).any():
            return row, column
        rounded[row, column] = np.inf
    return None


def _hand_out(part_of: Counts, kind_of: Counts, members: Counts) -> Counts:
    """Groups for the kinds of each part, staying where they are as far as they may."""
    result = np.full_like(part_of, -1)
    left = members.copy()
    for group, (part, kind) in enumerate(zip(part_of, kind_of, strict=True)):
        if left[part, kind]:
            left[part, kind] -= 1
            result[group] = part
    for displaced in np.flatnonzero(result < 0):
        part = int(np.argmax(left[:, kind_of[displaced]] > 0))
        left[part, kind_of[displaced]] -= 1
        result[displaced] = part
    return result
