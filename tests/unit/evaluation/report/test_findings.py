"""Each finding appears when it should, and only then; the most serious first."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stripsight.decision.policy import ClassPolicy
from stripsight.evaluation.calibration.reliability import CalibrationQuality
from stripsight.evaluation.evaluation import CalibrationEffect, Evaluation
from stripsight.evaluation.intervals.interval import Interval
from stripsight.evaluation.localisation.places import ClassPlaces, Found, Places
from stripsight.evaluation.policies.recall_guarantee import RecallPromise
from stripsight.evaluation.report.findings import list_findings, show_findings
from stripsight.evaluation.slices.fault_rates import FaultRate
from stripsight.evaluation.slices.slice import Slice
from stripsight.reporting.page import Note, Notice, Notices

Evaluate = Callable[..., Evaluation]

CLASS = np.repeat([[0], [1]], 40, axis=0)
"""40 images without the class, then 40 with it."""


def score(*, escapes: int = 0, overkills: int = 0, reviews: int = 0) -> np.ndarray:
    """Probabilities `[80, 1]` of `CLASS`: these many wrong at 0.5, or between 0.4 and 0.6."""
    scores = np.where(CLASS, 0.995, 0.005)
    scores[:overkills] = 0.995
    scores[40 : 40 + escapes] = 0.005
    scores[80 - reviews :] = 0.5
    return scores


def find(evaluation: Evaluation) -> dict[str, Notice]:
    return {notice.title: notice for notice in list_findings(evaluation)}


def levels(evaluation: Evaluation) -> dict[str, str]:
    return {title: notice.level for title, notice in find(evaluation).items()}


def make_slice(least_gap: float) -> Slice:
    rate = FaultRate(8, 20, 2, 60, 0.4, 0.2, 0.6, 0.03, 0.37, least_gap)
    return Slice(
        "brightness",
        "brightness under 60",
        None,
        60,
        20,
        20,
        (9,),
        rate,
        None,
        None,
        None,
        "escape",
    )


def test_where_all_is_well_there_is_none(good: Evaluate) -> None:
    assert list_findings(good()) == ()
    (note,) = show_findings(good()).blocks
    assert isinstance(note, Note)
    assert "Nothing stands out" in note.text


def test_a_class_that_is_never_found_is_serious_and_said_once(evaluate: Evaluate) -> None:
    found = find(evaluate(CLASS, score(escapes=40), [0.5], names=["pits"]))
    assert found["pits is never found"].level == "serious"
    assert found["pits is never found"].number == "0 of 40"
    assert "pits escapes often" not in found


@pytest.mark.parametrize(
    ("escapes", "level"), [(8, None), (9, "look"), (25, "look"), (30, "serious"), (39, "serious")]
)
def test_escapes(evaluate: Evaluate, escapes: int, level: str | None) -> None:
    evaluation = evaluate(CLASS, score(escapes=escapes), [0.5])
    assert levels(evaluation).get("kind_0 escapes often") == level


def test_what_goes_to_a_person_does_not_escape(evaluate: Evaluate) -> None:
    evaluation = evaluate(CLASS, score(reviews=30), [ClassPolicy(0.4, 0.6)])
    assert evaluation.judgement.classes[0].figures["recall"].value == 0.25  # type: ignore[union-attr]
    assert "kind_0 escapes often" not in levels(evaluation)


@pytest.mark.parametrize(("overkills", "level"), [(8, None), (9, "look"), (32, "serious")])
def test_overkills(evaluate: Evaluate, overkills: int, level: str | None) -> None:
    evaluation = evaluate(CLASS, score(overkills=overkills), [0.5])
    assert levels(evaluation).get("Clean images are often called defective") == level


def test_without_clean_images_overkills_are_of_each_class(evaluate: Evaluate) -> None:
    labels = np.hstack([CLASS, 1 - CLASS])
    scores = np.where(labels, 0.995, 0.005)
    scores[:20, 0] = 0.995
    found = find(evaluate(labels, scores, [0.5, 0.5]))
    notice = found["kind_0 is often called where it is not"]
    assert (notice.level, notice.unit) == ("look", "of the images without it")
    # All of them are defective: "called defective" would be no fault.
    assert notice.text.startswith("20 of 40 images without it, all of which show another class (95")
    assert found["No clean image to judge on"].level == "note"
    assert "kind_1 is often called where it is not" not in found


def test_leaks(good: Evaluate) -> None:
    leaks = tuple(f"a{n} and b{n} are look-alikes" for n in range(7))
    notice = find(good(leaks=leaks))["Look-alikes stand on two sides of the split"]
    assert (notice.level, notice.number, notice.unit) == ("serious", "7", "groups")
    assert tuple(notice.details) == leaks[:5]
    by_chance = find(good(split_by="random"))["Look-alikes stand on two sides of the split"]
    assert (by_chance.level, by_chance.number) == ("serious", "0")


def test_look_alikes_that_nobody_searched(good: Evaluate) -> None:
    assert levels(good(is_searched=False)) == {"Look-alikes were not searched": "look"}


@pytest.mark.parametrize(("positives", "level"), [(40, "serious"), (0, "look")])
def test_a_class_without_a_threshold(evaluate: Evaluate, positives: int, level: str) -> None:
    other = CLASS if positives else np.zeros_like(CLASS)
    labels = np.hstack([CLASS, other])
    found = levels(evaluate(labels, np.where(labels, 0.995, 0.005), [0.5, None]))
    assert found == {"kind_1 has no threshold": level}


def test_a_class_that_the_part_does_not_show(evaluate: Evaluate) -> None:
    labels = np.hstack([CLASS, np.zeros_like(CLASS)])
    found = levels(evaluate(labels, np.where(labels, 0.995, 0.005), [0.5, 0.5]))
    assert found == {"kind_1 was not judged": "look"}


def test_promises_that_are_not_kept(good: Evaluate) -> None:
    broken = RecallPromise("pits", 0.05, 0.05, 12, 11, 59, None, 0.2, 0.1)
    kept = RecallPromise("kept", 0.05, 0.05, 80, 80, 59, 1, 0.04, 0.1)
    found = find(good(promises=(broken, kept)))
    assert set(found) == {"No promise can be made for pits"}
    assert found["No promise can be made for pits"].level == "serious"
    assert "59 images of it" in found["No promise can be made for pits"].action


def test_validation_judges_itself(good: Evaluate) -> None:
    title = "These are the images that everything was fitted on"
    assert levels(good(part="validation")) == {title: "look"}


def test_slices_only_where_they_are_worse(good: Evaluate) -> None:
    notice = find(good(slices=(make_slice(0.125),)))["More escapes: brightness under 60"]
    assert notice.level == "look"
    assert "at least 12.5 points" in notice.text
    assert not find(good(slices=(make_slice(0.0),)))


def test_ranking_by_chance(evaluate: Evaluate) -> None:
    scores = np.tile(np.linspace(0.1, 0.4, 40), 2)[:, None]
    notice = find(evaluate(CLASS, scores, [0.05], names=["pits"]))[
        "Not shown to rank better than chance"
    ]
    assert notice.level == "serious"
    assert "pits 0." in notice.text
    labels = np.hstack([CLASS, CLASS])  # the other class carries the mean
    beside = evaluate(labels, np.hstack([scores, score()]), [0.05, 0.5], names=["pits", "b"])
    notice = find(beside)["Not shown to rank better than chance"]
    assert (notice.level, notice.number, notice.unit) == ("look", "1", "of 2 classes")


@pytest.mark.parametrize(("ece", "by_chance", "is_off"), [(0.06, 0.02, True), (0.06, 0.04, False),
                                                       (0.04, 0.0, False)])  # fmt: skip
def test_miscalibration_beyond_chance(
    good: Evaluate, ece: float, by_chance: float, is_off: bool
) -> None:
    quality = CalibrationQuality(0.1, 0.1, ece, by_chance)
    evaluation = replace(good(), calibration=(CalibrationEffect(quality, quality),))
    assert (levels(evaluation) == {"Probabilities of kind_0 are off": "look"}) is is_off


@pytest.mark.parametrize(("positives", "level"), [(30, None), (29, "note"), (10, "note"),
                                                  (9, "look")])  # fmt: skip
def test_few_positives(evaluate: Evaluate, positives: int, level: str | None) -> None:
    labels = np.repeat([[0], [1]], [60, positives], axis=0)
    evaluation = evaluate(labels, np.where(labels, 0.995, 0.005), [0.5])
    assert levels(evaluation).get("Few images to judge on") == level


@pytest.mark.parametrize(("low", "is_blind"), [(-0.1, True), (0.0, True), (0.01, False)])
def test_maps_that_do_not_lead_a_guess(good: Evaluate, low: float, is_blind: bool) -> None:
    found = Found(0.5, Interval(0.3, 0.7), 0.4, 0.4, 0.1, Interval(low, 0.3))
    places = Places("test", "validation", (64, 256), (2, 8), (), {"energy": found}, ())
    title = "Heatmaps are not shown to do better than a guess"
    assert (levels(good(places=places)) == {title: "note"}) is is_blind


def find_maps(good: Evaluate, *leads: tuple[float, float, float]) -> tuple[Notice, ...]:
    """Findings where each lead (value, low, high) is one measure of one class."""
    ahead = Found(0.5, Interval(0.3, 0.7), 0.4, 0.4, 0.1, Interval(0.05, 0.3))
    measures = ("pointing", "energy", "dice", "pixel_ap")
    found = {
        measure: Found(0.3, Interval(0.2, 0.4), 0.35, 0.4, value, Interval(low, high))
        for measure, (value, low, high) in zip(measures, leads, strict=False)
    }
    row = ClassPlaces("pits", 40, 40, 40, 0, 0.5, found)
    places = Places("test", "validation", (64, 256), (2, 8), (row,), {"energy": ahead}, ())
    return list_findings(good(places=places))


def test_maps_that_are_behind_a_guess_are_named(good: Evaluate) -> None:
    (notice,) = find_maps(good, (-0.1, -0.2, -0.01), (-0.02, -0.1, 0.05), (0.1, 0.05, 0.2))
    assert (notice.level, notice.title) == ("look", "Heatmaps do worse than a guess")
    assert (notice.number, notice.unit) == ("1", "of 3 measures of classes")
    assert notice.details == (
        "pits, pointing: 0.300, the guess (mean mask) 0.400: lead -0.100 (-0.200 to -0.010)",
    )
    assert "localisation_weight where there are masks or boxes" in notice.action
    # What is said is what was found: the measure that is behind, and those that are not.
    assert notice.text.startswith("Of pits (pointing), the middle of the image")
    assert "By other measures the maps are ahead: pits (Dice)." in notice.text


def test_maps_that_may_be_behind_are_a_note(good: Evaluate) -> None:
    (notice,) = find_maps(good, (-0.02, -0.1, 0.05), (0.1, 0.05, 0.2))
    assert (notice.level, notice.title) == ("note", "Heatmaps may do worse than a guess")
    assert len(notice.details) == 1
    assert find_maps(good, (0.02, -0.1, 0.05)) == ()


def test_the_most_serious_come_first_and_notes_below(evaluate: Evaluate) -> None:
    labels = np.repeat([[0, 0], [1, 0], [0, 1]], [60, 40, 20], axis=0)
    scores = np.where(labels, 0.995, 0.005)
    scores[:20, 0], scores[100:, 1] = 0.995, 0.005
    evaluation = evaluate(labels, scores, [0.5, 0.5], notes=("only 3 of 9 images",))
    order = [notice.level for notice in list_findings(evaluation)]
    assert order == sorted(order, key=["serious", "look", "note"].index)
    assert set(order) == {"serious", "look", "note"}
    notices, *notes = show_findings(evaluation).blocks
    assert isinstance(notices, Notices)
    assert [note.text for note in notes if isinstance(note, Note)] == [
        "Only 3 of 9 images."  # and not once more that kind_1 is never found
    ]


def test_other_notes_of_a_class_stay(evaluate: Evaluate) -> None:
    labels = np.ones((12, 1), np.uint8)
    evaluation = evaluate(labels, np.full((12, 1), 0.1), [0.5])
    _, *notes = show_findings(evaluation).blocks
    assert [note.text for note in notes if isinstance(note, Note)] == [
        "kind_0: no negative among the test images, so no AUROC, and an AP of 1"
        " whatever the scores: it says nothing."
    ]
