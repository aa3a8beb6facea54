from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.demo.plan import Prevalence, name_image, plan_labels

# Severstal's train images by label set, as the field counts them.
SEVERSTAL_SETS = {
    (): 5902,
    (3,): 4759,
    (1,): 769,
    (4,): 516,
    (3, 4): 284,
    (2,): 195,
    (1, 3): 91,
    (1, 2): 35,
    (2, 3): 14,
    (1, 2, 3): 2,
    (2, 4): 1,
}


def test_real_plan_of_the_full_size_is_severstals() -> None:
    plan = plan_labels(12_568, seed=3, prevalence="real")
    assert Counter(tuple(sorted(labels)) for labels in plan) == SEVERSTAL_SETS
    per_class = Counter(c for labels in plan for c in labels)
    assert [per_class[c] for c in (1, 2, 3, 4)] == [897, 247, 5150, 801]


@given(
    images=st.integers(1, 3000),
    seed=st.integers(0, 2**40),
    prevalence=st.sampled_from(["even", "real"]),
)
@settings(max_examples=60, deadline=None)
def test_any_plan_is_whole_and_keeps_classes_1_and_4_apart(
    images: int, seed: int, prevalence: Prevalence
) -> None:
    plan = plan_labels(images, seed=seed, prevalence=prevalence)
    assert len(plan) == images
    assert not any({1, 4} <= labels for labels in plan)
    assert plan == plan_labels(images, seed=seed, prevalence=prevalence)


@pytest.mark.parametrize("images", [60, 240, 1000])
def test_an_even_plan_holds_every_class_often(images: int) -> None:
    plan = plan_labels(images, seed=0, prevalence="even")
    per_class = Counter(c for labels in plan for c in labels)
    for class_id in (1, 2, 3, 4):
        assert 0.18 <= per_class[class_id] / images <= 0.30
    assert 0.25 <= plan.count(frozenset()) / images <= 0.30
    assert any(len(labels) == 2 for labels in plan)


def test_label_sets_stay_within_one_image_of_their_share() -> None:
    for images in (7, 60, 333):
        counts = Counter(
            tuple(sorted(labels)) for labels in plan_labels(images, seed=1, prevalence="real")
        )
        for labels, share in SEVERSTAL_SETS.items():
            assert abs(counts[labels] - images * share / 12_568) < 1


def test_names_are_kaggles_and_distinct() -> None:
    names = [name_image(i, seed=9) for i in range(20_000)]
    assert len(set(names)) == len(names)
    assert all(len(n) == 13 and n.endswith(".jpg") for n in names)
    assert len({n[0] for n in names}) == 16
    assert names[:50] != [name_image(i, seed=10) for i in range(50)]
