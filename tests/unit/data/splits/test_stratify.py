import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.splits.stratify import (
    PARTS,
    make_fold_numbers,
    make_holdout_split,
    share_equally,
    shuffle_parts,
)
from stripsight.errors import SplitError

FRACTIONS = (0.7, 0.15, 0.15)


@st.composite
def labelled_groups(draw):
    count = draw(st.integers(3, 60))
    classes = draw(st.integers(1, 5))
    labels = draw(st.lists(st.integers(0, 2**classes - 1), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(-1, count // 2), min_size=count, max_size=count))
    bits = (np.array(labels)[:, None] >> np.arange(classes)) & 1
    return bits.astype(np.uint8), np.array(groups)


def group_sizes(groups):
    named = groups[groups >= 0]
    return np.bincount(named)[np.unique(named)].tolist() + [1] * int((groups < 0).sum())


@settings(max_examples=80, deadline=None)
@given(labelled_groups(), st.sampled_from([FRACTIONS, (0.8, 0.1, 0.1), (1 / 3, 1 / 3, 1 / 3)]))
def test_parts_are_full_groups_whole_and_sizes_near_the_fractions(data, fractions):
    labels, groups = data
    sizes = group_sizes(groups)
    if len(sizes) < 3:
        with pytest.raises(SplitError, match="groups of look-alike"):
            make_holdout_split(labels, groups, fractions=fractions, seed=0)
        return
    parts = make_holdout_split(labels, groups, fractions=fractions, seed=0)

    assert parts.shape == (len(labels),)
    for group in np.unique(groups[groups >= 0]):
        assert len(set(parts[groups == group])) == 1
    for part, share in zip(PARTS, fractions, strict=True):
        size = (parts == part).sum()
        assert size > 0
        # Above the share by less than the largest group; a part of less than one image holds one.
        assert size < max(share * len(labels), 1) + max(sizes)


@settings(max_examples=60, deadline=None)
@given(labelled_groups())
def test_without_groups_sizes_are_exact_to_one_image(data):
    labels, _ = data
    parts = make_holdout_split(labels, np.arange(len(labels)), fractions=FRACTIONS, seed=1)
    sizes = [(parts == part).sum() for part in PARTS]
    wanted = np.array(FRACTIONS) * len(labels)
    if wanted.min() >= 1:
        np.testing.assert_array_less(np.abs(sizes - wanted), 1)


def test_same_seed_same_split_another_seed_another():
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 4)) < [0.1, 0.05, 0.4, 0.1]).astype(np.uint8)
    groups = np.arange(300)
    first, again, other = (
        make_holdout_split(labels, groups, fractions=FRACTIONS, seed=seed) for seed in (5, 5, 6)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_every_class_reaches_every_part_when_three_groups_carry_it():
    rng = np.random.default_rng(3)
    labels = (rng.random((200, 6)) < 0.2).astype(np.uint8)
    for column, positives in enumerate((3, 3, 4)):
        labels[:, column] = 0
        labels[rng.choice(200, positives, replace=False), column] = 1
    for seed in range(20):
        parts = make_holdout_split(labels, np.arange(200), fractions=FRACTIONS, seed=seed)
        for part in PARTS:
            assert labels[parts == part].any(axis=0).all()


def test_a_class_on_two_images_goes_to_train_and_validation():
    labels = np.zeros((40, 2), dtype=np.uint8)
    labels[[7, 30], 1] = 1
    labels[20:, 0] = 1
    parts = make_holdout_split(labels, np.full(40, -1), fractions=FRACTIONS, seed=0)
    assert sorted(parts[[7, 30]]) == ["train", "validation"]


def test_prevalence_is_even_where_random_splits_are_not():
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 3)) < [0.02, 0.07, 0.4]).astype(np.uint8)
    pairs = np.concatenate([np.repeat(np.arange(500), 2), np.full(1000, -1)])
    parts = make_holdout_split(labels, pairs, fractions=FRACTIONS, seed=0)
    for part, share in zip(PARTS, FRACTIONS, strict=True):
        positives = labels[parts == part].sum(axis=0)
        assert np.abs(positives - share * labels.sum(axis=0)).max() <= 2


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((0.7, 0.3), "2 fractions"),
        ((0.7, 0.2, 0.2), "sum to 1.1"),
        ((0.9, 0.2, -0.1), "each must be above 0"),
        ((0.8, 0.2, 0.0), "each must be above 0"),
        ((0.8, 0.2, float("nan")), "each must be above 0"),
    ],
)
def test_wrong_fractions_are_refused(fractions, message):
    with pytest.raises(SplitError, match=message):
        make_holdout_split(np.zeros((10, 2), np.uint8), np.arange(10), fractions=fractions, seed=0)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_images_are_refused(count):
    with pytest.raises(SplitError, match=f"{count} labelled images cannot fill"):
        make_holdout_split(
            np.zeros((count, 4), np.uint8), np.arange(count), fractions=FRACTIONS, seed=0
        )


def test_three_images_make_three_parts():
    parts = make_holdout_split(
        np.zeros((3, 4), np.uint8), np.arange(3), fractions=FRACTIONS, seed=0
    )
    assert sorted(parts) == sorted(PARTS)


def counted_labels():
    """Labels by arithmetic alone, so that no other numpy draws them differently."""
    i = np.arange(700)
    return np.stack(
        [i * 7 % 31 == 0, i * 11 % 53 == 3, i * 13 % 5 < 2, i * 17 % 19 == 1], axis=1
    ).astype(np.uint8)


@pytest.mark.parametrize(
    ("group", "fractions", "seed", "sha256"),
    [
        (lambda i: i, FRACTIONS, 0, "ee9b498040b0e3cf"),
        (lambda i: i, FRACTIONS, 5, "9750d2c42656237b"),
        (lambda i: np.where(i < 200, i // 2, -1), (0.8, 0.1, 0.1), 1, "e4d54a9a025e9e23"),
        (lambda i: (i * i // 97) % 60, FRACTIONS, 2, "794bde7eb0c24a12"),
        (lambda i: i // 9, (1 / 3, 1 / 3, 1 / 3), 3, "dfb7da0e7433317c"),
    ],
)
def test_a_seed_gives_the_split_that_it_gave_before_there_were_folds(
    group, fractions, seed, sha256
):
    parts = make_holdout_split(
        counted_labels(), group(np.arange(700)), fractions=fractions, seed=seed
    )
    assert hashlib.sha256("\n".join(parts.tolist()).encode()).hexdigest()[:16] == sha256


@settings(max_examples=80)
@given(labelled_groups(), st.integers(3, 8))
def test_folds_are_full_groups_whole_and_sizes_near_equal(data, folds):
    labels, groups = data
    sizes = group_sizes(groups)
    if len(sizes) < folds:
        with pytest.raises(SplitError, match=f"cannot fill {folds} folds"):
            make_fold_numbers(labels, groups, folds=folds, seed=0)
        return
    numbers = make_fold_numbers(labels, groups, folds=folds, seed=0)
    assert (numbers == make_fold_numbers(labels, groups, folds=folds, seed=0)).all()
    for group in np.unique(groups[groups >= 0]):
        assert len(set(numbers[groups == group])) == 1
    counts = np.bincount(numbers, minlength=folds)
    assert len(counts) == folds
    assert counts.min() > 0
    assert counts.max() < max(len(labels) / folds, 1) + max(sizes)


def test_every_class_reaches_every_fold_when_as_many_groups_carry_it():
    rng = np.random.default_rng(3)
    labels = (rng.random((200, 6)) < 0.2).astype(np.uint8)
    for column, positives in enumerate((5, 5, 6)):
        labels[:, column] = 0
        labels[rng.choice(200, positives, replace=False), column] = 1
    for seed in range(20):
        numbers = make_fold_numbers(labels, np.arange(200), folds=5, seed=seed)
        for fold in range(5):
            assert labels[numbers == fold].any(axis=0).all()


def test_rare_label_sets_are_spread_over_the_folds():
    rng = np.random.default_rng(0)
    labels = np.zeros((1000, 3), np.uint8)
    labels[:400, 0] = 1
    labels[400:450, 1] = 1
    labels[450:464, [0]] = 1
    labels[450:464, [1]] = 1  # 14 of two classes
    labels[464:467] = 1  # 3 of all three
    labels = labels[rng.permutation(1000)]
    numbers = make_fold_numbers(labels, np.arange(1000), folds=5, seed=0)
    code = labels @ [1, 2, 4]
    for combination in np.unique(code):
        of_fold = np.bincount(numbers[code == combination], minlength=5)
        assert of_fold.max() - of_fold.min() <= 1, (combination, of_fold)
    assert np.bincount(numbers[code == 7], minlength=5).max() == 1


@pytest.mark.parametrize("folds", [-1, 0, 1, 2])
def test_too_few_folds_are_refused(folds):
    with pytest.raises(SplitError, match=f"{folds} folds: at least 3"):
        share_equally(folds)


def test_a_shuffle_is_even_in_size_and_knows_no_groups():
    shares = np.array(FRACTIONS)
    parts = shuffle_parts(100, shares, seed=0)
    assert np.bincount(parts).tolist() == [70, 15, 15]
    assert (parts == shuffle_parts(100, shares, seed=0)).all()
    assert (parts != shuffle_parts(100, shares, seed=1)).any()
    with pytest.raises(SplitError, match="2 labelled images cannot fill 3 parts"):
        shuffle_parts(2, shares, seed=0)
