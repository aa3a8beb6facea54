"""What an audit says where it proposes nothing."""

import numpy as np
import pytest

from stripsight.data.audit.confident_learning import Audit, ClassAudit
from stripsight.data.audit.report import AuditReport


@pytest.mark.parametrize(
    ("unjudged", "confirmed", "last"),
    [
        (0, 0, "nothing to review: the labels agree with the predictions"),
        (0, 2, "nothing to review: the labels are decided on already"),
        (1, 0, "nothing to review: 1 of 2 classes cannot be judged, for the reasons above;"
               " the labels of the others agree with the predictions"),
        (2, 0, "nothing to review: no class can be judged by these predictions, for the reasons"
               " above"),
    ],
)  # fmt: skip
def test_no_suspects_come_with_the_reason(make_prepared, unjudged, confirmed, last):
    dataset = make_prepared([{1: np.ones((16, 40), np.uint8)}, {}])
    classes = tuple(
        ClassAudit(
            name, 40, 20, (0.9, 0.8), ((20, 0), (0, 20)), 0, 0,
            why_none="3 images are too few" if column < unjudged else None,
        )
        for column, name in enumerate(("scratch", "pit"))
    )  # fmt: skip
    parts = {"test": 2, "validation": 0}
    report = AuditReport(dataset, Audit(classes, ()), ("run",), parts, confirmed)
    assert report.notes[-1] == last
    assert sum("nothing proposed" in note for note in report.notes) == unjudged
