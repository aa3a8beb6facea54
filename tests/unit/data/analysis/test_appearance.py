"""Groups, quantiles and suspects of image statistics."""

import numpy as np
import pandas as pd
import pytest

from stripsight.data.analysis.appearance import find_suspects, group_images, summarise_measures


def make_statistics(dataset, **changes):
    """Statistics of usual steel; `changes` gives columns their values by row."""
    rng = np.random.default_rng(0)
    count = len(dataset.images)
    table = pd.DataFrame(
        {
            "id": dataset.images["id"],
            "brightness": rng.normal(100, 5, count),
            "contrast": rng.normal(20, 2, count),
            "saturated": 0.0,
            "dark": 0.0,
            "border_left": 0,
            "border_right": 0,
            "sharpness": np.exp(rng.normal(6, 0.2, count)),
            "checker": 0.0,
        }
    )
    for column, values in changes.items():
        for row, value in values.items():
            table.loc[row, column] = value
    return table


def test_groups_follow_labels_and_parts(make_prepared):
    dataset = make_prepared([{1: "box"}, {}, {1: "box", 2: "box"}, None])
    parts = {"000.jpg": "train", "001.jpg": "test", "002.jpg": "test"}
    statistics = make_statistics(dataset).iloc[::-1].reset_index(drop=True)
    groups = group_images(dataset, statistics, parts)
    of = {name: sorted(statistics["id"][rows]) for name, rows in groups.items()}
    assert of["all"] == ["000.jpg", "001.jpg", "002.jpg", "003.jpg"]
    assert of["clean"] == ["001.jpg"]
    assert of["class 1"] == ["000.jpg", "002.jpg"]
    assert of["class 2"] == ["002.jpg"]
    assert of["class 3"] == []
    assert of["part train"] == ["000.jpg"]
    assert of["part test"] == ["001.jpg", "002.jpg"]


def test_quantiles_of_each_group(make_prepared):
    dataset = make_prepared([{}] * 5 + [None])
    statistics = make_statistics(dataset)
    summaries = summarise_measures(statistics, group_images(dataset, statistics, {}))
    clean = next(s for s in summaries if (s.measure, s.group) == ("brightness", "clean"))
    expected = np.quantile(statistics["brightness"][:5], [0.05, 0.25, 0.5, 0.75, 0.95])
    assert clean.quantiles == pytest.approx(tuple(expected))
    assert next(s for s in summaries if s.group == "class 1").quantiles is None


def test_usual_steel_is_no_suspect(make_prepared):
    dataset = make_prepared([{}] * 40)
    assert find_suspects(dataset, make_statistics(dataset)) == ()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("border_left", 40, "every column is black"),
        ("saturated", 0.6, "saturated: 60 %"),
        ("dark", 0.7, "nearly black"),
        ("contrast", 0.5, "featureless"),
    ],
)
def test_strange_images_come_first_with_their_reason(make_prepared, column, value, words):
    dataset = make_prepared([{}] * 40)
    changes = {column: {7: value}, "brightness": {3: 190.0}}
    suspects = find_suspects(dataset, make_statistics(dataset, **changes))
    assert [s.image_id for s in suspects] == ["007.jpg", "003.jpg"]
    assert suspects[0].strange
    assert words in suspects[0].reason
    assert suspects[1].reason == "unusually bright: mean 190"


def test_the_farthest_comes_first_and_once(make_prepared):
    dataset = make_prepared([{}] * 40)
    changes = {"brightness": {3: 190.0, 5: 230.0}, "sharpness": {3: 1e9}}
    suspects = find_suspects(dataset, make_statistics(dataset, **changes))
    assert [s.image_id for s in suspects] == ["003.jpg", "005.jpg"]
    assert "sharp" in suspects[0].reason


def test_few_images_have_no_outliers(make_prepared):
    dataset = make_prepared([{}] * 5)
    assert find_suspects(dataset, make_statistics(dataset, brightness={0: 250.0})) == ()
