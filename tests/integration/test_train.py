"""`stripsight train` and `evaluate` through the command line, on a data set of seconds."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as reference

from stripsight.cli.app import run_command
from stripsight.data.datamodule import StripDataModule
from stripsight.training.checkpoint import read_checkpoint
from stripsight.training.trained_network import load_network


def read_log(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


def test_the_run_folder_is_whole(tiny_run: Path) -> None:
    assert {path.name for path in tiny_run.iterdir()} >= {
        "checkpoints", "config.yaml", "metrics.csv", "provenance.json",
    }  # fmt: skip
    assert {path.name for path in (tiny_run / "checkpoints").iterdir()} == {
        "best.ckpt",
        "last.ckpt",
    }
    record = json.loads((tiny_run / "provenance.json").read_text())
    assert record["finished"] is not None
    assert len(record["data_set"]["content_hash"]) == 64
    assert record["packages"]["torch"] == torch.__version__.split("+")[0]
    assert record["split"]["counts"]["train"]["images"] == 42
    rows = read_log(tiny_run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"train/loss", "val/loss", "val/macro_ap", "val/ap/bar", "learning_rate"} <= set(rows[0])


def test_the_best_checkpoint_is_the_best_epochs(tiny_run: Path) -> None:
    rows = read_log(tiny_run)
    best = max(rows, key=lambda row: float(row["val/macro_ap"]))
    assert read_checkpoint(tiny_run / "checkpoints" / "best.ckpt")["epoch"] + 1 == int(
        best["epoch"]
    )


def test_the_best_checkpoint_holds_what_judging_needs_and_no_more(tiny_run: Path) -> None:
    best = tiny_run / "checkpoints" / "best.ckpt"
    last = read_checkpoint(tiny_run / "checkpoints" / "last.ckpt")
    assert set(read_checkpoint(best)) == {
        "epoch", "global_step", "pytorch-lightning_version", "state_dict", "stripsight",
    }  # fmt: skip
    assert {"optimizer_states", "current_model_state", "callbacks", "loops"} < set(last)


def test_the_logged_figure_is_scikit_learns_on_the_averaged_weights(
    tiny_run: Path, tiny_dataset: Path
) -> None:
    network, _ = load_network(tiny_run / "checkpoints" / "last.ckpt")
    data = StripDataModule(tiny_dataset, batch_size=64)
    data.setup()
    (batch,) = list(data.loader_for("validation"))
    with torch.inference_mode():
        scores = network.eval()(batch["image"]).logits
    expected = np.mean(
        [reference.average_precision_score(batch["target"][:, c], scores[:, c]) for c in range(2)]
    )
    last = read_log(tiny_run)[-1]
    assert float(last["val/macro_ap"]) == pytest.approx(expected, abs=1e-6)


def test_evaluate_writes_what_it_prints(
    judged_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(judged_run, tmp_path / "run"))
    assert run_command(["evaluate", str(run)]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["part"] == "test"
    for row in metrics["classes"]:
        assert f"{row['average_precision']['value']:.3f} (" in printed
    table = pd.read_parquet(run / "predictions_test.parquet")
    assert len(table) == metrics["images"] == 9
    decisions = json.loads((run / "decisions.json").read_text())
    for column, name in enumerate(decisions["classes"]):
        truth = table[f"label_{name}"]
        thresholds = decisions["policy"]["classes"][column]
        called = table[f"probability_{name}"] >= thresholds["defect_from"]
        row = metrics["classes"][column]
        assert row["f1"]["value"] == pytest.approx(reference.f1_score(truth, called))
        assert row["auroc"]["value"] == pytest.approx(
            reference.roc_auc_score(truth, table[f"logit_{name}"])
        )
        assert row["positives"] == truth.sum()
    validation = pd.read_parquet(run / "predictions_validation.parquet")
    assert set(validation["id"]).isdisjoint(table["id"])


def test_evaluate_prints_json(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    assert run_command(["evaluate", str(run), "--split", "validation", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == "validation"


def test_the_same_seed_gives_the_same_weights(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path
) -> None:
    words = [*tiny_overrides, "data.num_workers=2"]
    assert run_command(["train", *words, "--run", str(tmp_path / "again")]) == 0
    first = read_checkpoint(tiny_run / "checkpoints" / "last.ckpt")["state_dict"]
    second = read_checkpoint(tmp_path / "again" / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_losses_and_optimisers_run_from_the_command_line(
    tiny_overrides: list[str], tmp_path: Path
) -> None:
    for index, words in enumerate(
        (
            ["loss=focal", "optimizer=sgd"],
            ["loss=asymmetric", "training.ema_decay=0", "training.channels_last=false"],
            ["loss.pos_weight=auto", "loss.label_smoothing=0.1", "training.precision=bf16"],
            ["model.pooling=lse", "augmentation=none", "data.image_size=[32,48]"],
        )
    ):
        run = str(tmp_path / str(index))
        words = [*tiny_overrides, *words, "training.num_epochs=1"]
        assert run_command(["train", *words, "--run", run]) == 0, words


def test_show_config_prints_and_stops(
    tiny_overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["train", *tiny_overrides, "--show-config"]) == 0
    assert "backbone: test_resnet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["training.num_epoch=3"], 2, "did you mean 'training.num_epochs'"),
        (["model.backbone=resnet5O"], 1, "did you mean"),
        (["model.num_classes=4"], 2, "has 2 classes (bar, blob)"),
        (["data.image_size=[64,64]"], 2, "distorts 96x64 images: [43,64] keeps"),
        (["data.root=/nowhere"], 1, "no prepared data set"),
        (["loss.pos_weight=[1,2,3]"], 2, "3 values"),
        (["loss=focal", "loss.pos_weight=auto"], 2, "bce only"),
    ],
)
def test_wrong_words_are_one_line_and_leave_nothing(
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    run = tmp_path / "run"
    assert run_command(["train", *tiny_overrides, *words, "--run", str(run)]) == code
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("stripsight: ")
    assert message in last
    assert not run.exists()


def test_an_existing_folder_is_not_overwritten(
    tiny_run: Path, tiny_overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tiny_run / "provenance.json").read_bytes()
    assert run_command(["train", *tiny_overrides, "--run", str(tiny_run)]) == 2
    assert "exists" in capsys.readouterr().err
    assert (tiny_run / "provenance.json").read_bytes() == before


def test_changed_data_are_not_judged(
    make_dataset: Callable[..., Path],
    tiny_labels: np.ndarray,
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, run = make_dataset(tiny_labels), tmp_path / "run"
    words = [*tiny_overrides, f"data.root={root}", "training.num_epochs=2"]
    assert run_command(["train", *words, "--run", str(run)]) == 0
    from stripsight.data.prepared import load_prepared, save_prepared

    dataset = load_prepared(root)
    save_prepared(replace(dataset, annotations=dataset.annotations.iloc[1:]))
    assert run_command(["evaluate", str(run)]) == 1
    assert "is not the one the run was started on" in capsys.readouterr().err
    assert not (run / "metrics.json").exists()


def test_a_run_is_judged_from_any_folder_and_says_what_a_limit_left_out(
    tiny_overrides: list[str],
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tiny_dataset.parent)
    words = [*tiny_overrides, f"data.root={tiny_dataset.name}", "data.limit=6"]
    run = tmp_path / "run"
    assert run_command(["train", *words, "training.num_epochs=1", "--run", str(run)]) == 0
    assert ": 6 of 42 train, 6 of 9 validation, 6 of 9 test\n" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert run_command(["evaluate", "run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "note: only 6 of the 9 test images: `data.limit` is 6 in config.yaml: set it to null, and"
        " evaluate again"
    ) in said
