"""A judgement: classes without positives have no figure, and the tables say so."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sklearn import metrics as reference

from stripsight.errors import EvaluationError
from stripsight.evaluation.decisions import (
    Decisions,
    apply_decisions,
    fit_decisions,
    save_decisions,
)
from stripsight.evaluation.judgement import judge
from stripsight.evaluation.predictions import (
    _METADATA_KEY,
    Predictions,
    load_predictions,
    save_predictions,
)
from stripsight.evaluation.table import build_table

NAMES = ("pits", "[/lines]", "never seen")


def make_predictions(seed: int, *, images: int = 200) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = (rng.random((images, 3)) < [0.4, 0.1, 0.0]).astype(np.uint8)
    logits = (rng.normal(size=(images, 3)) + 2 * labels - 1).astype(np.float32)
    return Predictions([f"{i}.jpg" for i in range(images)], NAMES, labels, logits, {"part": "test"})


def fitted(validation: Predictions) -> Decisions:
    return fit_decisions(validation.probabilities, validation.labels, NAMES)


def test_figures_are_scikit_learns_at_the_fitted_thresholds() -> None:
    test, decisions = make_predictions(1), fitted(make_predictions(0))
    judgement = judge(test, decisions, part="test")
    called = apply_decisions(decisions, test.probabilities)
    for column in (0, 1):
        figures = judgement.classes[column]
        truth, scores = test.labels[:, column], test.logits[:, column]
        assert figures.average_precision == pytest.approx(
            reference.average_precision_score(truth, scores)
        )
        assert figures.auroc == pytest.approx(reference.roc_auc_score(truth, scores))
        assert figures.f1 == pytest.approx(reference.f1_score(truth, called[:, column]))
        assert figures.positives == truth.sum()
    pair = (called[:, :2], test.labels[:, :2])
    assert judgement.exact_match == pytest.approx(reference.accuracy_score(pair[1], pair[0]))
    assert judgement.hamming_loss == pytest.approx(reference.hamming_loss(pair[1], pair[0]))
    assert judgement.macro["f1"] == pytest.approx(
        reference.f1_score(pair[1], pair[0], average="macro")
    )


def test_a_class_without_positives_has_no_figure_and_says_so() -> None:
    judgement = judge(make_predictions(1), fitted(make_predictions(0)), part="test")
    absent = judgement.classes[2]
    assert absent.threshold is absent.average_precision is absent.auroc is absent.f1 is None
    assert absent.confusion is None
    assert any("never seen: no positive among" in note for note in judgement.notes)
    assert any("never seen: no positive in validation" in note for note in judgement.notes)
    text = json.dumps(judgement.to_json())
    assert "NaN" not in text
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(build_table(judgement))
    row = next(line for line in console.export_text().splitlines() if "never seen" in line)
    assert row.split()[2:] == ["-", "-", "-", "-", "-", "-", "0", "-", "-"]


def test_a_class_that_is_never_called_is_no_crash() -> None:
    test = make_predictions(1)
    judgement = judge(test, Decisions(NAMES, (1.0, 1.0, 1.0), (1, 1, 1)), part="test")
    assert judgement.classes[0].precision is None
    assert judgement.classes[0].recall == 0
    assert any("pits: never called" in note for note in judgement.notes)


def test_predictions_round_trip(tmp_path: Path) -> None:
    written = make_predictions(3)
    save_predictions(written, tmp_path / "p.parquet")
    read = load_predictions(tmp_path / "p.parquet")
    assert (read.ids, read.class_names, read.source) == (
        written.ids,
        written.class_names,
        written.source,
    )
    assert (read.labels == written.labels).all()
    assert (read.logits == written.logits).all()


def test_probabilities_are_the_logistic_function() -> None:
    predictions = make_predictions(0)
    expected = 1 / (1 + np.exp(-predictions.logits.astype(np.float64)))
    np.testing.assert_allclose(predictions.probabilities, expected, rtol=1e-12)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_holds_no_predictions_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "p.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EvaluationError, match="holds no predictions"):
        load_predictions(path)


def test_decisions_file_holds_null_for_no_threshold(tmp_path: Path) -> None:
    save_decisions(fitted(make_predictions(0)), tmp_path / "decisions.json")
    record = json.loads((tmp_path / "decisions.json").read_text())
    assert record["fitted_on"] == "validation"
    assert record["classes"] == list(NAMES)
    assert record["thresholds"][2] is None
    assert record["positives"][2] == 0


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_table_sums_no_classes_and_warns_of_validation(part: str) -> None:
    judgement = judge(make_predictions(1), fitted(make_predictions(0)), part=part)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(build_table(judgement))
    text = console.export_text()
    macro = next(line for line in text.splitlines() if "macro" in line)
    assert len(macro.split()) == 1 + 5
    assert ("look better than they are" in text) == (part == "validation")


@pytest.mark.parametrize(
    ("column", "value"),
    [("label_a", [0.7, 1.0]), ("label_a", [256, 1]), ("id", [["x"], ["y"]])],
)
def test_a_table_of_other_things_holds_no_predictions(
    tmp_path: Path, column: str, value: list[object]
) -> None:
    columns = {"id": ["x", "y"], "label_a": [0, 1], "logit_a": [0.0, 1.0], column: value}
    table = pa.table(columns).replace_schema_metadata({_METADATA_KEY: "{}"})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(EvaluationError, match="holds no predictions"):
        load_predictions(tmp_path / "p.parquet")


def test_metadata_nested_without_end_is_refused(tmp_path: Path) -> None:
    table = pa.table({"id": ["x"], "label_a": [0], "logit_a": [0.0]})
    deep = table.replace_schema_metadata({_METADATA_KEY: "[" * 100_000})
    pq.write_table(deep, tmp_path / "p.parquet")
    with pytest.raises(EvaluationError, match="holds no predictions"):
        load_predictions(tmp_path / "p.parquet")
