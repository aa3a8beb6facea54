import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stripsight.data.shift import two_sample
from stripsight.data.shift.two_sample import FOLDS, compare_samples


def draw(count_a, count_b, *, shift=0.0, spread=1.0, seed=0, columns=6):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(count_a, columns))
    b = rng.normal(size=(count_b, columns))
    b[:, 0] = shift + spread * b[:, 0]
    return np.concatenate([a, b]), np.arange(count_a + count_b) >= count_a


def test_halves_of_one_set_cannot_be_told_apart():
    """The 95 % interval holds 0.5 for about 95 % of them (benchmarks/RESULTS.md)."""
    results = []
    for seed in range(40):
        features, is_b = draw(50, 50, seed=seed)
        results.append(compare_samples(features, is_b, np.arange(100), seed=seed))
    covered = np.mean([r.low <= 0.5 <= r.high for r in results])
    assert 0.85 <= covered <= 1
    # Pooling the folds would pull the mean below one half.
    assert np.mean([r.auroc for r in results]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([r.p_value <= 0.05 for r in results]) <= 0.15


@pytest.mark.parametrize(
    ("difference", "at_least"), [({"shift": 2.0}, 0.85), ({"spread": 6.0}, 0.75)]
)
def test_a_shift_of_place_or_of_spread_is_seen(difference, at_least):
    features, is_b = draw(200, 150, **difference)
    result = compare_samples(features, is_b, np.arange(350))
    assert result.auroc > at_least
    assert result.low > 0.6
    assert result.p_value == 1 / 200


def test_the_highest_score_is_the_most_unlike_image():
    features, is_b = draw(100, 100, shift=1.0)
    features[150, 0] = 30
    scores = compare_samples(features, is_b, np.arange(200)).scores
    assert np.argsort(-scores)[:3].tolist().count(150) == 1


def test_sets_told_apart_without_a_fault_have_no_interval_of_nothing():
    features, is_b = draw(60, 60, shift=50.0, columns=1)
    result = compare_samples(features, is_b, np.arange(120))
    assert result.auroc == result.high == 1
    assert 0.9 < result.low < 1


def test_look_alikes_do_not_leak():
    """Ten copies of each of twelve images: apart in folds they would be recognised."""
    rng = np.random.default_rng(3)
    originals = rng.normal(size=(12, 8))
    features = np.repeat(originals, 10, axis=0) + rng.normal(0, 1e-3, (120, 8))
    is_b = np.arange(120) >= 60
    leaking = compare_samples(features, is_b, np.arange(120))
    grouped = compare_samples(features, is_b, np.repeat(np.arange(12), 10))
    assert leaking.auroc > 0.95
    assert leaking.low > 0.5
    assert grouped.low <= 0.5 <= grouped.high
    assert grouped.p_value > 0.05


def test_folds_keep_groups_whole_and_sets_even():
    rng = np.random.default_rng(0)
    groups = np.unique(rng.integers(0, 150, 400), return_inverse=True)[1]
    is_b = rng.random(400) < 0.3
    folds = two_sample._deal_folds(is_b, groups, rng)
    assert all(len(set(folds[groups == g])) == 1 for g in np.unique(groups))
    for members in (is_b, ~is_b):
        counts = np.bincount(folds[members], minlength=FOLDS)
        assert counts.max() - counts.min() <= 3


def test_labels_are_dealt_within_folds():
    rng = np.random.default_rng(0)
    is_b = rng.random(300) < 0.4
    groups = np.arange(300)
    folds = two_sample._deal_folds(is_b, groups, rng)
    dealt = two_sample._shuffle_within(is_b, groups, folds, rng)
    for fold in range(FOLDS):
        assert dealt[folds == fold].sum() == is_b[folds == fold].sum()
    assert 0.3 < (dealt == is_b).mean() < 0.8


def test_the_auroc_of_one_fold_and_its_error_are_scikit_learns_and_delongs():
    rng = np.random.default_rng(4)
    is_b = np.arange(80) >= 50
    scores = np.round(rng.normal(size=80) + is_b, 1)  # rounded: with ties
    ranking = two_sample._rank(scores[:, None], is_b[:, None], np.zeros(80, dtype=np.int64))
    assert ranking.aurocs == pytest.approx(roc_auc_score(is_b, scores), abs=1e-12)
    # DeLong et al. 1988, equations 4 to 6, written out.
    kernel = (scores[is_b][:, None] > scores[~is_b]) + 0.5 * (
        scores[is_b][:, None] == scores[~is_b]
    )
    variance = kernel.mean(axis=1).var(ddof=1) / 30 + kernel.mean(axis=0).var(ddof=1) / 50
    error = two_sample._add_up(ranking.influence, np.arange(80))
    # Components over n - 1 where DeLong has n (n - 1) under the root: larger by n / (n - 1).
    assert error**2 == pytest.approx(variance, rel=1 / 25)


def test_constant_and_missing_features_do_no_harm():
    features, is_b = draw(50, 50)
    features[:, 1] = 7
    result = compare_samples(features, is_b, np.arange(100))
    assert np.isfinite([result.auroc, result.low, result.high]).all()
    nothing = compare_samples(np.ones((100, 3)), is_b, np.arange(100))
    assert nothing.auroc == 0.5
    assert nothing.low <= 0.5 <= nothing.high
    assert nothing.p_value == 1
