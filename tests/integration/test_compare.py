"""`stripsight compare` through the command line, on runs written as `evaluate` writes them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stripsight.cli.app import run_command
from stripsight.config.compose import compose_config, format_config
from stripsight.data.prepared import load_prepared
from stripsight.decision.calibration import Calibration, ClassCalibration
from stripsight.decision.document import Decisions, FittedOn, load_decisions, save_decisions
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.predictions import Predictions, load_predictions, save_predictions
from stripsight.training.checkpoint import hash_checkpoint, write_checkpoint

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path, tiny_dataset: Path) -> WriteRun:
    """A run on all images of the tiny data set: label times `strength`, with noise of `noise`."""
    dataset = load_prepared(tiny_dataset)
    labels, ids = dataset.label_matrix(), list(dataset.labelled_images["id"])

    def write(
        name: str,
        *,
        noise: float = 1.0,
        seed: int = 0,
        overrides: tuple[str, ...] = (),
        undecided: bool = False,
        parts: tuple[str, ...] = ("test",),
    ) -> Path:
        run = tmp_path / name
        run.mkdir(parents=True)
        rng = np.random.default_rng([seed, int(noise * 100)])
        shared = np.random.default_rng(9).normal(size=labels.shape)
        logits = 3.0 * labels - 1.5 + shared + noise * rng.normal(size=labels.shape)
        checkpoint = run / "checkpoints" / "best.ckpt"
        checkpoint.parent.mkdir()
        write_checkpoint({"stripsight": {"run_id": name}}, checkpoint)
        source = {
            "data_set": dataset.content_hash(),
            "split": "s",
            "checkpoint": hash_checkpoint(checkpoint),
        }
        for part in parts:
            save_predictions(
                Predictions(
                    ids=ids,
                    class_names=dataset.classes.names,
                    labels=labels,
                    logits=logits.astype(np.float32),
                    source={"part": part, **source},
                ),
                run / f"predictions_{part}.parquet",
            )
        save_decisions(
            Decisions(
                class_names=dataset.classes.names,
                calibration=Calibration((ClassCalibration("none", ()),) * 2),
                policy=Policy(
                    "max_f1",
                    {},
                    (ClassPolicy.at(0.5), ClassPolicy.at(None if undecided else 0.5)),
                ),
                fitted_on=FittedOn(part="validation", images=60, **source),
                positives=(30, 30),
            ),
            run / "decisions.json",
        )
        config = compose_config([f"data.root={tiny_dataset}", f"training.seed={seed}", *overrides])
        (run / "config.yaml").write_text(format_config(config))
        record = {
            "schema_version": 1,
            "run_id": name,
            "finished": "",
            "precision": "32-true",
            "data_set": {
                "content_hash": source["data_set"],
                "name": "tiny",
                "images_used": dict.fromkeys(("train", "validation", "test"), len(ids)),
            },
            "split": {"hash": "s", "name": "holdout"},
            "seed": seed,
            "git_commit": None,
            "packages": {},
            "hardware": {"processor": "", "cores": 2, "gpu": None},
        }
        (run / "provenance.json").write_text(json.dumps(record))
        return run

    return write


def compare(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert run_command(["compare", *map(str, words)]) == 0
    return capsys.readouterr().out


def fail(capsys: pytest.CaptureFixture[str], *words: object, code: int = 1) -> str:
    capsys.readouterr()
    assert run_command(["compare", *map(str, words)]) == code
    output = capsys.readouterr()
    assert output.out == ""
    message = output.err.strip()
    assert message.startswith("stripsight: ")
    assert "\n" not in message
    return message


def change_predictions(run: Path, **changes: object) -> None:
    path = run / "predictions_test.parquet"
    save_predictions(replace(load_predictions(path), **changes), path)  # type: ignore[arg-type]


def test_runs_that_differ_are_told_apart(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good = write_run("good", noise=0.1)
    bad = write_run("bad", noise=6.0, overrides=("training.learning_rate=0.1",))
    out = tmp_path / "out"
    said = compare(capsys, good, bad, "--out", out)
    assert "Real: the macro AP of bad" in said
    assert "is below that of good" in said
    assert "on 60 test images" in said
    assert "(McNemar, exact, p < 0.001): difference real." in said
    assert "one run each" in said
    assert "different rules" not in said
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((out / "compare.json").read_bytes())
    row = content["differences"][0]
    assert row["real"] is True
    assert row["figures"]["macro_average_precision"]["interval"][1] < 0
    assert content["configurations"][1]["settings"] == {"training.learning_rate": 0.1}
    # Its own folder may be written again, somebody else's never.
    compare(capsys, good, bad, "--out", out)
    assert "holds other things" in fail(capsys, good, bad, "--out", good, code=2)
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, written in (("compare.json", '{"configurations": []}'), ("compare.png", "mine")):
        (mine / name).write_text(written)
        assert "holds other things" in fail(capsys, good, bad, "--out", mine, code=2)
        assert (mine / name).read_text() == written
        (mine / name).unlink()


def test_runs_that_do_not_differ_are_left_alone(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        write_run(f"run{seed}", seed=seed, overrides=(f"optimizer.weight_decay=0.0{seed + 1}",))
        for seed in range(3)
    ]
    said = compare(capsys, *runs)
    assert said.count("Not shown: that the macro AP of") == 2
    assert "Real" not in said
    assert "2 comparisons with run0: p is corrected for that (Holm)" in said


def test_seeds_of_one_configuration_are_one_row(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a = [write_run(f"a{seed}", seed=seed) for seed in range(3)]
    b = [
        write_run(f"b{seed}", noise=5.0, seed=seed, overrides=("loss=focal",)) for seed in range(2)
    ]
    content = json.loads(compare(capsys, a[0], b[0], a[1], b[1], a[2], "--json"))
    first, second = content["configurations"]
    assert [run["seed"] for run in first["runs"]] == [0, 1, 2]
    assert [run["seed"] for run in second["runs"]] == [0, 1]
    assert second["settings"]["loss.name"] == "focal"
    figure = first["figures"]["macro_average_precision"]
    assert figure["mean"] == pytest.approx(np.mean(figure["of_runs"]))
    assert figure["spread"] == pytest.approx(np.std(figure["of_runs"], ddof=1))
    assert content["differences"][0]["mcnemar"] is None
    assert "2 against 3 seeds" in content["conclusion"][0]
    assert [c["name"] for c in content["configurations"]] == ["a (3 seeds)", "b (2 seeds)"]
    own = [run["figures"]["macro_average_precision"] for run in first["runs"]]
    assert own == figure["of_runs"]
    said = compare(capsys, *a)
    assert "3 seeds of one configuration, nothing to tell apart" in said
    rows = [line.split() for line in said.split("each run")[1].splitlines()]
    for run, value in zip(("a0", "a1", "a2"), own, strict=True):
        assert [run, run[1], f"{value:.3f}"] in [row[:3] for row in rows]


def test_a_group_of_seeds_is_named_by_what_its_folders_share(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    def name(*folders: str) -> list[str]:
        runs = [write_run(folder, seed=seed) for seed, folder in enumerate(folders)]
        other = write_run(f"{folders[0]}other", noise=2.0, overrides=("loss=focal",))
        content = json.loads(compare(capsys, *runs, other, "--json"))
        return [row["name"] for row in content["configurations"]]

    assert name("lead_10", "lead_11") == ["lead (2 seeds)", "lead_10other"]
    assert name("x", "y") == ["x and 1 more", "xother"]


def test_a_rule_that_evaluate_has_not_judged_is_said(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0, overrides=("loss=focal",))

    def judge(run: Path) -> None:
        rule = name_rule(load_decisions(run / "decisions.json", ("bar", "blob")))
        (run / "metrics.json").write_text(json.dumps({"rule": rule}))

    judge(a)
    judge(b)
    assert "has not judged" not in compare(capsys, a, b)
    document = json.loads((b / "decisions.json").read_bytes())
    for entry in document["policy"]["classes"]:
        entry.update(clean_below=0.25, defect_from=0.25)
    (b / "decisions.json").write_text(json.dumps(document))
    said = compare(capsys, a, b)
    assert f"a rule that `evaluate` has not judged yet: `stripsight evaluate {b}`" in said
    assert said.count("has not judged") == 1
    content = json.loads(compare(capsys, a, b, "--json"))
    judged = [row["runs"][0]["judged_by_this_rule"] for row in content["configurations"]]
    assert judged == [True, False]


def test_the_order_of_images_does_not_matter(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0, overrides=("loss=focal",))
    before = compare(capsys, a, b, "--json")
    p = load_predictions(b / "predictions_test.parquet")
    turned = {"ids": p.ids[::-1], "labels": p.labels[::-1].copy(), "logits": p.logits[::-1].copy()}
    change_predictions(b, **turned)
    assert compare(capsys, a, b, "--json") == before


def test_validation_can_be_compared_and_says_that_it_flatters(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_run("a", parts=("validation",))
    b = write_run("b", noise=2.0, overrides=("loss=focal",), parts=("validation",))
    assert "chosen on these very images" in compare(capsys, a, b, "--split", "validation")
    assert f"stripsight evaluate {a}`" in fail(capsys, a, b)


def test_a_class_that_only_one_run_decides_on_leaves_no_common_figure(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_run("a")
    b = write_run("b", noise=2.0, overrides=("loss=focal",), undecided=True)
    said = compare(capsys, a, b)
    assert "no macro F1, exact match" in said
    assert "McNemar" not in said
    assert "macro AP" in said


def test_a_run_twice_is_refused(write_run: WriteRun, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run("a")
    assert "the same folder" in fail(capsys, a, a, code=2)
    link = a.parent / "link"
    link.symlink_to(a)
    assert "the same folder" in fail(capsys, a, link, code=2)
    copy = a.parent / "copy"
    shutil.copytree(a, copy)
    assert "copies of one run" in fail(capsys, a, copy, code=2)
    record = json.loads((copy / "provenance.json").read_bytes())
    (copy / "provenance.json").write_text(json.dumps({**record, "run_id": "other"}))
    assert "belongs to another run" in fail(capsys, a, copy)
    assert "two runs or more" in fail(capsys, a, code=2)
    assert "cannot be compared" in fail(capsys, a, copy, "--split", "train", code=2)


def test_another_split_is_refused(write_run: WriteRun, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0)
    source = load_predictions(b / "predictions_test.parquet").source
    change_predictions(b, source={**source, "split": "other"})
    assert "made with another split than the run has now" in fail(capsys, a, b)
    record = json.loads((b / "provenance.json").read_bytes())
    record["split"]["hash"] = "other"
    (b / "provenance.json").write_text(json.dumps(record))
    assert "was fitted on another split than the run has now" in fail(capsys, a, b)
    document = json.loads((b / "decisions.json").read_bytes())
    document["fitted_on"]["split"] = "other"
    (b / "decisions.json").write_text(json.dumps(document))
    assert "another split than" in fail(capsys, a, b)


def test_predictions_of_other_data_than_the_run_names_are_refused(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0)
    source = load_predictions(b / "predictions_test.parquet").source
    change_predictions(b, source={**source, "data_set": "other"})
    assert "made with another data set" in fail(capsys, a, b)
    record = json.loads((b / "provenance.json").read_bytes())
    record["data_set"]["content_hash"] = "other"
    (b / "provenance.json").write_text(json.dumps(record))
    assert "have changed since" in fail(capsys, a, b)


def test_a_checkpoint_that_is_no_longer_the_judged_one_is_refused(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0)
    checkpoint = b / "checkpoints" / "best.ckpt"
    write_checkpoint({"stripsight": {"run_id": "b"}, "epoch": 7}, checkpoint)
    said = fail(capsys, a, b)
    assert "predictions_test.parquet: made with another checkpoint than the run has now" in said
    assert f"run `stripsight evaluate {b}` again" in said
    checkpoint.unlink()
    assert "best.ckpt cannot be read" in fail(capsys, a, b)


def test_other_images_or_labels_are_refused(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0)
    p = load_predictions(b / "predictions_test.parquet")
    change_predictions(b, ids=p.ids[:-1], labels=p.labels[:-1], logits=p.logits[:-1])
    assert "it holds 59 of the 60 test images" in fail(capsys, a, b)
    assert "it holds 59 of the 60 test images" in fail(capsys, b, a)
    change_predictions(b, ids=[*p.ids[:-1], p.ids[0]], labels=p.labels, logits=p.logits)
    assert "twice" in fail(capsys, a, b)
    change_predictions(b, ids=p.ids, labels=1 - p.labels, logits=p.logits)
    change_predictions(a, labels=1 - p.labels)  # alike in both: only the data set can tell
    assert "other labels" in fail(capsys, a, b)
    change_predictions(a, labels=p.labels)
    change_predictions(b, ids=p.ids, labels=p.labels, logits=p.logits * np.nan)
    assert "not finite" in fail(capsys, a, b)
    change_predictions(b, logits=p.logits, source={**p.source, "part": "validation"})
    assert "of the part 'validation', not of test" in fail(capsys, a, b)


def test_what_is_no_judged_run_is_refused(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a, b = write_run("a"), write_run("b", noise=2.0)
    assert "no run folder" in fail(capsys, a, tmp_path)
    (b / "decisions.json").unlink()
    assert "has no decisions.json: run `stripsight evaluate" in fail(capsys, a, b)
    (b / "decisions.json").write_text("{")
    assert "damaged" in fail(capsys, a, b)
    shutil.copy(a / "decisions.json", b)
    assert "another checkpoint" in fail(capsys, a, b)
    (b / "predictions_test.parquet").write_bytes(b"PAR1")
    assert "holds no predictions" in fail(capsys, a, b)


def test_runs_that_decide_by_different_rules_are_named(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_run("first")
    second = write_run("second", overrides=("training.learning_rate=0.1",))
    decisions = load_decisions(second / "decisions.json", ("bar", "blob"))
    band = Policy("review", {"share": 0.1}, (ClassPolicy(0.4, 0.6),) * 2)
    save_decisions(replace(decisions, policy=band), second / "decisions.json")
    said = compare(capsys, first, second)
    assert "note: they decide by different rules (first by max_f1; second by review (share" in said
    prices = {name: {"escape": 5.0, "overkill": 1.0} for name in ("bar", "blob")}
    for run, price in ((first, 5.0), (second, 9.0)):
        prices["bar"] = {"escape": price, "overkill": 1.0}
        cost = Policy("cost", {"prices": dict(prices)}, (ClassPolicy.at(0.5),) * 2)
        decisions = load_decisions(run / "decisions.json", ("bar", "blob"))
        save_decisions(replace(decisions, policy=cost), run / "decisions.json")
    said = compare(capsys, first, second, "--json")
    (note,) = [note for note in json.loads(said)["notes"] if "different rules" in note]
    assert "(first by cost (bar 5:1, blob 5:1); second by cost (bar 9:1, blob 5:1))" in note
