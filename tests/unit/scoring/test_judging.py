"""From a network's output to a row."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stripsight.decision.calibration import make_identity
from stripsight.decision.places import compute_heatmap, find_boxes
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.scoring.engine import Output
from stripsight.scoring.intake import Refused, Taken
from stripsight.scoring.judging import Judge, find_places
from stripsight.scoring.rows import Origin, Row

ORIGIN = Origin("b" * 64, "bf16", "bf16", "openvino")
NAMES = ("scratch", "spot", "rust")
THRESHOLDS = (ClassPolicy(0.2, 0.6), ClassPolicy.at(0.5), ClassPolicy(None, None))
JUDGE = Judge(NAMES, make_identity(3), Policy("review", {}, THRESHOLDS), ORIGIN, (0.5, 0.5, 0.5))
TAKEN = Taken(np.zeros((16, 32), np.uint8), np.zeros((16, 32), np.uint8), None)


def judge(*probabilities: float, suspect: str | None = None) -> Row:
    given_ = np.array(probabilities)
    logits = np.log(given_ / (1 - given_))[None].astype(np.float32)
    maps = np.broadcast_to(logits[..., None, None], (1, 3, 2, 4)).astype(np.float32)
    return JUDGE.judge("x", Taken(TAKEN.stored, TAKEN.scored, suspect), Output(logits, maps))


@pytest.mark.parametrize(
    ("probabilities", "verdict", "decisions"),
    [
        ((0.1, 0.1, 0.9), "clean", ["clean", "clean", "undecided"]),
        ((0.4, 0.1, 0.9), "review", ["review", "clean", "undecided"]),
        ((0.4, 0.7, 0.9), "defect", ["review", "defect", "undecided"]),
    ],
)
def test_the_verdict_follows_from_the_thresholds(
    probabilities: tuple[float, ...], verdict: str, decisions: list[str]
) -> None:
    row = judge(*probabilities)
    assert (row.verdict, row.reason) == (verdict, None)
    assert [score.decision for score in row.classes] == decisions
    assert [score.probability for score in row.classes] == pytest.approx(probabilities)


def test_boxes_are_of_classes_that_are_called_or_in_review() -> None:
    row = judge(0.5, 0.7, 0.9)
    assert [(p.class_name, p.left, p.top, p.right, p.bottom, p.area) for p in row.places] == [
        ("scratch", 0, 0, 32, 16, 512),
        ("spot", 0, 0, 32, 16, 512),
    ]
    assert judge(0.1, 0.1, 0.9).places == ()


def test_each_class_has_its_own_box_level() -> None:
    maps = np.full((1, 3, 2, 4), -6, np.float32)
    maps[0, :2, :, 0] = 0  # a heat of 0.5 on the left
    logits = np.array([[2, 2, -9]], np.float32)

    def find(levels: tuple[float, ...]) -> list[str]:
        row = replace(JUDGE, levels=levels).judge("x", TAKEN, Output(logits, maps))
        return [place.class_name for place in row.places]

    assert find((0.4, 0.6, 0.1)) == ["scratch"]
    assert find((0.6, 0.4, 0.1)) == ["spot"]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_review_with_a_reason(broken: float) -> None:
    logits = np.array([[-9, -9, broken]], np.float32)
    row = JUDGE.judge("x", TAKEN, Output(logits, np.full((1, 3, 2, 4), broken, np.float32)))
    assert (row.verdict, row.reason) == ("review", "score not finite: rust")
    assert row.classes[2].probability is None
    assert "NaN" not in row.to_line()


def test_a_suspect_image_is_scored_and_flagged() -> None:
    row = judge(0.1, 0.1, 0.1, suspect="all black")
    assert (row.verdict, row.suspect, row.reason) == ("clean", "all black", None)


def test_an_image_without_pixels_is_review_and_never_clean() -> None:
    row = JUDGE.refuse("x", Refused("unreadable: the file is empty"))
    assert (row.verdict, row.reason) == ("review", "unreadable: the file is empty")
    assert (row.classes, row.places) == ((), ())


@given(
    class_map=arrays(np.float32, (3, 7), elements=st.floats(-6, 6, width=32)),
    level=st.floats(0.05, 0.95),
)
def test_boxes_are_those_of_the_heatmap(class_map: np.ndarray, level: float) -> None:
    size = (24, 70)
    heatmap = compute_heatmap(class_map, size)
    found = find_places("spot", class_map, size, level)
    if np.abs(heatmap - level).min() < 1e-5:  # rounding may take a pixel on the very level
        return
    boxes = find_boxes(heatmap, level)
    sides = [(b.left, b.top, b.right, b.bottom, b.area) for b in boxes]
    assert sorted((p.left, p.top, p.right, p.bottom, p.area) for p in found) == sorted(sides)
    assert [p.score for p in found] == pytest.approx([b.score for b in boxes], abs=1e-4)
