import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.splits.balance import measure_balance

NAMES = ("scratch", "pit", "stain")
PARTS = ("one", "two")


def test_deviations_against_a_count_by_hand():
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]], np.uint8)
    parts = np.array(["one"] * 4 + ["two"] * 2)
    balance = measure_balance(labels, parts, class_names=NAMES, part_names=PARTS)
    assert (balance.parts["one"].images, balance.parts["one"].clean) == (4, 1)
    assert balance.parts["two"].classes == {"scratch": 1, "pit": 0, "stain": 0}
    assert balance.total.classes == {"scratch": 4, "pit": 1, "stain": 0}
    # 4 scratches on 6 images: 2.67 are even in part one (3 found), 1.33 in two (1 found).
    # 1 pit: 0.67 in one (1 found, half as many again), 0.33 in two (0 found, all of it amiss).
    scratch, pit = balance.classes
    assert (scratch.part, scratch.found) == ("two", 1)
    assert scratch.relative == pytest.approx(0.25)
    assert (pit.part, pit.found, pit.relative) == ("two", 0, 1)
    assert balance.worst_relative == pit
    assert balance.worst_images.images == pytest.approx(1 / 3)
    # Label sets: scratch alone 3 (2 and 1: even), scratch+pit 1, clean 2 (1 and 1).
    assert {d.name: round(d.images, 4) for d in balance.label_sets} == {
        "scratch": 0.0,
        "scratch+pit": 0.3333,
        "clean": 0.3333,
    }
    assert balance.absent == {"one": ("stain",), "two": ("pit", "stain")}


def test_all_clean_has_no_class_to_stray():
    balance = measure_balance(
        np.zeros((4, 3), np.uint8), np.array(["one", "two"] * 2), class_names=NAMES,
        part_names=PARTS,
    )  # fmt: skip
    assert balance.classes == ()
    assert balance.worst_relative is None
    assert balance.worst_images is None
    assert balance.worst_label_set.images == 0
    assert balance.to_json()["classes"] == []


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1)), min_size=2, max_size=40))
def test_parts_add_up_and_no_deviation_is_larger_than_shown(rows):
    bits, sides = np.array(rows).T
    if len(set(sides.tolist())) < 2:
        return
    labels = ((bits[:, None] >> np.arange(3)) & 1).astype(np.uint8)
    parts = np.array(PARTS)[sides]
    balance = measure_balance(labels, parts, class_names=NAMES, part_names=PARTS)
    for name, column in zip(NAMES, labels.T, strict=True):
        assert sum(p.classes[name] for p in balance.parts.values()) == column.sum()
        for part in PARTS:
            if column.any():
                stray = abs(column[parts == part].mean() / column.mean() - 1)
                assert stray <= balance.worst_relative.relative + 1e-9
    assert sum(p.images for p in balance.parts.values()) == len(labels)
