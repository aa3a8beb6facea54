"""Escapes, overkills and reviews: against counting one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, judge_images
from stripsight.evaluation.policies.outcomes import Counts, count_outcomes

pairs = st.tuples(st.sampled_from([CLEAN, REVIEW, DEFECT]), st.integers(0, 1))


@given(st.lists(st.tuples(pairs, pairs), min_size=1, max_size=20))
def test_every_count_is_right(rows: list[tuple[tuple[int, int], ...]]) -> None:
    table = np.array(rows)
    codes, labels = table[:, :, 0].astype(np.int8), table[:, :, 1].astype(np.uint8)
    outcomes = count_outcomes(codes, labels)

    def count(pairs: list[tuple[int, int]]) -> Counts:
        return Counts(
            positives=sum(truth for _, truth in pairs),
            negatives=sum(1 - truth for _, truth in pairs),
            escapes=pairs.count((CLEAN, 1)),
            overkills=pairs.count((DEFECT, 0)),
            reviews=sum(code == REVIEW for code, _ in pairs),
        )

    for column in (0, 1):
        assert outcomes.classes[column] == count([row[column] for row in rows])
    verdicts = judge_images(codes).tolist()
    truths = [int(any(truth for _, truth in row)) for row in rows]
    assert outcomes.images == count(list(zip(verdicts, truths, strict=True)))


def test_a_defect_of_an_undecided_class_escapes_with_its_image() -> None:
    codes = np.array([[CLEAN, UNDECIDED], [DEFECT, UNDECIDED]], np.int8)
    outcomes = count_outcomes(codes, np.array([[0, 1], [1, 1]], np.uint8))
    assert outcomes.classes[1] is None
    assert outcomes.images == Counts(positives=2, negatives=0, escapes=1, overkills=0, reviews=0)
