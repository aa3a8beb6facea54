"""`loss.localisation_weight` through the command line."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared, save_prepared
from stripsight.training.checkpoint import read_checkpoint

WEIGHTED = "loss.localisation_weight=0.5"


def read_log(run: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def weighted_run(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Path:
    run = tmp_path_factory.mktemp("weighted") / "run"
    assert run_command(["train", *tiny_overrides, WEIGHTED, "--run", str(run)]) == 0
    return run


def test_masks_change_what_is_learnt_and_are_logged(weighted_run: Path, tiny_run: Path) -> None:
    rows = read_log(weighted_run)
    assert float(rows[-1]["val/localisation_loss"]) < float(rows[0]["val/localisation_loss"])
    assert float(rows[-1]["train/loss"]) > 0.5 * float(rows[-1]["train/localisation_loss"])
    assert "val/localisation_loss" not in read_log(tiny_run)[0]
    one, two = (
        read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
        for run in (weighted_run, tiny_run)
    )
    assert not torch.equal(one["network.head.weight"], two["network.head.weight"])


def test_without_the_weight_masks_are_not_read(tiny_overrides: list[str]) -> None:
    from stripsight.config.compose import compose_config
    from stripsight.training.build import build_data

    for words, given, expected in (
        ([], None, False), ([WEIGHTED], None, True), ([WEIGHTED], False, False), ([], True, True),
    ):  # fmt: skip
        data = build_data(compose_config([*tiny_overrides, *words]), masks=given)
        batch = next(iter(data.loader_for("validation")))
        assert ("mask" in batch) is expected


def test_a_run_with_masks_resumes_bit_for_bit(
    weighted_run: Path,
    tiny_overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from stripsight.errors import TrainingError
    from stripsight.training.module import DefectModule

    step = DefectModule.training_step

    def stop(self: DefectModule, batch: dict[str, object], index: int) -> torch.Tensor:
        if self.current_epoch == 1 and index == 2:
            raise TrainingError("stopped")
        return step(self, batch, index)

    run = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(DefectModule, "training_step", stop)
        assert run_command(["train", *tiny_overrides, WEIGHTED, "--run", str(run)]) == 1
    assert run_command(["train", "--resume", str(run)]) == 0
    assert "masks and 0 boxes" in capsys.readouterr().err
    for name in ("best.ckpt", "last.ckpt"):
        one, two = (
            read_checkpoint(folder / "checkpoints" / name)["state_dict"]
            for folder in (weighted_run, run)
        )
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert read_log(run) == read_log(weighted_run)


def test_labels_without_places_are_refused(
    tiny_dataset: Path,
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dataset = load_prepared(tiny_dataset)
    bare = dataset.annotations.assign(kind="presence", rle=None, area=None)
    save_prepared(replace(dataset, root=tmp_path / "bare", annotations=bare))
    run = tmp_path / "run"
    words = [*tiny_overrides, f"data.root={tmp_path / 'bare'}", WEIGHTED]
    assert run_command(["train", *words, "--run", str(run)]) == 2
    assert "says where its defects are: leave the key out" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize("value", ["-1", "100.1", "inf", "nan", "much"])
def test_a_weight_that_is_none_is_refused(
    tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    words = [*tiny_overrides, f"loss.localisation_weight={value}"]
    assert run_command(["train", *words, "--run", str(tmp_path / "run")]) == 2
    assert "loss.localisation_weight=" in capsys.readouterr().err


def test_a_configuration_from_before_the_key_is_read(tiny_run: Path, tmp_path: Path) -> None:
    from stripsight.config.compose import load_config

    config = yaml.safe_load((tiny_run / "config.yaml").read_text())
    del config["loss"]["localisation_weight"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert load_config(tmp_path / "config.yaml").loss.localisation_weight == 0
