"""What an audit says that its list is worth, in words and in what it prints."""

import numpy as np
import pytest

from stripsight.data.audit.confident_learning import Audit, ClassAudit, Suspect, audit_labels
from stripsight.data.audit.report import AuditReport
from stripsight.data.audit.sureness import (
    compute_doubt,
    count_suspects,
    describe_expectation,
    expect_wrong,
    is_weak,
    warn_of_weakness,
)

GROUPS = {"a.jpg": 0, "b.jpg": 1, "c.jpg": 1, "d.jpg": 1}


def suspect(column, score, image="a.jpg"):
    return Suspect(image, column, True, score, score)


def judge(name="pit", found=0.95, confirmed=0.95):
    joint = ((18, 2), (2, 18))
    return ClassAudit(name, 40, 20, (0.9, 0.8), joint, 2, 2, None, found, confirmed)


def test_doubt_counts_a_group_of_look_alikes_once():
    suspects = [suspect(0, 0.4), *(suspect(0, 0.0, f"{name}.jpg") for name in "bcd")]
    assert compute_doubt(suspects, 0, GROUPS) == pytest.approx((0.6 + 1) / 2)
    assert compute_doubt(suspects, 1, GROUPS) is None
    assert count_suspects(suspects, 0, given=True, group_of=GROUPS) == "4 (2 groups)"
    assert count_suspects(suspects[:2], 0, given=True, group_of=GROUPS) == "2"
    assert count_suspects(suspects, 0, given=False, group_of=GROUPS) == "0"


@pytest.mark.parametrize(
    ("doubt", "of_ten"), [(0, 2), (0.849, 2), (0.85, 6), (0.949, 6), (0.95, 9)]
)
def test_expectation_follows_the_measured_bands(doubt, of_ten):
    assert expect_wrong(doubt) == of_ten
    assert describe_expectation(doubt, judge()) == f"{of_ten} in 10"


def test_a_network_that_misses_the_class_gets_no_rate():
    assert describe_expectation(None, judge()) == ""
    for weak in (judge(found=0.68), judge(confirmed=0.7), judge(found=0.0, confirmed=None)):
        assert is_weak(weak)
        assert describe_expectation(0.99, weak) == "weak network"
    note = warn_of_weakness(judge(found=0.68), [suspect(0, 0.01)], 0, GROUPS)
    assert note is not None
    assert "weak here (it finds 68.0 % of the images labelled so, 95.0 % of those it calls" in note


def test_how_many_a_network_finds_counts_look_alikes_once():
    # Labelled: three look-alikes that are found, one image that is not. Called: these and one more.
    labels = np.array([[1], [1], [1], [1], [0], [0]], np.uint8)
    scores = np.array([[0.9], [0.8], [0.5], [0.49], [0.7], [0.1]])
    groups = np.array([7, 7, 7, 1, 2, 3])
    (judged,) = audit_labels(list("abcdef"), labels, scores, ["pit"], groups).classes
    assert judged.found == pytest.approx(1 / 2)
    assert judged.confirmed == pytest.approx(1 / 2)
    (alone,) = audit_labels(list("abcdef"), labels, scores, ["pit"]).classes
    assert (alone.found, alone.confirmed) == (pytest.approx(3 / 4), pytest.approx(3 / 4))


def test_a_list_that_is_not_sure_is_named_with_its_class(make_prepared):
    dataset = make_prepared([{1: "box"}, {}])
    first, second = (str(name) for name in dataset.images["id"])
    classes = tuple(judge(name) for name in ("scratch", "pit", "stain"))
    suspects = (suspect(0, 0.2, first), suspect(0, 0.4, second), suspect(1, 0.01, first))
    report = AuditReport(
        dataset, Audit(classes, suspects), ("run",), {"test": 2, "validation": 0}, 0
    )
    (note,) = [note for note in report.notes if note.startswith("scratch")]
    assert note.startswith("scratch: the network is not sure of these 2 suspects itself (70.0 %")
    assert "in a trial 2 in 10 of such were wrong labels" in note
    assert sum(note.startswith("wrong in a trial:") for note in report.notes) == 1
    record = report.to_json()
    assert [c["doubt"] for c in record["classes"]] == pytest.approx([0.7, 0.99, None])
    assert not any(c["weak_network"] for c in record["classes"])
