"""What was called on the images of an escape: against looking at them one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED
from stripsight.evaluation.called_instead import CalledInstead, count_called_instead

NAMES = ("bar", "blob", "pit")
cells = st.tuples(st.sampled_from([CLEAN, REVIEW, DEFECT]), st.integers(0, 1))


def test_each_way_to_be_missed() -> None:
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]], np.uint8)
    codes = np.array(
        [
            [CLEAN, DEFECT, CLEAN],  # another one instead
            [CLEAN, DEFECT, DEFECT],  # two others
            [CLEAN, DEFECT, CLEAN],  # one that is there too
            [CLEAN, CLEAN, CLEAN],  # nothing
            [CLEAN, REVIEW, CLEAN],  # a person
            [DEFECT, CLEAN, DEFECT],  # found: in no entry
        ],
        np.int8,
    )
    assert count_called_instead(codes, labels, NAMES) == (
        CalledInstead("bar", 5, {"blob": 2, "pit": 1}, {"blob": 1}, 1, 1),
    )


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=20))
def test_every_count_is_right(rows: list[tuple[tuple[int, int], ...]]) -> None:
    table = np.array(rows)
    codes, labels = table[:, :, 0].astype(np.int8), table[:, :, 1].astype(np.uint8)
    found = {entry.name: entry for entry in count_called_instead(codes, labels, NAMES)}
    for column, name in enumerate(NAMES):
        images = [row for row in rows if row[column] == (CLEAN, 1)]
        assert (name in found) == bool(images)
        if not images:
            continue
        entry = found[name]
        assert entry.escapes == len(images)
        for truth, counts in ((0, entry.wrongly), (1, entry.rightly)):
            for other, title in enumerate(NAMES):
                called = sum(row[other] == (DEFECT, truth) for row in images)
                assert counts.get(title, 0) == called
        said = [{code for code, _ in row} for row in images]
        assert entry.nothing == sum(codes == {CLEAN} for codes in said)
        assert entry.review == sum(DEFECT not in codes and REVIEW in codes for codes in said)


def test_an_undecided_class_does_not_escape() -> None:
    codes = np.array([[UNDECIDED, DEFECT]], np.int8)
    assert count_called_instead(codes, np.ones((1, 2), np.uint8), ("bar", "blob")) == ()
