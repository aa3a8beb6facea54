"""Can a classifier tell two sets of images apart? (Lopez-Paz and Oquab 2017, "Revisiting classifier
two-sample tests".)

Where it cannot, nothing that the features show has shifted; where it can, its score ranks the
images of B by how unlike A they are. The classifier is a regularised linear discriminant on the
features' normal scores and their squares, so it sees shifts of place and of spread. Scores are
out-of-fold, look-alikes never apart, and only images of one fold are ranked against each other:
pooling folds would bias the AUROC below 0.5, since each fold's rest leans the other way.

A linear discriminant is the solution of a linear system whose matrix does not depend on the labels.
So the test by permutation fits every shuffled labelling anew and yet costs a few matrix products.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

FOLDS = 5
FEWEST_IMAGES = 40
"""Of either set; with fewer the test says nothing."""

_SHUFFLES = 199
_RIDGE = 0.1

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TwoSampleTest:
    """How well the sets can be told apart.

    Attributes:
        auroc: chance that an image of B scores above one of A; 0.5 where nothing tells them apart.
        low: lower end of its 95 % interval: DeLong's standard error, summed by group, times what
            holds 95 % of the labellings by chance about 0.5.
        high: upper end.
        p_value: share of labellings by chance whose AUROC is as high.
        scores: float `[N]`, out of fold: by how many standard deviations an image stands beyond
            the mean of its fold's images of A, towards B.
    """

    auroc: float
    low: float
    high: float
    p_value: float
    scores: FloatArray


@dataclass(frozen=True)
class _Ranking:
    """AUROC `[K]` of each labelling and the influence `[N, K]` of each image on it.

    The influences are DeLong's (1988) structural components about their mean, over their number:
    the variance is the sum of their squares, or of the squares of their sums by group.
    """

    aurocs: FloatArray
    influence: FloatArray


def compare_samples(
    features: FloatArray, is_b: npt.NDArray[np.bool_], groups: IntArray, *, seed: int = 0
) -> TwoSampleTest:
    """Train and test the classifier.

    Args:
        features: float `[N, D]`, finite.
        is_b: bool `[N]`, whether an image belongs to B.
        groups: int `[N]`; images of one group stay in one fold.
        seed: of folds and shuffles.
    """
    rng = np.random.default_rng(seed)
    _, groups = np.unique(groups, return_inverse=True)
    folds = _deal_folds(is_b, groups, rng)
    labels = np.empty((len(is_b), 1 + _SHUFFLES))
    labels[:, 0] = is_b
    for column in range(1, 1 + _SHUFFLES):
        labels[:, column] = _shuffle_within(is_b, groups, folds, rng)
    raw = _score_out_of_fold(_expand(features), labels, folds)
    ranking = _rank(raw, labels > 0, folds)
    aurocs, errors = ranking.aurocs, _add_up(ranking.influence, groups)
    # Folds share most of what they learnt from, so their AUROCs vary together and the components
    # alone say too little. How far off they are is seen where the truth is known to be 0.5.
    off = np.abs(aurocs[1:] - 0.5) / np.maximum(errors[1:], 1e-9)
    auroc, error = aurocs[0], float(np.quantile(off, 0.95, method="higher")) * errors[0]
    if errors[0] == 0.0:
        # Told apart without a fault: what one set's images, each by chance, may still hide.
        fewest = min(len(np.unique(groups[is_b])), len(np.unique(groups[~is_b])))
        error = 1 - 0.025 ** (1 / fewest)
    return TwoSampleTest(
        auroc=float(auroc),
        low=max(0.0, float(auroc - error)),
        high=min(1.0, float(auroc + error)),
        p_value=float((aurocs >= auroc).mean()),
        scores=_stand_out(raw[:, 0], is_b, folds),
    )


def _expand(features: FloatArray) -> FloatArray:
    """Normal scores of each feature and their squares, standardised; constant ones left out."""
    varied = features[:, (features != features[:1]).any(axis=0)]
    scores = ndtri((rankdata(varied, axis=0) - 0.5) / len(varied))
    columns = np.concatenate([scores, scores**2], axis=1)
    columns -= columns.mean(axis=0)
    expanded: FloatArray = columns / np.maximum(columns.std(axis=0), 1e-9)
    return expanded


def _deal_folds(
    is_b: npt.NDArray[np.bool_], groups: IntArray, rng: np.random.Generator
) -> IntArray:
    """Fold of each image: groups whole, each set spread evenly, largest groups first."""
    in_group = np.stack([np.bincount(groups, weights=w) for w in (~is_b, is_b)], axis=1)
    filled = np.zeros((FOLDS, 2))
    fold_of_group = np.zeros(len(in_group), dtype=np.int64)
    order = rng.permutation(len(in_group))
    for group in order[np.argsort(-in_group[order].sum(axis=1), kind="stable")]:
        # Fullest in what the group brings; the rest decides among equals.
        load = filled @ in_group[group] + 1e-6 * filled.sum(axis=1)
        fold_of_group[group] = load.argmin()
        filled[fold_of_group[group]] += in_group[group]
    return fold_of_group[groups]


def _shuffle_within(
    is_b: npt.NDArray[np.bool_], groups: IntArray, folds: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Labels dealt anew within each fold, as many of B as it had, groups as whole as can be."""
    place = rng.permutation(int(groups.max()) + 1)
    order = np.lexsort((rng.random(len(groups)), place[groups], folds))
    # Images stand fold by fold; within a fold the last ones become B.
    starts = np.searchsorted(folds[order], np.arange(FOLDS + 1))
    labels = np.zeros(len(is_b))
    for fold in range(FOLDS):
        count = int(is_b[folds == fold].sum())
        end = int(starts[fold + 1])
        chosen = order[end - count : end]
        labels[chosen] = 1.0
    return labels


def _score_out_of_fold(features: FloatArray, labels: FloatArray, folds: IntArray) -> FloatArray:
    """Discriminant scores `[N, K]` of each labelling `[N, K]` by the folds an image is not in."""
    scores = np.empty_like(labels)
    for fold in range(FOLDS):
        held_out = folds == fold
        x, y = features[~held_out], labels[~held_out]
        mean = x.mean(axis=0)
        x = x - mean
        scatter = x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1])
        weights = np.linalg.solve(scatter, x.T @ (y - y.mean(axis=0)))
        scores[held_out] = (features[held_out] - mean) @ weights
    return scores


def _rank(scores: FloatArray, labels: npt.NDArray[np.bool_], folds: IntArray) -> _Ranking:
    """AUROC over pairs of one fold, for each column of scores and labels `[N, K]`.

    By ranks as Sun and Xu (2014, "Fast implementation of DeLong's algorithm"). The labels of all
    columns must have as many of B in a fold.
    """
    aurocs = np.zeros(scores.shape[1])
    influence = np.zeros(scores.shape)
    in_folds = [np.flatnonzero(folds == fold) for fold in range(FOLDS)]
    of_b = [int(labels[inside, 0].sum()) for inside in in_folds]
    pairs = [count * (len(inside) - count) for inside, count in zip(in_folds, of_b, strict=True)]
    for inside, count_b, weight in zip(in_folds, of_b, np.array(pairs) / sum(pairs), strict=True):
        count_a = len(inside) - count_b
        if not weight:
            continue
        order = np.argsort(~labels[inside], axis=0, kind="stable")  # B first
        sorted_scores = np.take_along_axis(scores[inside], order, axis=0)
        among_all = rankdata(sorted_scores, axis=0)
        below = (among_all[:count_b] - rankdata(sorted_scores[:count_b], axis=0)) / count_a
        above = 1 - (among_all[count_b:] - rankdata(sorted_scores[count_b:], axis=0)) / count_b
        auroc = below.mean(axis=0)
        aurocs += weight * auroc
        components = np.concatenate(
            [(below - auroc) / max(count_b - 1, 1), (above - auroc) / max(count_a - 1, 1)]
        )
        unsorted = np.empty_like(components)
        np.put_along_axis(unsorted, order, components, axis=0)
        influence[inside] = weight * unsorted
    return _Ranking(aurocs, influence)


def _stand_out(scores: FloatArray, is_b: npt.NDArray[np.bool_], folds: IntArray) -> FloatArray:
    """Scores `[N]` in standard deviations of their fold's images of A, from the mean of these."""
    standing = np.zeros(len(scores))
    for fold in range(FOLDS):
        inside = folds == fold
        reference = scores[inside & ~is_b]
        spread = float(reference.std()) if len(reference) else 0.0
        if spread:
            standing[inside] = (scores[inside] - reference.mean()) / spread
    return standing


def _add_up(influence: FloatArray, groups: IntArray) -> FloatArray:
    """Standard errors `[K]` from the influences `[N, K]` of independent groups."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sums = np.add.reduceat(influence[order], starts, axis=0)
    errors: FloatArray = np.sqrt(np.square(sums).sum(axis=0))
    return errors
