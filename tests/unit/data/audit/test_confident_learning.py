"""Confident learning against hand-computed cases, a slow reference, and known wrong labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.audit.confident_learning import (
    FEWEST_IMAGES,
    audit_class,
    audit_labels,
    explain_suspect,
)


def audit_one(labels, probabilities, ids=None):
    ids = ids or [f"{row:04d}" for row in range(len(labels))]
    columns = np.array(labels, np.uint8)[:, None], np.array(probabilities, float)[:, None]
    return audit_labels(ids, *columns, ["pit"])


def test_a_case_computed_by_hand():
    # t_0 = (18 * .9 + 9 * .6 + 3 * .1) / 30 = .73, t_1 = (8 * .8 + 2 * .05) / 10 = .65; the nine
    # at .4 reach neither, so 30 * 3 / (18 + 3) = 4.3 and 10 * 2 / (2 + 8) = 2 are to review.
    labels = [0] * 30 + [1] * 10
    probabilities = [0.1] * 18 + [0.4] * 9 + [0.9] * 3 + [0.8] * 8 + [0.05] * 2
    audit = audit_one(labels, probabilities)
    (judged,) = audit.classes
    assert judged.thresholds == pytest.approx((0.73, 0.65))
    assert judged.confident_joint == ((18, 3), (2, 8))
    assert (judged.wrongly_absent, judged.wrongly_present) == (4, 2)
    assert judged.why_none is None
    found = [(s.image, s.given, round(s.score, 9)) for s in audit.suspects]
    assert found == [
        ("0038", True, 0.05),
        ("0039", True, 0.05),
        ("0027", False, 0.1),
        ("0028", False, 0.1),
        ("0029", False, 0.1),
        ("0018", False, 0.6),
    ]
    assert explain_suspect(audit.suspects[0], judged) == (
        "labelled pit, predicted 5.0 %; images labelled so get 65.0 % on average"
    )
    assert explain_suspect(audit.suspects[2], judged) == (
        "not labelled pit, predicted 90.0 %; images not labelled so get 27.0 % on average"
    )


def test_where_both_thresholds_are_reached_the_more_probable_label_counts():
    given_labels = np.array([False] * 10 + [True] * 10)
    judged = audit_class("pit", given_labels, np.array([0.4] * 10 + [0.3] * 10))
    assert judged.confident_joint == ((10, 0), (10, 0))
    judged = audit_class("pit", given_labels, np.array([0.7] * 10 + [0.6] * 10))
    assert judged.confident_joint == ((0, 10), (0, 10))


def reference_joint(labels, probabilities):
    """Equation 1 of the paper, image by image."""
    thresholds = []
    for y in (0, 1):
        own = [p if y else 1 - p for s, p in zip(labels, probabilities, strict=True) if s == y]
        thresholds.append(sum(own) / len(own) if own else float("inf"))
    joint = [[0, 0], [0, 0]]
    for s, p in zip(labels, probabilities, strict=True):
        reached = [y for y in (0, 1) if (p if y else 1 - p) >= thresholds[y] - 1e-9]
        if reached:
            joint[s][max(reached, key=lambda y: p if y else 1 - p)] += 1
    return tuple(map(tuple, joint))


# No probability of one half: there the more probable label is a matter of taste.
images = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 1).filter(lambda p: abs(p - 0.5) > 1e-6)),
    min_size=1,
    max_size=60,
)


@given(images)
def test_the_joint_is_that_of_the_definition(rows):
    labels, probabilities = map(list, zip(*rows, strict=True))
    judged = audit_class("pit", np.array(labels, bool), np.array(probabilities))
    assert judged.confident_joint == reference_joint(labels, probabilities)
    if judged.why_none is None:
        assert 0 <= judged.wrongly_present < judged.positives
        assert 0 <= judged.wrongly_absent < judged.images - judged.positives


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 0]))
@settings(max_examples=30)
def test_the_order_of_the_images_changes_nothing(seed, decimals):
    rng = np.random.default_rng(seed)
    labels, probabilities, _ = simulate(rng, images=200)
    if decimals is not None:
        probabilities = probabilities.round(decimals)  # many ties
    ids = [f"{row:04d}" for row in range(200)]
    names = [f"c{column}" for column in range(labels.shape[1])]
    order = rng.permutation(200)
    expected = audit_labels(ids, labels, probabilities, names)
    shuffled = audit_labels([ids[row] for row in order], labels[order], probabilities[order], names)
    assert shuffled == expected


def simulate(rng, *, images=4000, separation=3.5, missing=0.06, wrong=0.01):
    """Labels of four classes of uneven frequency, some flipped; scores that know the truth."""
    prevalence = np.array([0.07, 0.03, 0.41, 0.10])
    truth = rng.random((images, 4)) < prevalence
    prior = 0.3 * np.log(prevalence / (1 - prevalence))
    logits = np.where(truth, 1, -1) * separation * 0.6 + prior + rng.normal(0, 1.2, truth.shape)
    flipped = rng.random(truth.shape) < np.where(truth, missing, wrong * prevalence / 0.4)
    return (truth ^ flipped).astype(np.uint8), 1 / (1 + np.exp(-logits)), flipped


@pytest.mark.parametrize(
    ("separation", "precision", "recall"), [(3.5, 0.65, 0.75), (5.0, 0.9, 0.88)]
)
def test_known_wrong_labels_are_found(separation, precision, recall):
    found, proposed, wrong, by_loss = 0, 0, 0, 0
    for seed in range(5):
        labels, probabilities, flipped = simulate(
            np.random.default_rng(seed), separation=separation
        )
        ids = [f"{row:04d}" for row in range(len(labels))]
        audit = audit_labels(ids, labels, probabilities, list("abcd"))
        assert all(judged.why_none is None for judged in audit.classes)
        found += sum(flipped[int(s.image), s.column] for s in audit.suspects)
        proposed += len(audit.suspects)
        wrong += flipped.sum()
        # As many by the largest cross-entropy, over all classes at once: the usual other way.
        confidence = np.where(labels, probabilities, 1 - probabilities)
        worst = np.argsort(confidence, axis=None)[: len(audit.suspects)]
        by_loss += flipped.ravel()[worst].sum()
    assert found / proposed >= precision
    assert found / wrong >= recall
    assert found >= 0.97 * by_loss
    # The number to review is the estimate of how many are wrong.
    assert proposed == pytest.approx(wrong, rel=0.25)


def test_clean_labels_that_the_network_confirms_give_no_suspect():
    audit = audit_one([0] * 50 + [1] * 20, [0.02] * 50 + [0.97] * 20)
    assert audit.suspects == ()
    assert audit.classes[0].why_none is None


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([0] * 30 + [1] * (FEWEST_IMAGES - 1), "9 images with pit"),
        ([0] * (FEWEST_IMAGES - 1) + [1] * 30, "9 images without pit"),
        ([0] * 30, "0 images with pit"),
        ([1] * 30, "0 images without pit"),
    ],
)
def test_too_few_images_of_either_kind_give_no_proposal(labels, why):
    audit = audit_one(labels, np.linspace(0.99, 0.01, len(labels)))
    assert audit.suspects == ()
    assert why in audit.classes[0].why_none
    assert audit.classes[0].wrongly_absent is None


@pytest.mark.parametrize("positives", [20, 100, 300])
def test_a_network_that_has_learnt_nothing_judges_no_label(positives):
    rng = np.random.default_rng(positives)
    labels = [1] * positives + [0] * (600 - positives)
    for probabilities in (rng.random(600), rng.normal(0.2, 0.01, 600), np.full(600, 0.3)):
        audit = audit_one(labels, probabilities)
        assert audit.suspects == ()
        assert "too weak" in audit.classes[0].why_none
