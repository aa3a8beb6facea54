import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED
from stripsight.errors import EvaluationError
from stripsight.evaluation.intervals.interval import compute_jeffreys_interval
from stripsight.evaluation.slices.cuts import Attribute
from stripsight.evaluation.slices.fault_rates import compare_rates, find_faults, measure_share
from stripsight.evaluation.slices.slice import Slice, compute_slices, describe_slice

BRIGHTNESS = Attribute("brightness", "brightness", "grey levels")
PLATE = Attribute("checker", "", "", levels=((0.3,), ("no checker plate", "checker plate")))


def slice_up(
    attributes: dict[str, Sequence[float]] | pd.DataFrame,
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    logits: np.ndarray | None = None,
    described: Sequence[Attribute] = (BRIGHTNESS, PLATE),
) -> tuple[Slice, ...]:
    labels = labels.astype(np.uint8)
    return compute_slices(
        pd.DataFrame(attributes),
        codes.astype(np.int8),
        labels.astype(np.float32) if logits is None else logits,
        labels,
        np.arange(len(labels)) if groups is None else groups,
        described=described,
    )


# --- faults of images


def test_faults_by_hand() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 0], [1, 0], [0, 1]], np.uint8)
    codes = np.array(
        [
            [CLEAN, CLEAN],  # an escape
            [DEFECT, CLEAN],  # one of two escapes
            [CLEAN, DEFECT],  # an overkill
            [REVIEW, CLEAN],  # a review is no escape
            [UNDECIDED, UNDECIDED],  # can have neither
        ],
        np.int8,
    )
    faults = find_faults(codes, labels)
    escapes, could_escape = faults["escape"]
    overkills, could_overkill = faults["overkill"]
    assert escapes.tolist() == [True, True, False, False, False]
    assert could_escape.tolist() == [True, True, False, True, False]
    assert overkills.tolist() == [False, False, True, False, False]
    assert could_overkill.tolist() == [True, False, True, True, False]


def test_a_group_of_look_alikes_counts_once() -> None:
    wrong = np.array([True] * 3 + [False] * 17)
    assert measure_share(wrong, np.arange(20)) == (0.15, 20)
    # Three frames of one scratch among 17 others; half of one group, and one of two others.
    assert measure_share(wrong, np.array([0] * 3 + list(range(1, 18)))) == (1 / 18, 18)
    assert measure_share(np.array([1, 0, 1, 0], bool), np.array([7, 7, 8, 9])) == (0.5, 3)


@given(
    wrong=st.lists(st.booleans(), min_size=1, max_size=60),
    groups=st.lists(st.integers(0, 9), min_size=60, max_size=60),
)
def test_a_share_is_the_mean_of_the_groups_means(wrong: list[bool], groups: list[int]) -> None:
    table = pd.DataFrame({"wrong": wrong, "group": groups[: len(wrong)]})
    means = table.groupby("group")["wrong"].mean()
    share, count = measure_share(np.array(wrong), table["group"].to_numpy())
    assert share == pytest.approx(means.mean())
    assert count == len(means)


def test_the_limits_of_a_gap_by_hand() -> None:
    wrong = np.zeros(150, bool)
    wrong[:56] = wrong[70:118] = True
    inside = np.arange(150) < 70
    # Newcombe (Statistics in Medicine 1998), table II: 56/70 - 48/80 has 0.0524 by Wilson limits
    # (method 10); Jeffreys' are within a hair of them.
    rate = compare_rates(wrong, inside, ~inside, np.arange(150), 0.975)
    assert rate is not None
    assert (rate.wrong, rate.images, rate.rest_wrong, rate.rest_images) == (56, 70, 48, 80)
    assert rate.gap == pytest.approx(0.2)
    assert rate.least_gap == pytest.approx(0.0524, abs=0.004)
    shown = compute_jeffreys_interval(0.8, 70)
    assert (rate.low, rate.high) == (shown.low, shown.high)
    assert compare_rates(wrong, inside, np.zeros(150, bool), np.arange(150), 0.975) is None


def test_more_confidence_proves_less() -> None:
    wrong = np.arange(100) % 5 == 0
    inside = np.arange(100) < 20
    least = [
        compare_rates(wrong | (np.arange(100) < 10), inside, ~inside, np.arange(100), level)
        for level in (0.9, 0.95, 0.99, 0.9999)
    ]
    gaps = [rate.least_gap for rate in least if rate]
    assert gaps == sorted(gaps, reverse=True)
    assert len(set(gaps)) == 4


# --- slices


def make_part(images: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels [N, 2] with half of them set, codes that are right, brightness."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (images, 2)).astype(np.uint8)
    codes = np.where(labels == 1, DEFECT, CLEAN).astype(np.int8)
    return labels, codes, rng.uniform(40, 120, images)


def test_the_slice_where_escapes_are_is_named_first_with_its_counts() -> None:
    labels, codes, brightness = make_part()
    dark = np.arange(400) < 100
    brightness[dark] -= 80
    labels[:, 0] = 1
    codes[:, 0] = np.where(dark, CLEAN, DEFECT)
    slices = slice_up({"brightness": brightness}, codes, labels)
    first = slices[0]
    assert first.name == "brightness under 40 grey levels"
    assert (first.low, first.high) == (None, 40)
    assert first.worst == "escape"
    assert first.is_worse
    assert first.escape is not None
    assert (first.escape.wrong, first.escape.images) == (dark.sum(), dark.sum())
    assert (first.escape.rest_wrong, first.escape.rest_images) == (0, (~dark).sum())
    assert first.evidence == first.escape.least_gap > 0.9
    assert first.positives == tuple(labels[dark].sum(axis=0).tolist())
    assert not any(s.is_worse for s in slices[1:])
    assert "with an escape (100 %, 95 % interval" in describe_slice(first)
    assert "0 % elsewhere: at least 9" in describe_slice(first)


def test_a_slice_where_overkills_are_says_so() -> None:
    labels, codes, _ = make_part()
    labels[:, 1] = 0
    plate = np.arange(400) < 60
    codes[:, 1] = np.where(plate, DEFECT, CLEAN)
    first = slice_up({"checker": np.where(plate, 0.8, 0.1)}, codes, labels)[0]
    assert (first.name, first.worst) == ("checker plate", "overkill")
    assert "60 of 60 images with an overkill" in describe_slice(first)


def test_a_small_slice_does_not_win_by_chance() -> None:
    # 4 of 12 wrong looks worse than 50 of 200 against 5 %, and proves less.
    labels = np.ones((1000, 1), np.uint8)
    codes = np.full((1000, 1), DEFECT, np.int8)
    small, large = np.arange(1000) < 12, (np.arange(1000) >= 12) & (np.arange(1000) < 212)
    codes[:4] = codes[12:62] = CLEAN
    codes[212:1000:20] = CLEAN
    described = [
        Attribute("small", "", "", levels=((0.5,), ("not small", "small"))),
        Attribute("large", "", "", levels=((0.5,), ("not large", "large"))),
    ]
    slices = slice_up({"small": small, "large": large}, codes, labels, described=described)
    assert slices[0].name == "large"
    gaps = {s.name: s.escape.gap for s in slices if s.escape}
    assert gaps["small"] > gaps["large"]


def test_look_alikes_make_no_evidence() -> None:
    labels = np.ones((200, 1), np.uint8)
    codes = np.full((200, 1), DEFECT, np.int8)
    plate = np.arange(200) < 40
    codes[:16] = CLEAN
    attributes = {"checker": np.where(plate, 0.8, 0.1)}
    alone = slice_up(attributes, codes, labels)[0]
    groups = np.where(np.arange(200) < 16, 0, np.arange(200))  # one frame, sixteen times
    grouped = slice_up(attributes, codes, labels, groups)[0]
    assert alone.is_worse
    assert not grouped.is_worse
    assert alone.escape is not None
    assert grouped.escape is not None
    assert (alone.escape.wrong, grouped.escape.wrong) == (16, 16)
    assert (alone.escape.rate, grouped.escape.rate) == (0.4, 1 / 25)
    assert "counted once" in describe_slice(grouped)
    assert "counted once" not in describe_slice(alone)
    assert (alone.groups, grouped.groups) == (40, 25)


def test_where_no_slice_differs_few_parts_have_one_that_is_called_worse() -> None:
    rng = np.random.default_rng(0)
    names = [f"a{number}" for number in range(6)]
    described = [Attribute(name, name, "units") for name in names]
    called = 0
    for _ in range(100):
        labels = (rng.random((300, 2)) < 0.4).astype(np.uint8)
        right = rng.random((300, 2)) > 0.15
        codes = np.where((labels == 1) == right, DEFECT, CLEAN).astype(np.int8)
        table = {name: rng.random(300) for name in names}
        called += any(s.is_worse for s in slice_up(table, codes, labels, described=described))
    # Of 100 at most 5 are expected; 11 or more would be by chance in one such test of 90.
    assert called <= 10


def test_auroc_is_sklearns_over_the_same_classes_inside_and_outside() -> None:
    labels, codes, brightness = make_part(seed=3)
    inside = np.arange(400) < 100
    brightness[inside] -= 80
    labels[inside, 1] = 0  # no positive of it inside: left out outside too
    logits = np.random.default_rng(5).normal(0, 1, labels.shape).astype(np.float32) + labels
    slices = slice_up({"brightness": brightness}, codes, labels, logits=logits)
    found = next(s for s in slices if s.low is None)
    assert found.images == 100
    assert found.auroc == pytest.approx(roc_auc_score(labels[inside, 0], logits[inside, 0]))
    assert found.rest_auroc == pytest.approx(roc_auc_score(labels[~inside, 0], logits[~inside, 0]))


@pytest.mark.parametrize("images", [0, 1, 5, 19])
def test_too_few_images_have_no_slices(images: int) -> None:
    labels, codes, brightness = make_part(images)
    assert slice_up({"brightness": brightness}, codes, labels) == ()


def test_what_is_not_known_is_neither_inside_nor_outside() -> None:
    labels, codes, brightness = make_part(100)
    brightness[:40] = np.nan
    for found in slice_up({"brightness": brightness}, codes, labels):
        assert found.overkill is not None
        assert found.images <= 60
        assert found.overkill.images + found.overkill.rest_images <= 60
    brightness[:] = np.nan
    assert slice_up({"brightness": brightness}, codes, labels) == ()


def test_undecided_classes_leave_a_slice_without_evidence_last() -> None:
    labels, codes, brightness = make_part()
    codes[:] = UNDECIDED
    slices = slice_up({"brightness": brightness}, codes, labels)
    assert len(slices) == 4
    assert all(s.worst is None and s.evidence is None and not s.is_worse for s in slices)
    assert slices[0].auroc is not None
    assert "nothing to compare" in describe_slice(slices[0])


def test_a_part_without_defects_has_overkills_alone() -> None:
    labels, codes, brightness = make_part()
    labels[:] = 0
    for found in slice_up({"brightness": brightness}, codes, labels):
        assert found.escape is None
        assert found.worst == "overkill"
        assert found.auroc is None


def test_slices_are_plain_json() -> None:
    labels, codes, brightness = make_part()
    slices = slice_up({"brightness": brightness}, codes, labels)
    record = json.loads(json.dumps([s.to_json() for s in slices], allow_nan=False))
    assert record[0]["name"] == slices[0].name
    assert record[0]["evidence"] == slices[0].evidence
    assert record[0]["escape"]["images"] == slices[0].escape.images  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": np.zeros((50, 3))}, r"not of the same images and classes"),
        ({"groups": np.zeros(49)}, "49 group numbers do not fit 50 predictions"),
        ({"attributes": {"brightness": np.zeros(51)}}, "attributes of 51 images"),
        ({"attributes": {"coil": np.zeros(50)}}, "how to cut the attribute 'coil'"),
        ({"logits": np.full((50, 2), np.nan)}, "not finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    labels, codes, brightness = make_part(50)
    given_arguments = {"attributes": {"brightness": brightness}, "codes": codes, "labels": labels}
    with pytest.raises(EvaluationError, match=message):
        slice_up(**{**given_arguments, **change})  # type: ignore[arg-type]
