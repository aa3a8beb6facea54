import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stripsight.evaluation.slices.cuts import Attribute, choose_edges, cut_attribute

BRIGHTNESS = Attribute("brightness", "brightness", "grey levels")
DEFECTS = Attribute("defects", "", "defects", counts=True)
BORDER = Attribute("border", "black border", "px", slices=2, apart=(0, "no black border"))
PLATE = Attribute("checker", "", "", levels=((0.3,), ("no checker plate", "checker plate")))
LOOK_ALIKES = Attribute(
    "group_size", "group of", "look-alikes", 2, counts=True, apart=(1, "no look-alike image")
)


def name_slices(values: list[float], attribute: Attribute, fewest: int = 1) -> list[str]:
    return [c.name for c in cut_attribute(np.array(values, float), attribute, fewest=fewest)]


def test_names_say_the_bounds_and_the_unit() -> None:
    values = [40.0, 45, 50, 61.7, 62.2, 70, 75, 80, 81.4, 90, 95, 99.5, 110.2, 120, 130, 140]
    assert name_slices(values, BRIGHTNESS) == [
        "brightness under 62 grey levels",
        "brightness 62-81 grey levels",
        "brightness 81-100 grey levels",
        "brightness 100 grey levels or more",
    ]


def test_large_numbers_have_their_thousands_apart() -> None:
    area = Attribute("smallest_defect", "smallest defect", "px", slices=2)
    assert name_slices([100, 120, 11_800, 12_000, 12_100, 20_000], area) == [
        "smallest defect under 12,000 px",
        "smallest defect 12,000 px or more",
    ]


def test_counts_are_named_by_whole_numbers() -> None:
    assert name_slices([1] * 8 + [2, 3, 3, 4, 5, 6, 7, 8], DEFECTS) == [
        "1 defect",
        "2-4 defects",
        "5 defects or more",
    ]
    assert name_slices([1] * 9 + [2], DEFECTS) == ["1 defect", "2 defects or more"]
    assert name_slices([1] * 6 + [2, 2, 3, 4, 5, 9], LOOK_ALIKES) == [
        "no look-alike image",
        "group of 2-3 look-alikes",
        "group of 4 look-alikes or more",
    ]


def test_a_border_of_nothing_is_a_slice_of_its_own() -> None:
    values = [0] * 10 + [40, 60, 90, 210, 300, 400]
    assert name_slices(values, BORDER) == [
        "no black border",
        "black border 40-150 px",
        "black border 150 px or more",
    ]
    # Too few with a border to be cut once more.
    assert name_slices([0] * 10 + [40, 60, 90], BORDER, fewest=2) == [
        "no black border",
        "black border 40 px or more",
    ]


def test_fixed_bounds_are_taken_as_they_are() -> None:
    values = np.array([0.1, 0.29, 0.3, 0.9, np.nan])
    plain, plate = cut_attribute(values, PLATE, fewest=1)
    assert (plain.name, plain.high) == ("no checker plate", 0.3)
    assert (plate.name, plate.low) == ("checker plate", 0.3)
    assert plain.rows.tolist() == [True, True, False, False, False]
    assert plate.rows.tolist() == [False, False, True, True, False]


@pytest.mark.parametrize("attribute", [BRIGHTNESS, DEFECTS, BORDER, PLATE, LOOK_ALIKES])
@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 50, [float("nan")] * 50, [0.0] * 50])
def test_what_is_alike_for_all_or_known_of_none_gives_no_slice(
    attribute: Attribute, values: list[float]
) -> None:
    assert not name_slices(values, attribute, fewest=1)


def test_a_slice_has_the_fewest_images_and_leaves_as_many() -> None:
    values = list(range(25))
    assert len(name_slices(values, BRIGHTNESS, fewest=10)) == 2
    assert not name_slices(values[:19], BRIGHTNESS, fewest=10)
    assert not name_slices([0.1] * 30 + [0.9] * 9, PLATE, fewest=10)


numbers = st.one_of(
    st.floats(0, 255, width=32), st.integers(0, 6).map(float), st.just(float("nan"))
)


@pytest.mark.parametrize("attribute", [BRIGHTNESS, DEFECTS, BORDER, PLATE])
@settings(max_examples=40)
@given(values=hnp.arrays(np.float64, st.integers(0, 80), elements=numbers), data=st.data())
def test_slices_are_apart_hold_what_their_bounds_say_and_no_unknown(
    attribute: Attribute, values: np.ndarray, data: st.DataObject
) -> None:
    if attribute.counts:
        values = np.round(values)
    fewest = data.draw(st.integers(1, 12))
    cuts = cut_attribute(values, attribute, fewest=fewest)
    assert len({c.name for c in cuts}) == len(cuts)
    if cuts:
        held = np.stack([c.rows for c in cuts])
        assert held.sum(axis=0).max() <= 1
        assert not held[:, ~np.isfinite(values)].any()
    for c in cuts:
        if c.low == c.high:
            expected = values == c.low
        else:
            expected = np.isfinite(values)
            expected &= values >= (-np.inf if c.low is None else c.low)
            expected &= values < (np.inf if c.high is None else c.high)
        np.testing.assert_array_equal(c.rows, expected)
        assert fewest <= c.rows.sum() <= np.isfinite(values).sum() - fewest


@given(
    values=hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 1e6)),
    slices=st.integers(1, 5),
)
def test_bounds_rise_and_rounding_moves_few_images(values: np.ndarray, slices: int) -> None:
    edges = choose_edges(values, slices)
    assert len(edges) < slices or slices == 1
    assert (np.diff(edges) > 0).all()
    exact = np.quantile(values, np.arange(1, slices) / slices)
    if exact.min(initial=np.inf) > values.min() and len(set(exact)) == len(exact):
        for edge, reference in zip(edges, exact, strict=True):
            moved = abs((values < edge).mean() - (values < reference).mean())
            assert moved <= 0.03 + 1e-9


def test_no_bound_is_drawn_where_none_could_part_the_values() -> None:
    assert choose_edges(np.array([5.0, 5.0]), 4) == ()
    assert choose_edges(np.array([5.0] * 9 + [7.0]), 4) == (7.0,)
