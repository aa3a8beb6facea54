"""Counts against a hand-made case and against the rule of the loss."""

import numpy as np
import pytest

from stripsight.data.analysis.counts import count_dataset, name_classes, suggest_pos_weight
from stripsight.models.losses import compute_pos_weight

SETS = [(), (), (1,), (1,), (1, 2), (2,), (1, 2, 3), ()]


@pytest.fixture
def counts(make_prepared):
    return count_dataset(make_prepared([dict.fromkeys(s, "box") for s in SETS] + [None]))


def test_images_labels_and_sets(counts):
    assert (counts.images, counts.labelled, counts.clean) == (9, 8, 3)
    assert [c.images for c in counts.classes] == [4, 3, 1]
    assert [c.prevalence for c in counts.classes] == [0.5, 0.375, 0.125]
    assert counts.images_by_labels == (3, 3, 1, 1)
    assert [(s.classes, s.images) for s in counts.label_sets] == [
        ((), 3), ((1,), 2), ((2,), 1), ((1, 2), 1), ((1, 2, 3), 1),
    ]  # fmt: skip
    assert counts.classes[0].drawn == {"mask": 0, "box": 4, "presence": 0}


def test_lift_is_how_often_over_how_often_by_chance(counts):
    pair = counts.pairs[0]
    assert (pair.first, pair.second, pair.images) == (1, 2, 2)
    assert pair.expected == pytest.approx(8 * 0.5 * 0.375)
    assert pair.lift == pytest.approx(2 / 1.5)


def test_pos_weight_follows_the_loss(make_prepared):
    dataset = make_prepared([dict.fromkeys(s, "box") for s in SETS])
    expected = compute_pos_weight(dataset.label_matrix(), limit=1e9).numpy()
    found = [c.pos_weight for c in count_dataset(dataset).classes]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert suggest_pos_weight(0, 5) is None
    assert suggest_pos_weight(5, 5) is None


def test_no_label_gives_no_number(make_prepared):
    counts = count_dataset(make_prepared([None, None]))
    assert counts.label_sets == ()
    assert np.isnan(counts.classes[0].prevalence)
    assert counts.pairs[0].lift is None


def test_sizes_by_how_common_they_are(make_prepared):
    dataset = make_prepared([{}] * 3, sizes=[(16, 40), (8, 8), (16, 40)])
    sizes = count_dataset(dataset).sizes
    assert [(s.width, s.height, s.images) for s in sizes] == [(40, 16, 2), (8, 8, 1)]


def test_a_set_in_words(make_prepared):
    classes = make_prepared([{}]).classes
    assert name_classes(classes, ()) == "clean"
    assert name_classes(classes, (1, 3)) == "scratch + stain"
