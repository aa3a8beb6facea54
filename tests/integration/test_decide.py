"""`decide`: another policy from stored predictions, kept by `evaluate`; and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stripsight.cli.app import run_command
from stripsight.decision.document import load_decisions
from stripsight.evaluation.predictions import Predictions, load_predictions, save_predictions

NAMES = ("bar", "blob")
MAX_F1 = ("--policy", "max_f1")


@pytest.fixture
def run(judged_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged_run, tmp_path / "run"))


def decide(run: Path, *options: str) -> int:
    return run_command(["decide", str(run), *options])


def change_predictions(run: Path, change: Callable[[Predictions], Predictions]) -> None:
    path = run / "predictions_validation.parquet"
    save_predictions(change(load_predictions(path)), path)


@pytest.mark.parametrize(
    ("options", "name", "settings"),
    [
        (MAX_F1, "max_f1", {}),
        (
            ("--policy", "cost", "--price", "50:1", "--price", "blob=5:2"),
            "cost",
            {
                "prices": {
                    "bar": {"escape": 50.0, "overkill": 1.0},
                    "blob": {"escape": 5.0, "overkill": 2.0},
                }
            },
        ),
        (("--policy", "review", "--share", "0.3"), "review", {"share": 0.3}),
        (
            ("--policy", "recall", "--alpha", "0.6", "--delta", "0.2"),
            "recall",
            {"alpha": 0.6, "delta": 0.2, "allow_unmet": False},
        ),
    ],
)
def test_each_policy_is_stored(
    run: Path,
    options: tuple[str, ...],
    name: str,
    settings: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert decide(run, *options) == 0
    printed = capsys.readouterr().out
    assert "(chosen)" in printed
    assert f"next: stripsight evaluate {run}" in printed
    decided = load_decisions(run / "decisions.json", NAMES)
    assert (decided.policy.name, decided.policy.settings) == (name, settings)
    assert decided.fitted_on.part == "validation"
    assert all(promise["met"] for promise in decided.promises)
    assert len(decided.promises) == (2 if name == "recall" else 0)


def test_evaluate_keeps_the_policy(run: Path) -> None:
    assert decide(run, "--policy", "review", "--share", "0.3") == 0
    decided = (run / "decisions.json").read_bytes()
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert (run / "decisions.json").read_bytes() == decided


def test_json_says_what_was_printed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decide(run, "--policy", "review", "--share", "0.2", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["policy"], printed["settings"]) == ("review", {"share": 0.2})
    stored = json.loads((run / "decisions.json").read_text())
    for row, thresholds in zip(printed["classes"], stored["policy"]["classes"], strict=True):
        assert row["clean_below"] == thresholds["clean_below"]
        assert row["defect_from"] == thresholds["defect_from"]
    (chosen,) = [scenario for scenario in printed["what_if"] if scenario["chosen"]]
    assert chosen["images"]["reviews"] <= 0.2 * printed["images"]
    assert printed["part"] == "validation"
    assert "metrics.json" in printed["stale"]
    assert "report.html" in printed["stale"]


def test_test_is_not_opened(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "predictions_test.parquet").write_bytes(b"no predictions")
    (run / "decisions.json").write_bytes(b"damaged")
    assert decide(run, *MAX_F1) == 0
    assert "the images of test were not looked at" in capsys.readouterr().out
    load_decisions(run / "decisions.json", NAMES)


def test_too_few_positives_are_refused_unless_allowed(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "decisions.json").read_bytes()
    assert decide(run, "--policy", "recall") == 1
    error = capsys.readouterr().err
    assert "needs 59 validation images of each class, look-alikes counted once" in error
    assert "bar has" in error
    assert error.count("\n") == 1
    assert (run / "decisions.json").read_bytes() == before
    assert decide(run, "--policy", "recall", "--allow-unmet") == 0
    printed = capsys.readouterr().out
    assert printed.count("warning: not promised: bar: alpha 0.05 at delta 0.05 needs 59") == 1
    decided = load_decisions(run / "decisions.json", NAMES)
    assert not any(promise["met"] for promise in decided.promises)
    # Every validation positive is called.
    validation = load_predictions(run / "predictions_validation.parquet")
    scores = decided.calibration.apply(validation.logits)
    for column, thresholds in enumerate(decided.policy.classes):
        assert thresholds.defect_from is not None
        assert (scores[validation.labels[:, column] == 1, column] >= thresholds.defect_from).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--policy", "best"), "'best' is not one of"),
        (("--policy", "recall", "--alpha", "0"), "alpha is 0"),
        (("--policy", "recall", "--alpha", "1.5"), "alpha is 1.5"),
        (("--policy", "recall", "--alpha", "nan"), "alpha is nan"),
        (("--policy", "recall", "--delta", "1"), "delta is 1"),
        (("--policy", "review", "--share", "1"), "share is 1"),
        (("--policy", "review", "--share", "-0.1"), "share is -0.1"),
        (("--policy", "review", "--share", "0.9999999999999999"), "choose 0 to 0.999999"),
        (("--policy", "recall", "--alpha", "5e-324"), "alpha is 4.941e-324: choose 1e-06 to"),
        (("--policy", "review", "--alpha", "0.1"), "takes share: alpha"),
        (("--policy", "max_f1", "--allow-unmet"), "takes no settings"),
        (("--policy", "cost"), "needs prices"),
        (("--policy", "cost", "--price", "1"), "[CLASS=]ESCAPE:OVERKILL"),
        (("--policy", "cost", "--price", "a:b"), "[CLASS=]ESCAPE:OVERKILL"),
        (("--policy", "cost", "--price", "=1:2"), "[CLASS=]ESCAPE:OVERKILL"),
        (("--policy", "cost", "--price", "-1:1"), "-1 for an escape"),
        (("--policy", "cost", "--price", "1:nan"), "nan for an overkill"),
        (("--policy", "cost", "--price", "1:inf"), "inf for an overkill"),
        (("--policy", "cost", "--price", "1e308:1"), "1e+308 for an escape: 0, or 1e-100 to"),
        (("--policy", "cost", "--price", "1:1", "--price", "2:2"), "given twice"),
        (("--policy", "cost", "--price", "1:1", "--price", "blub=1:1"), "did you mean 'blob'"),
        (("--policy", "cost", "--price", "bar=1:1"), "no price for 'blob'"),
        ((), "--policy"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(
    run: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "decisions.json").read_bytes()
    assert decide(run, *options) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert (run / "decisions.json").read_bytes() == before


def alter(
    field: str, value: Callable[[Predictions], object]
) -> Callable[[Predictions], Predictions]:
    def change(predictions: Predictions) -> Predictions:
        return Predictions(**{**vars(predictions), field: value(predictions)})

    return change


def with_row(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed[2, 1] = value
    return changed


def keep_rows(count: int) -> Callable[[Predictions], Predictions]:
    def change(p: Predictions) -> Predictions:
        return Predictions(
            p.ids[:count], p.class_names, p.labels[:count], p.logits[:count], p.source
        )

    return change


def with_source(**changes: object) -> Callable[[Predictions], Predictions]:
    return alter("source", lambda p: {**p.source, **changes})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (alter("logits", lambda p: with_row(p.logits, np.nan)), "is not finite"),
        (alter("logits", lambda p: with_row(p.logits, -np.inf)), "is not finite"),
        (alter("ids", lambda p: [p.ids[1], *p.ids[1:]]), "is in it twice"),
        (alter("ids", lambda p: ["other.png", *p.ids[1:]]), "'other.png' has other labels"),
        (alter("labels", lambda p: with_row(p.labels, 1 - p.labels[2, 1])), "has other labels"),
        (alter("class_names", lambda p: ("blob", "bar")), "the data set has bar, blob"),
        (alter("class_names", lambda p: ("bar", "pit")), "the data set has bar, blob"),
        (keep_rows(5), "it holds 5 of the"),
        (keep_rows(0), "it has no row"),
        (with_source(part="test"), "of the part 'test', not of validation"),
        (with_source(part="train"), "of the part 'train', not of validation"),
        (with_source(data_set="0" * 64), "another data set"),
        (with_source(split="0" * 64), "another split"),
        (with_source(checkpoint="0" * 64), "another checkpoint"),
        (alter("source", lambda p: [1]), "does not say what"),
    ],
)
def test_predictions_that_are_not_of_this_run_are_refused(
    run: Path,
    change: Callable[[Predictions], Predictions],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change_predictions(run, change)
    before = (run / "decisions.json").read_bytes()
    assert decide(run, *MAX_F1) == 1
    error = capsys.readouterr().err
    assert words in error
    assert f"run `stripsight evaluate {run}` again" in error
    assert error.count("\n") == 1
    assert (run / "decisions.json").read_bytes() == before


@pytest.mark.parametrize(
    ("file", "words", "code"),
    [
        ("predictions_validation.parquet", "run `stripsight evaluate", 1),
        ("checkpoints/best.ckpt", "cannot be read", 1),
        ("config.yaml", "config.yaml cannot be used: No such file or directory: put back", 1),
        ("provenance.json", "is no run folder", 1),
    ],
)
def test_a_run_that_lacks_a_part_is_refused(
    run: Path, file: str, words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / file).unlink()
    assert decide(run, *MAX_F1) == code
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_data_set_that_is_gone_is_said_in_one_line(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (run / "config.yaml").read_text()
    root = next(line.split()[1] for line in config.splitlines() if "root:" in line)
    (run / "config.yaml").write_text(config.replace(root, str(run / "gone")))
    assert decide(run, *MAX_F1) == 1
    error = capsys.readouterr().err
    assert str(run / "gone") in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("price", ["1e100:1", "1:1e100", "1e-100:0", "0:1e100"])
def test_prices_far_apart_give_finite_costs(
    run: Path, price: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(run, "--policy", "cost", "--price", price, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [scenario["chosen"] for scenario in printed["what_if"]].count(True) == 1
    assert np.isfinite([scenario["cost"] for scenario in printed["what_if"]]).all()


def test_a_price_of_hundreds_of_digits_is_refused_in_one_line(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(run, "--policy", "cost", "--price", "50:1") == 0
    record = json.loads((run / "decisions.json").read_text())
    record["policy"]["settings"]["prices"]["bar"]["escape"] = 10**400
    (run / "decisions.json").write_text(json.dumps(record))
    capsys.readouterr()
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert f"{run / 'decisions.json'}: the price of 'bar' is 1000" in error
    assert error.count("\n") == 1
    assert len(error) < 500


def test_logits_that_no_network_gives_are_refused_without_a_warning(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "predictions_validation.parquet"
    table = pq.read_table(path)
    logits = table["logit_bar"].to_numpy().astype(np.float64)
    logits[2] = 1e300
    column = table.schema.get_field_index("logit_bar")
    pq.write_table(table.set_column(column, "logit_bar", pa.array(logits)), path)
    assert decide(run, *MAX_F1) == 1
    assert "was changed since it was written" in capsys.readouterr().err
    unsealed = {b"stripsight": table.schema.metadata[b"stripsight"]}
    pq.write_table(pq.read_table(path).replace_schema_metadata(unsealed), path)
    assert decide(run, *MAX_F1) == 1
    error = capsys.readouterr().err
    assert "is not finite" in error
    assert error.count("\n") == 1


def test_evaluate_refuses_a_damaged_rule_and_says_how_to_go_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "decisions.json").write_bytes(b'{"schema_version": 2')
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert f"stripsight decide {run} --policy" in error
    assert error.count("\n") == 1


def test_evaluate_says_when_the_chosen_promise_can_no_longer_be_kept(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(run, "--policy", "recall", "--alpha", "0.6", "--delta", "0.2") == 0
    record = json.loads((run / "decisions.json").read_text())
    record["policy"]["settings"]["alpha"] = 0.01
    (run / "decisions.json").write_text(json.dumps(record))
    capsys.readouterr()
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert "needs 161 validation images" in error
    assert "with --allow-unmet `stripsight decide`" in error
    assert error.count("\n") == 1
