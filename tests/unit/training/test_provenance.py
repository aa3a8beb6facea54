"""What a run says when its data set is another by now."""

from types import SimpleNamespace

import pytest

from stripsight.errors import TrainingError
from stripsight.training.provenance import check_unchanged


def check(*, recorded, hashes, split="s"):
    """Check a run on `recorded` against a data set whose reviews led from hash to hash."""
    reviews = tuple(
        SimpleNamespace(number=number, before=before)
        for number, before in enumerate(hashes[:-1], start=1)
    )
    prepared = SimpleNamespace(root="set", reviews=reviews, content_hash=lambda: hashes[-1])
    data = SimpleNamespace(prepared=prepared, split=SimpleNamespace(hash=split))
    check_unchanged({"data_set": {"content_hash": recorded}, "split": {"hash": "s"}}, data)


@pytest.mark.parametrize(
    ("hashes", "reason"),
    [
        ("ab", r"\(reviews/0001\.json\): .*apply-review set --undo`$"),
        ("xab", r"\(reviews/0002\.json\): .*apply-review set --undo`$"),
        ("aab", r"\(reviews/0002\.json\): .*apply-review set --undo`$"),  # the first kept a label
        ("abc", r"\(reviews/0001\.json\): .*apply-review set --undo` \(2 times\)$"),
        ("b", r"^the data set in set is not the one the run was started on"),
        ("bc", r"^the data set in set is not the one the run was started on"),
    ],
)
def test_a_review_that_made_the_difference_is_named(hashes, reason):
    with pytest.raises(TrainingError, match=reason):
        check(recorded="a", hashes=hashes)


@pytest.mark.parametrize("hashes", ["a", "aa", "aba"])
def test_the_same_labels_are_accepted_whatever_was_reviewed(hashes):
    check(recorded="a", hashes=hashes)
    with pytest.raises(TrainingError, match=r"^the split in set is not the one"):
        check(recorded="a", hashes=hashes, split="t")
