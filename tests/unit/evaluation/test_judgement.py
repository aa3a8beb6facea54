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

from stripsight.decision.calibration import make_identity
from stripsight.decision.document import Decisions, FittedOn, apply_decisions
from stripsight.decision.policy import DEFECT, REVIEW, ClassPolicy, Policy
from stripsight.errors import EvaluationError
from stripsight.evaluation.judgement import Judgement, judge
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


def decide_at(*thresholds: float | tuple[float, float] | None) -> Decisions:
    """Thresholds on plain probabilities; a pair is a review band."""
    pairs = [t if isinstance(t, tuple) else (t, t) for t in thresholds]
    return Decisions(
        class_names=NAMES,
        calibration=make_identity(3),
        policy=Policy("max_f1", {}, tuple(ClassPolicy(*pair) for pair in pairs)),
        fitted_on=FittedOn("validation", 200, "", "", ""),
        positives=(80, 20, 0),
    )


def judge_seed(seed: int, decisions: Decisions, part: str = "test") -> Judgement:
    test = make_predictions(seed)
    return judge(test, decisions, np.arange(len(test.ids)), part=part, split="holdout (by group)")


def read_value(figure: object) -> float:
    assert figure is not None
    return figure.value  # type: ignore[attr-defined]


def render(judgement: Judgement) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(build_table(judgement))
    return console.export_text()


def test_figures_are_scikit_learns_at_the_thresholds() -> None:
    test, decisions = make_predictions(1), decide_at(0.4, 0.3, None)
    judgement = judge_seed(1, decisions)
    called = apply_decisions(decisions, test.logits) == DEFECT
    for column in (0, 1):
        figures = judgement.classes[column].figures
        truth, scores = test.labels[:, column], test.logits[:, column]
        for name, expected in {
            "average_precision": reference.average_precision_score(truth, scores),
            "auroc": reference.roc_auc_score(truth, scores),
            "f1": reference.f1_score(truth, called[:, column]),
            "precision": reference.precision_score(truth, called[:, column]),
            "recall": reference.recall_score(truth, called[:, column]),
        }.items():
            assert read_value(figures[name]) == pytest.approx(expected), name
            interval = figures[name].interval  # type: ignore[union-attr]
            assert interval.low < expected <= interval.high
        assert judgement.classes[column].positives == truth.sum()
    pair = (called[:, :2], test.labels[:, :2])
    overall = judgement.overall
    assert read_value(overall["exact_match"]) == pytest.approx(
        reference.accuracy_score(pair[1], pair[0])
    )
    assert read_value(overall["hamming_loss"]) == pytest.approx(
        reference.hamming_loss(pair[1], pair[0])
    )
    assert read_value(judgement.macro["f1"]) == pytest.approx(
        reference.f1_score(pair[1], pair[0], average="macro")
    )


def test_a_class_without_positives_has_no_figure_and_says_so() -> None:
    judgement = judge_seed(1, decide_at(0.4, 0.3, None))
    absent = judgement.classes[2]
    assert absent.counts is None
    assert set(absent.figures.values()) == {None}
    assert any("never seen: no positive among" in note for note in judgement.notes)
    assert any("never seen: no positive in validation" in note for note in judgement.notes)
    assert "NaN" not in json.dumps(judgement.to_json())
    rows = [line.split()[2:] for line in render(judgement).splitlines() if "never seen " in line]
    assert rows == [["0", "-", "-", "-"], ["-", "-", "-", "-", "-", "-"]]


def test_a_class_that_is_never_found_has_collapsed() -> None:
    judgement = judge_seed(1, decide_at(1.0, 0.3, None))
    assert judgement.collapsed == ("pits",)
    assert judgement.classes[0].figures["precision"] is None
    assert read_value(judgement.classes[0].figures["recall"]) == 0
    assert any("pits: never found, all" in note for note in judgement.notes)
    assert judgement.to_json()["collapsed"] == ["pits"]


def test_a_class_handed_to_a_person_has_not_collapsed() -> None:
    judgement = judge_seed(1, decide_at((0.0, 1.0), 0.3, None))
    counts = judgement.classes[0].counts
    assert counts is not None
    assert (counts.escapes, counts.overkills) == (0, 0)
    assert counts.reviews + counts.overruled == 200
    assert judgement.collapsed == ()


def test_counts_are_those_of_the_codes() -> None:
    decisions = decide_at((0.2, 0.6), 0.3, None)
    test, judgement = make_predictions(5), judge_seed(5, decisions)
    codes = apply_decisions(decisions, test.logits)[:, 0]
    counts = judgement.classes[0].counts
    assert counts is not None
    assert counts.reviews + counts.overruled == (codes == REVIEW).sum() > 0
    assert counts.escapes == ((codes == 0) & (test.labels[:, 0] == 1)).sum()
    assert counts.positives + counts.negatives == judgement.images == 200


def test_reviews_that_nobody_gets_are_said() -> None:
    decisions = decide_at((0.0, 1.0), 0.3, None)
    codes = apply_decisions(decisions, make_predictions(1).logits)
    hidden = int((codes[:, 1] == DEFECT).sum())
    judgement = judge_seed(1, decisions)
    assert any(f"{hidden} reviews of a class are overruled" in n for n in judgement.notes)
    counts = judgement.classes[0].counts
    assert counts is not None
    assert (counts.reviews, counts.overruled) == (200 - hidden, hidden)
    assert judgement.counts.reviews == 200 - hidden
    table = render(judgement)
    assert f"{200 - hidden} (+{hidden})" in table
    assert not any("reviews of a class" in n for n in judge_seed(1, decide_at(0.5, 0.5, 0.5)).notes)


def test_look_alikes_widen_the_intervals() -> None:
    test, decisions = make_predictions(1), decide_at(0.4, 0.3, None)
    twice = Predictions(
        test.ids + [f"again {name}" for name in test.ids],
        NAMES,
        np.concatenate([test.labels] * 2),
        np.concatenate([test.logits] * 2),
        test.source,
    )
    groups = np.tile(np.arange(200), 2)
    once = judge(test, decisions, np.arange(200), part="test").macro["f1"]
    grouped = judge(twice, decisions, groups, part="test").macro["f1"]
    apart = judge(twice, decisions, np.arange(400), part="test").macro["f1"]
    widths = [f.interval.high - f.interval.low for f in (once, grouped, apart) if f is not None]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    assert widths[2] < 0.8 * widths[0]


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


def test_calibrated_probabilities_are_what_is_stored(tmp_path: Path) -> None:
    written = make_predictions(3)
    save_predictions(written, tmp_path / "p.parquet", probabilities=np.full((200, 3), 0.25))
    stored = pq.read_table(tmp_path / "p.parquet")["probability_pits"].to_numpy()
    assert (stored == 0.25).all()
    assert (load_predictions(tmp_path / "p.parquet").logits == written.logits).all()


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_table_sums_no_classes_and_warns_of_validation(part: str) -> None:
    text = render(judge_seed(1, decide_at(0.4, 0.3, None), part))
    macro = next(line for line in text.splitlines() if "macro" in line)
    assert len(macro.split()) == 1 + 3 * 2
    assert max(len(line.rstrip()) for line in text.splitlines() if "note" not in line) <= 80
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
