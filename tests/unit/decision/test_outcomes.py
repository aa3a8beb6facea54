"""Escapes, overkills and reviews: against counting one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stripsight.decision.outcomes import Counts, count_outcomes
from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, judge_images

pairs = st.tuples(st.sampled_from([CLEAN, REVIEW, DEFECT]), st.integers(0, 1))


@given(st.lists(st.tuples(pairs, pairs), min_size=1, max_size=20))
def test_every_count_is_right(rows: list[tuple[tuple[int, int], ...]]) -> None:
    table = np.array(rows)
    codes, labels = table[:, :, 0].astype(np.int8), table[:, :, 1].astype(np.uint8)
    outcomes = count_outcomes(codes, labels)

    verdicts = judge_images(codes).tolist()
    truths = [int(any(truth for _, truth in row)) for row in rows]

    def count(pairs: list[tuple[int, int]]) -> Counts:
        unsure = [v for (code, _), v in zip(pairs, verdicts, strict=True) if code == REVIEW]
        return Counts(
            positives=sum(truth for _, truth in pairs),
            negatives=sum(1 - truth for _, truth in pairs),
            found=pairs.count((DEFECT, 1)),
            escapes=pairs.count((CLEAN, 1)),
            overkills=pairs.count((DEFECT, 0)),
            reviews=sum(verdict != DEFECT for verdict in unsure),
            overruled=sum(verdict == DEFECT for verdict in unsure),
        )

    for column in (0, 1):
        assert outcomes.classes[column] == count([row[column] for row in rows])
    assert outcomes.images == count(list(zip(verdicts, truths, strict=True)))


def test_a_defect_of_an_undecided_class_escapes_with_its_image() -> None:
    codes = np.array([[CLEAN, UNDECIDED], [DEFECT, UNDECIDED]], np.int8)
    outcomes = count_outcomes(codes, np.array([[0, 1], [1, 1]], np.uint8))
    assert outcomes.classes[1] is None
    assert outcomes.images == Counts(2, 0, found=1, escapes=1, overkills=0, reviews=0)


def test_a_review_that_no_person_gets_is_counted_apart() -> None:
    codes = np.array([[REVIEW, DEFECT], [REVIEW, CLEAN], [REVIEW, REVIEW]], np.int8)
    outcomes = count_outcomes(codes, np.zeros((3, 2), np.uint8))
    first, second = outcomes.classes
    assert first is not None
    assert second is not None
    assert (first.reviews, first.overruled) == (2, 1)
    assert (second.reviews, second.overruled) == (1, 0)
    assert (outcomes.images.reviews, outcomes.images.overruled) == (2, 0)
