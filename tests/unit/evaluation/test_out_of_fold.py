"""Which prediction files may judge the labels of a data set."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stripsight.data.prepared import PreparedDataset, load_prepared, save_prepared
from stripsight.errors import EvaluationError
from stripsight.evaluation.out_of_fold import find_predictions, gather_out_of_fold
from stripsight.evaluation.predictions import Predictions, save_predictions
from stripsight.labels import ClassList


@pytest.fixture
def dataset(tmp_path):
    ids = [f"{row}.png" for row in range(6)]
    save_prepared(
        PreparedDataset(
            root=tmp_path / "set",
            name="set",
            source_format="test",
            classes=ClassList.from_names(["pit", "stain"]),
            image_root=tmp_path,
            images=pd.DataFrame(
                [(i, i, 4, 4, i, i != "5.png", row) for row, i in enumerate(ids)],
                columns=["id", "file", "height", "width", "sha256", "labelled", "duplicate_group"],
            ),
            annotations=pd.DataFrame(
                [("0.png", 1, "presence", None, None), ("3.png", 2, "presence", None, None)],
                columns=["image_id", "class_id", "kind", "rle", "area"],
            ),
        )
    )
    return load_prepared(tmp_path / "set")


@pytest.fixture
def write(dataset, tmp_path):
    """Write a prediction file of some rows, altered as a test wants it."""

    def build(name, rows, part="test", **changes):
        predictions = Predictions(
            ids=[f"{row}.png" for row in rows],
            class_names=("pit", "stain"),
            labels=dataset.label_matrix()[list(rows)],
            logits=np.array([[row, -row] for row in rows], np.float32),
            source={
                "part": part,
                "data_set": dataset.content_hash(),
                "split": "",
            },
        )
        save_predictions(replace(predictions, **changes), tmp_path / name)
        return tmp_path / name

    return build


def test_files_are_joined_and_sorted(dataset, write):
    found = gather_out_of_fold(dataset, [write("a", [4, 3]), write("b", [0, 2], "validation")])
    assert found.ids == ("0.png", "2.png", "3.png", "4.png")
    assert found.labels.tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]
    logits = np.array([0, 2, 3, 4])
    expected = 1 / (1 + np.exp(-np.stack([logits, -logits], axis=1)))
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-12)
    assert found.images_of_part == {"validation": 2, "test": 2}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"part": "train"}, "predictions of the part 'train': a network confirms the labels it"),
        ({"part": None}, "predictions of the part None"),
        (
            {"source": {"part": "test", "data_set": "f" * 64}},
            "made on another data set, or on other labels",
        ),
        ({"source": ["test"]}, "does not say what its predictions are of"),
        ({"source": {}}, "made on another data set, or on other labels"),
        ({"class_names": ("pit", "spot")}, "predictions of the classes pit, spot; the data set"),
        ({"class_names": ("stain", "pit")}, "predictions of the classes stain, pit"),
        ({"ids": ["0.png", "0.png"]}, "image '0.png' is in"),
        ({"ids": ["0.png", "9.png"]}, "image '9.png' has other labels"),
        ({"ids": ["0.png", "5.png"]}, "image '5.png' has other labels"),
        ({"labels": np.ones((2, 2), np.uint8)}, "image '0.png' has other labels"),
        (
            {"logits": np.array([[0, 0], [np.nan, 0]], np.float32)},
            "logit of image '1.png' is not finite",
        ),
        (
            {"logits": np.array([[np.inf, 0], [0, 0]], np.float32)},
            "logit of image '0.png' is not finite",
        ),
    ],
)
def test_what_cannot_judge_labels_is_refused(dataset, write, changes, reason):
    path = write("a", [0, 1], **changes)
    with pytest.raises(EvaluationError, match=f"^{re.escape(str(path))}: .*{re.escape(reason)}"):
        gather_out_of_fold(dataset, [path])


def test_a_run_stands_for_its_predictions_of_test(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(EvaluationError, match="run does not exist: give run folders"):
        find_predictions(run)
    run.mkdir()
    with pytest.raises(EvaluationError, match="is no run folder"):
        find_predictions(run)
    (run / "provenance.json").touch()
    (run / "predictions_validation.parquet").touch()
    with pytest.raises(EvaluationError, match=r"run `stripsight evaluate .*run` first"):
        find_predictions(run)
    file = run / "predictions_test.parquet"
    file.touch()
    assert find_predictions(run) == file == find_predictions(file)


def test_an_image_in_two_files_is_refused(dataset, write):
    first, second = write("a", [0, 1]), write("b", [1, 2])
    with pytest.raises(EvaluationError, match=r"b: image '1\.png' is in .*a too"):
        gather_out_of_fold(dataset, [first, second])


@pytest.mark.parametrize("damage", [b"", b"PAR1 no table PAR1", None])
def test_what_is_no_prediction_file_is_refused(dataset, tmp_path, damage):
    path = tmp_path / "predictions.parquet"
    if damage is None:
        pd.DataFrame({"id": ["0.png"]}).to_parquet(path)
    else:
        path.write_bytes(damage)
    with pytest.raises(EvaluationError, match="holds no predictions"):
        gather_out_of_fold(dataset, [path])
