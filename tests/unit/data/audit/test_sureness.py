"""How much of a list to expect to be right, in words and in what the audit prints."""

import pytest

from stripsight.data.audit.confident_learning import Audit, ClassAudit, Suspect
from stripsight.data.audit.report import AuditReport
from stripsight.data.audit.sureness import (
    compute_doubt,
    describe_expectation,
    expect_wrong,
    warn_of_weakness,
)


def suspect(column, score):
    return Suspect("a.jpg", column, True, score, score)


def test_doubt_is_the_mean_probability_against_the_given_labels_of_a_class():
    suspects = [suspect(0, 0.1), suspect(0, 0.3), suspect(1, 0.0)]
    assert compute_doubt(suspects, 0) == pytest.approx(0.8)
    assert compute_doubt(suspects, 1) == 1
    assert compute_doubt(suspects, 2) is None
    assert describe_expectation(None) == ""


@pytest.mark.parametrize(
    ("doubt", "of_ten"), [(0, 2), (0.849, 2), (0.85, 6), (0.949, 6), (0.95, 9)]
)
def test_expectation_follows_the_measured_bands(doubt, of_ten):
    assert expect_wrong(doubt) == of_ten
    assert describe_expectation(doubt) == f"about {of_ten} in 10"


def test_a_weak_network_is_named_with_its_class_and_a_firm_one_is_not(make_prepared):
    dataset = make_prepared([{1: "box"}, {}])
    classes = tuple(
        ClassAudit(name, 40, 20, (0.9, 0.8), ((18, 2), (2, 18)), 2, 2, None)
        for name in ("scratch", "pit", "stain")
    )
    suspects = (suspect(0, 0.2), suspect(0, 0.4), suspect(1, 0.01))
    report = AuditReport(
        dataset, Audit(classes, suspects), ("run",), {"test": 2, "validation": 0}, 0
    )
    (note,) = [note for note in report.notes if "expect" in note]
    assert note.startswith("scratch: the network is not sure of these 2 suspects itself (70.0 %")
    assert "about 2 in 10 to be wrong labels" in note
    record = report.to_json()
    assert [c["doubt"] for c in record["classes"]] == pytest.approx([0.7, 0.99, None])
    assert warn_of_weakness("pit", suspects, 1) is None
