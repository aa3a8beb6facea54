"""Each finding appears for its cause, with its number, and not without it; in order."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from stripsight.config.compose import compose_config
from stripsight.data.analysis.appearance import Suspect
from stripsight.data.analysis.counts import ClassCounts
from stripsight.data.analysis.finding import name_class
from stripsight.data.analysis.findings import collect_findings
from stripsight.data.analysis.parts import describe_parts, find_shifts, find_split_name
from stripsight.data.analysis.split_advice import suggest_split
from stripsight.data.analysis.study import study_dataset
from stripsight.data.lookalikes.links import Conflict, Link
from stripsight.data.splits.partition import Split, make_split
from stripsight.data.splits.store import make_folds, save_split, save_splits
from stripsight.errors import SplitError
from stripsight.reporting.page import LEVEL_WORDS


def study(dataset, **changes):
    return replace(study_dataset(dataset, workers=1), **changes)


def find(found, kind):
    findings = [f for f in collect_findings(found) if f.kind == kind]
    assert len(findings) <= 1, findings
    return findings[0] if findings else None


def label(*columns):
    return dict.fromkeys(columns, "box")


@pytest.fixture
def balanced(make_prepared):
    return make_prepared([label(1), label(2), label(3), {}] * 6)


def test_levels_come_first_then_weights(make_prepared):
    found = collect_findings(study(make_prepared([label(1)] * 3 + [None])))
    order = [list(LEVEL_WORDS).index(f.level) for f in found]
    assert order == sorted(order)
    assert all(f.title and f.number and f.text and f.action for f in found)


def test_what_is_not_there_is_not_found(balanced):
    kinds = {f.kind for f in collect_findings(study(balanced))}
    unwanted = {"no labels", "unlabelled", "no clean image", "class never seen", "imbalance"}
    unwanted |= {"conflicting labels", "damaged mask", "empty mask", "unreadable images", "leak"}
    assert not kinds & (unwanted | {"several sizes", "presence only", "split refused"})


def test_rare_classes_count_the_test_images_of_a_split(make_prepared):
    dataset = make_prepared([label(1)] * 100 + [{}] * 100)
    assert find(study(dataset), "rare class").unit == "F1, from 15 test images"
    save_split(dataset, make_split(dataset, "holdout", fractions=(0.4, 0.3, 0.3), seed=0))
    found = find(study(dataset), "rare class")
    assert found.unit == "F1, from 30 test images"
    assert found.number == "\u00b10.11"
    assert found.level == "look"


def test_imbalance_suggests_what_auto_would_give(make_prepared):
    dataset = make_prepared([label(1)] + [label(2, 3)] * 10 + [{}] * 19)
    found = find(study(dataset), "imbalance")
    assert found.number == "1 : 29"
    assert found.unit == "images with scratch to images without it"
    (command,) = [words for words in found.action.split("`") if "pos_weight" in words]
    (word,) = shlex.split(command)  # as a shell hands it over
    assert word == "loss.pos_weight=[20,2,2]"
    assert compose_config(["data.root=x", word]).loss.pos_weight == [20, 2, 2]


def test_absent_classes_and_missing_labels(make_prepared):
    found = study(make_prepared([label(1)] * 4 + [None]))
    assert find(found, "class never seen").number == "2"
    assert find(found, "unlabelled").number == "1"
    assert find(found, "no clean image").unit == "clean images of 4"


def test_classes_that_never_meet_against_chance(make_prepared):
    dataset = make_prepared([label(1), label(2), label(2, 3)] * 15)
    found = find(study(dataset), "never together")
    assert found.number == "2"
    assert "chance would give 10 images" in found.details[0]


def test_conflicts_name_their_images(balanced):
    conflict = Conflict(("000.jpg", "001.jpg"), (("scratch",), ("pit",)))
    found = find(study(balanced, conflicts=(conflict,)), "conflicting labels")
    assert found.level == "serious"
    assert found.details == ("000.jpg and 001.jpg",)


def test_look_alikes_by_kind(balanced):
    links = (Link("000.jpg", "001.jpg", "overlap", 9), Link("000.jpg", "002.jpg", "text box"))
    found = find(study(balanced, links=links), "look-alikes")
    assert (found.number, found.level) == ("3", "look")
    assert "data split" in found.action
    assert found.details == ("text box: 1 link", "overlap: 1 link")


def test_few_look_alikes_are_only_good_to_know(make_prepared):
    whole = study(make_prepared([label(1), {}] * 30))
    assert (
        find(replace(whole, links=(Link("000.jpg", "001.jpg", "overlap", 9),)), "look-alikes").level
        == "note"
    )
    links = tuple(Link(f"00{n}.jpg", f"01{n}.jpg", "overlap", 9) for n in range(2))
    assert find(replace(whole, links=links), "look-alikes").level == "look"


@pytest.mark.parametrize(("missing", "level"), [(1, "look"), (3, "serious")])
def test_annotated_images_that_are_missing(make_prepared, missing, level):
    names = [f"gone_{n}.jpg" for n in range(missing)]
    dataset = replace(make_prepared([label(1)] * 150), reconciliation={"missing_images": names})
    found = find(study(dataset), "missing images")
    assert (found.number, found.level) == (str(missing), level)
    assert found.unit.startswith(f"of {150 + missing} annotated images")
    assert found.details == (", ".join(names),)
    assert found.images == tuple(names)


@pytest.mark.parametrize("count", [6, 12])
def test_alike_classes_are_no_imbalance(make_prepared, count):
    classes = tuple(f"kind_{n}" for n in range(count))
    dataset = make_prepared([label(n % count + 1) for n in range(60)], classes=classes)
    assert find(study(dataset), "imbalance") is None


def test_a_class_far_rarer_than_the_others_is(make_prepared):
    dataset = make_prepared([label(1)] * 60 + [label(2)] * 15, classes=("many", "few"))
    found = find(study(dataset), "imbalance")
    assert found.number == "1 : 4"
    assert [line.split(":")[0] for line in found.details] == ["few"]


def test_a_class_is_called_by_its_name():
    def count(name, title):
        return ClassCounts(1, name, title, 3, 0.5, 1.0, {})

    assert name_class(count("defect_1", "scratches/cracks")) == "defect_1 (scratches/cracks)"
    assert name_class(count("rolled_in_scale", "rolled in scale")) == "rolled_in_scale"
    assert name_class(count("pit", "pit")) == "pit"


def resize(found, height, width):
    images = found.dataset.images.assign(height=height, width=width)
    return replace(found, dataset=replace(found.dataset, images=images))


def test_a_wide_border_and_checker_plate(balanced):
    whole = resize(study(balanced), 256, 1600)
    statistics = whole.statistics.copy()
    statistics["border_left"] = statistics["border_right"] = 0
    statistics["checker"] = 0.0
    none = replace(whole, statistics=statistics)
    assert find(none, "border") is None
    assert find(none, "checker plate") is None
    statistics = statistics.copy()
    statistics.loc[:5, "border_left"] = 400
    statistics.loc[:2, "checker"] = 0.5
    some = replace(whole, statistics=statistics)
    assert find(some, "border").number == "25.0 %"
    assert find(some, "checker plate").number == "12.5 %"
    border = find(some, "border")
    assert border.images == tuple(whole.statistics["id"][:6])
    assert border.details == (f"{', '.join(border.images[:3])}, and 3 more in analysis.json",)


@pytest.mark.parametrize(
    ("height", "width", "border"), [(200, 200, 0), (100, 1600, 0), (256, 1600, 1300)]
)
def test_little_steel_is_never_called_checker_plate(balanced, height, width, border):
    """On 200x200 pixels chance and streaks repeat as a plate does."""
    whole = resize(study(balanced), height, width)
    statistics = whole.statistics.assign(checker=0.9, border_left=border, border_right=0)
    assert find(replace(whole, statistics=statistics), "checker plate") is None


@pytest.mark.parametrize(("strange", "level"), [(1, "note"), (2, "look")])
def test_a_handful_of_strange_images_in_a_large_set_is_only_good_to_know(balanced, strange, level):
    whole = study(balanced)
    counts = replace(whole.counts, images=150)
    suspects = tuple(Suspect(f"{row:03d}.jpg", "saturated", True, 0.0) for row in range(strange))
    found = find(replace(whole, counts=counts, suspects=suspects), "suspect images")
    assert (found.number, found.level) == (str(strange), level)


def test_shrinking_makes_defects_tiny(make_prepared):
    mask = np.zeros((16, 40), np.uint8)
    mask[2:12, 5:15] = 1
    found = find(study(make_prepared([{1: mask}, {}])), "tiny defects")
    assert (found.level, found.number) == ("note", "100 %")
    assert "0 % are that small" in found.text


def test_uneven_parts_and_a_part_without_a_class(make_prepared):
    dataset = make_prepared([label(1)] * 40 + [{}] * 60)
    ids = dataset.images["id"].tolist()
    parts = ["train"] * 70 + ["validation"] * 15 + ["test"] * 15
    split = Split("mine", None, None, "given", dict(zip(ids, parts, strict=True)), None)
    save_split(dataset, split)
    whole = study(dataset)
    assert find_split_name(dataset) == "mine"
    uneven = find(whole, "parts uneven")
    assert "of scratch in" in uneven.unit
    gaps = [f for f in collect_findings(whole) if f.kind == "part without a class"]
    assert {f.title for f in gaps} == {
        "The validation part lacks classes",
        "The test part lacks classes",
    }


def test_holdout_is_the_split_to_show(balanced):
    assert find_split_name(balanced) is None
    for name in ("aaa", "holdout"):
        save_split(balanced, make_split(balanced, name, fractions=(0.6, 0.2, 0.2), seed=0))
    assert find_split_name(balanced) == "holdout"


def test_shifts_are_those_beyond_chance(make_prepared):
    dataset = make_prepared([label(1), {}] * 60)
    split = make_split(dataset, "holdout", fractions=(0.5, 0.25, 0.25), seed=0)
    statistics = study_dataset(dataset, workers=1).statistics
    assert find_shifts(dataset, split, statistics) == ()
    moved = statistics.copy()
    in_test = moved["id"].isin(split.ids("test"))
    moved.loc[in_test, "brightness"] += 500
    (shift,) = find_shifts(dataset, split, moved)
    assert (shift.measure, shift.first, shift.second) == ("brightness", "train", "test")
    assert shift.stability.verdict == "large"


def test_a_new_split_has_another_name_and_seed(balanced):
    split = make_split(balanced, "holdout", fractions=(0.6, 0.2, 0.2), seed=0)
    save_split(balanced, split)
    wanted = "--name holdout-seed1 --seed 1`"
    assert suggest_split(balanced.root, split).endswith(wanted)
    save_split(balanced, replace(split, name="holdout-seed1"))
    assert "holdout-seed2 --seed 2" in suggest_split(balanced.root, split)


def test_stored_folds_are_named_and_not_asked_for(balanced):
    save_split(balanced, make_split(balanced, "holdout", fractions=(0.6, 0.2, 0.2), seed=0))
    assert "--scheme kfold" in find(study(balanced), "rare class").action
    save_splits(balanced, make_folds(balanced, "cv", folds=3, seed=0))
    action = find(study(balanced), "rare class").action
    assert "cv-1, cv-2, cv-3" in action
    assert "kfold" not in action
    with pytest.raises(SplitError, match="set of 3 folds: name one of cv-1, cv-2, cv-3"):
        study_dataset(balanced, split="cv", workers=1)
    with pytest.raises(SplitError, match="stored: cv-1, cv-2, cv-3, holdout"):
        study_dataset(balanced, split="tset", workers=1)


def test_leaks_are_shown_and_not_refused(make_prepared):
    groups = [n // 2 for n in range(40)]
    dataset = make_prepared([label(1), {}] * 20, groups=groups, classes=("scratch",))
    ids = dataset.images["id"].tolist()
    parts = ["train", "test"] * 15 + ["validation"] * 10
    split = Split(
        "chance", 0, None, "random-holdout", dict(zip(ids, parts, strict=True)), None, "random"
    )
    save_split(dataset, split)
    statistics = study_dataset(dataset, workers=1).statistics
    found = describe_parts(dataset, "chance", statistics)
    assert len(found.leaks) == 15
    whole = study(dataset, parts=found)
    first = collect_findings(whole)[0]
    assert (first.kind, first.number) == ("leak", "15")
    assert "made by random" in first.text
