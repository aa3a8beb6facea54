"""`stripsight folds` through the command line, on runs written as `evaluate` writes them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from stripsight.cli.app import run_command
from stripsight.config.compose import compose_config, format_config
from stripsight.data.prepared import load_prepared, save_prepared
from stripsight.data.splits.store import load_split, make_folds, make_split, save_splits
from stripsight.decision.calibration import Calibration, ClassCalibration
from stripsight.decision.document import Decisions, FittedOn, save_decisions
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.predictions import Predictions, load_predictions, save_predictions
from stripsight.training.checkpoint import hash_checkpoint, write_checkpoint

FOLDS = 3
SLOPES, THRESHOLDS = (0.5, 1.0, 2.0), (0.4, 0.5, 0.6)
WriteRun = Callable[..., Path]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> Path:
    """The tiny data set in pairs of look-alikes, with two sets of folds and a holdout."""
    copy = tmp_path_factory.mktemp("folds") / "prepared"
    tiny = load_prepared(tiny_dataset)
    images = tiny.images.assign(duplicate_group=np.arange(60, dtype=np.int32) // 2)
    save_prepared(replace(tiny, root=copy, images=images))
    dataset = load_prepared(copy)
    save_splits(dataset, make_folds(dataset, "cv", folds=FOLDS, seed=0))
    save_splits(dataset, make_folds(dataset, "cv2", folds=FOLDS, seed=1))
    save_splits(dataset, [make_split(dataset, "once", fractions=(0.5, 0.2, 0.3), seed=0)])
    return copy


@pytest.fixture
def write_run(tmp_path: Path, root: Path) -> WriteRun:
    """A run on one split: labels with noise, on a logit scale and with thresholds of its own."""

    def write(
        split_name: str,
        *,
        name: str | None = None,
        thresholds: tuple[float | None, float | None] | None = None,
        policy: tuple[str, dict[str, object]] = ("max_f1", {}),
        overrides: tuple[str, ...] = (),
        data: Path = root,
        judged: bool = True,
    ) -> Path:
        dataset = load_prepared(data)
        split = load_split(dataset, split_name, leaks="ignore", quiet=True)
        number = split.fold.number if split.fold else 1
        ids = split.ids("test")
        row_of = {image_id: row for row, image_id in enumerate(dataset.labelled_images["id"])}
        labels = dataset.label_matrix()[[row_of[image_id] for image_id in ids]]
        run = tmp_path / (name or split_name)
        checkpoint = run / "checkpoints" / "best.ckpt"
        checkpoint.parent.mkdir(parents=True)
        write_checkpoint({"stripsight": {"run_id": run.name}}, checkpoint)
        source = {
            "data_set": dataset.content_hash(),
            "split": split.hash,
            "checkpoint": hash_checkpoint(checkpoint),
        }
        # One network's logits are many times another's: only calibrated do they rank together.
        noise = np.random.default_rng(number).normal(size=labels.shape)
        logits = (2.0 * labels - 1.0 + noise) / SLOPES[number - 1]
        if judged:
            save_predictions(
                Predictions(
                    ids,
                    dataset.classes.names,
                    labels,
                    logits.astype(np.float32),
                    {"part": "test", **source},
                ),
                run / "predictions_test.parquet",
            )
        limits = thresholds or (THRESHOLDS[number - 1],) * 2
        decisions = Decisions(
            class_names=dataset.classes.names,
            calibration=Calibration((ClassCalibration("platt", (SLOPES[number - 1], 0.0)),) * 2),
            policy=Policy(*policy, tuple(ClassPolicy.at(limit) for limit in limits)),
            fitted_on=FittedOn(part="validation", images=20, **source),
            positives=(10, 10),
        )
        save_decisions(decisions, run / "decisions.json")
        (run / "metrics.json").write_text(json.dumps({"rule": name_rule(decisions)}))
        config = compose_config([f"data.root={data}", f"data.split={split_name}", *overrides])
        (run / "config.yaml").write_text(format_config(config))
        record = {
            "schema_version": 1,
            "run_id": run.name,
            "finished": "",
            "precision": "32-true",
            "data_set": {
                "content_hash": source["data_set"],
                "name": "tiny",
                "images_used": {"test": len(ids)},
            },
            "split": {"hash": split.hash, "name": split_name},
            "seed": 0,
            "git_commit": None,
            "packages": {},
            "hardware": {"processor": "", "cores": 2, "gpu": None},
        }
        (run / "provenance.json").write_text(json.dumps(record))
        return run

    return write


def run_folds(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert run_command(["folds", *map(str, words)]) == code
    output = capsys.readouterr()
    return output.out, output.err.strip()


def refuse(capsys: pytest.CaptureFixture[str], *words: object, code: int) -> str:
    out, message = run_folds(capsys, *words, code=code)
    assert out == ""
    assert message.startswith("stripsight: ")
    assert "\n" not in message
    return message


def test_figures_are_scikit_learns_on_pooled_probabilities(
    write_run: WriteRun, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(f"cv-{number}") for number in (2, 3, 1)]
    judged = json.loads(run_folds(capsys, *runs, "--json")[0])
    truth, scores, called, ids = [], [], [], []
    for number in (1, 2, 3):
        stored = load_predictions(runs[(number + 1) % 3] / "predictions_test.parquet")
        assert stored.ids == load_split(load_prepared(root), f"cv-{number}").ids("test")
        probabilities = 1 / (1 + np.exp(-SLOPES[number - 1] * stored.logits.astype(float)))
        ids += stored.ids
        truth.append(stored.labels)
        scores.append(probabilities)
        called.append(probabilities >= THRESHOLDS[number - 1])
    truth, scores, called = map(np.concatenate, (truth, scores, called))
    assert len(set(ids)) == len(ids) == judged["images"] == 60
    assert judged["groups"] == 30
    for column, row in enumerate(judged["classes"]):
        of_class = truth[:, column], called[:, column]
        for name, expected in {
            "average_precision": reference.average_precision_score(
                truth[:, column], scores[:, column]
            ),
            "auroc": reference.roc_auc_score(truth[:, column], scores[:, column]),
            "f1": reference.f1_score(*of_class),
            "precision": reference.precision_score(*of_class),
            "recall": reference.recall_score(*of_class),
        }.items():
            assert row[name]["value"] == pytest.approx(expected), name
            assert row[name]["low"] < expected < row[name]["high"], name
    exact = (truth.astype(bool) == called).all(axis=1).mean()
    assert judged["overall"]["exact_match"]["value"] == pytest.approx(exact)
    assert [fold["number"] for fold in judged["folds"]] == [1, 2, 3]
    assert [fold["thresholds"][0]["defect_from"] for fold in judged["folds"]] == list(THRESHOLDS)


def test_the_table_says_what_the_figures_are_of(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(f"cv-{number}") for number in (1, 2, 3)]
    printed, errors = run_folds(capsys, *runs)
    assert errors == ""
    assert "test split, 60 images in 30 groups, of cv (3 folds by group)" in printed
    assert "thresholds fitted on each fold's validation images" in " ".join(printed.split())
    assert "0.400-0.600" in printed
    assert "figures of the procedure, over 3 networks" in " ".join(printed.split())
    assert printed.count("note:") == 1


def test_what_a_fold_of_the_procedure_lacks_is_said(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        write_run("cv-1", overrides=("model.backbone=resnet50",)),
        write_run("cv-2", thresholds=(0.5, None)),
        write_run("cv-3"),
    ]
    (runs[2] / "metrics.json").unlink()
    judged = json.loads(run_folds(capsys, *runs, "--json")[0])
    notes = "\n".join(judged["notes"])
    assert "not trained alike (model.backbone differ)" in notes
    assert f"{runs[2]}: its decision rule is newer than its report" in notes
    assert "blob: no positive in validation of cv-2, so no threshold" in notes
    stored = load_predictions(runs[1] / "predictions_test.parquet")
    shown = int(stored.labels[:, 1].sum())
    assert f"the {shown} images that show it there count as escapes" in notes
    assert judged["classes"][1]["counts"]["escapes"] >= shown


def test_a_class_that_no_fold_finds_is_exit_1(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(f"cv-{n}", thresholds=(0.5, 1.0)) for n in (1, 2, 3)]
    printed, message = run_folds(capsys, *runs, code=1)
    assert "blob: never found" in printed
    assert message.startswith("stripsight: never found in any fold: blob;")
    assert run_folds(capsys, *runs, "--allow-collapse")[1] == ""


def test_a_class_that_no_fold_can_call_is_exit_1(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(f"cv-{n}", thresholds=(0.5, None)) for n in (1, 2, 3)]
    _, message = run_folds(capsys, *runs, code=1)
    assert message.startswith("stripsight: never called in any fold: blob;")


def test_a_set_that_is_not_whole_is_refused(
    write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write_run("cv-1"), write_run("cv-2")
    message = refuse(capsys, one, two, code=2)
    assert "2 of the 3 folds of 'cv' are given; not cv-3" in message
    message = refuse(capsys, one, two, write_run("cv-2", name="again"), code=2)
    assert "are both of fold 2" in message


def test_runs_that_do_not_belong_together_are_refused(
    write_run: WriteRun, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write_run("cv-1"), write_run("cv-2")
    other = write_run("cv2-3")
    assert "is a fold of 'cv2'" in refuse(capsys, one, two, other, code=1)
    alone = write_run("once")
    assert "'once', which is no fold" in refuse(capsys, one, two, alone, code=1)
    by_cost = write_run("cv-3", name="cost", policy=("cost", {"prices": {}}))
    assert "decides by cost" in refuse(capsys, one, two, by_cost, code=1)
    settings = write_run("cv-3", name="settings", policy=("max_f1", {"alpha": 0.1}))
    assert "with other settings" in refuse(capsys, one, two, settings, code=1)
    unjudged = write_run("cv-3", name="unjudged", judged=False)
    message = refuse(capsys, one, two, unjudged, code=1)
    assert f"run `stripsight evaluate {unjudged}` first" in message


def test_a_run_of_another_data_set_is_refused(
    write_run: WriteRun, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load_prepared(root)
    smaller = replace(dataset, root=tmp_path / "other", images=dataset.images.iloc[:-4])
    kept = smaller.annotations["image_id"].isin(smaller.images["id"])
    save_prepared(replace(smaller, annotations=smaller.annotations[kept]))
    other = load_prepared(tmp_path / "other")
    save_splits(other, make_folds(other, "cv", folds=FOLDS, seed=0))
    runs = [write_run("cv-1"), write_run("cv-2"), write_run("cv-3", data=other.root)]
    assert "was judged on another data set than" in refuse(capsys, *runs, code=1)


def test_a_split_made_anew_is_refused(
    write_run: WriteRun, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load_prepared(root)
    copy = replace(dataset, root=tmp_path / "copy")
    save_prepared(copy)
    save_splits(copy, make_folds(copy, "cv", folds=FOLDS, seed=0))
    runs = [write_run(f"cv-{number}", data=copy.root) for number in (1, 2, 3)]
    save_splits(copy, make_folds(copy, "cv", folds=FOLDS, seed=5))
    assert "is not the one that" in refuse(capsys, *runs, code=1)
