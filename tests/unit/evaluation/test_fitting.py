"""The whole rule from validation predictions: calibrated, decided, and said of what."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stripsight.decision.document import apply_decisions, save_decisions
from stripsight.decision.policy import decide
from stripsight.errors import DecisionError
from stripsight.evaluation.calibration.choice import fit_calibration
from stripsight.evaluation.fitting import Choice, fit_decisions, read_choice
from stripsight.evaluation.policies.fitting import fit_policy
from stripsight.evaluation.predictions import Predictions

NAMES = ("bar", "blob")
GROUPS = np.arange(300) // 2
SOURCE = {"part": "validation", "data_set": "d", "split": "s", "checkpoint": "c", "split_leaks": 0}


def make_predictions() -> Predictions:
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 2)) < 0.4).astype(np.uint8)
    logits = (4 * rng.normal(2 * labels - 1, 1)).astype(np.float32)
    return Predictions([str(i) for i in range(300)], NAMES, labels, logits, SOURCE)


def test_the_policy_is_fitted_on_calibrated_probabilities_and_groups() -> None:
    validation = make_predictions()
    fitted = fit_decisions(validation, GROUPS, Choice("recall", {"alpha": 0.2}))
    curves = fit_calibration(validation.logits, validation.labels, GROUPS, NAMES).calibration
    probabilities = curves.apply(validation.logits)
    assert fitted.decisions.calibration == curves
    assert {c.kind for c in curves.classes} != {"none"}  # or this test says little
    expected = fit_policy("recall", {"alpha": 0.2}, probabilities, validation.labels, GROUPS, NAMES)
    assert fitted.policy == expected
    assert fitted.decisions.policy == expected.policy
    assert [promise["groups"] for promise in fitted.decisions.promises] == [
        len(set(GROUPS[validation.labels[:, column] == 1])) for column in (0, 1)
    ]
    assert fitted.decisions.positives == tuple(validation.labels.sum(axis=0))
    assert fitted.decisions.fitted_on.images == 300
    codes = apply_decisions(fitted.decisions, validation.logits)
    assert (codes == decide(expected.policy, probabilities)).all()


def test_predictions_of_test_are_never_fitted_on() -> None:
    predictions = replace(make_predictions(), source={**SOURCE, "part": "test"})
    with pytest.raises(DecisionError, match="validation alone"):
        fit_decisions(predictions, GROUPS, Choice())


def test_the_choice_is_read_back(tmp_path: Path) -> None:
    assert read_choice(tmp_path, NAMES) == Choice("max_f1", {})
    choice = Choice("review", {"share": 0.3})
    fitted = fit_decisions(make_predictions(), GROUPS, choice)
    save_decisions(fitted.decisions, tmp_path / "decisions.json")
    assert read_choice(tmp_path, NAMES) == choice


def test_a_choice_of_the_first_schema_is_max_f1(tmp_path: Path) -> None:
    (tmp_path / "decisions.json").write_text(json.dumps({"schema_version": 1}))
    assert read_choice(tmp_path, NAMES) == Choice()


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"schema_version": 3}', '{"schema_version'])
def test_a_choice_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "decisions.json").write_text(content)
    with pytest.raises(DecisionError, match=r"delete it to fit max_f1, or name a policy"):
        read_choice(tmp_path, NAMES)
