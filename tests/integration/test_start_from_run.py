"""A training that goes on from an earlier run's checkpoint, and checkpoints that do not fit."""

from pathlib import Path

import pytest
import torch

from stripsight.cli.app import run_command
from stripsight.errors import ModelError
from stripsight.labels import ClassList
from stripsight.models.network import build_network
from stripsight.training.trained_network import load_network, start_from


def test_a_run_begins_with_what_the_earlier_one_knew(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = tiny_run / "checkpoints" / "best.ckpt"
    words = [*tiny_overrides, f"model.weights={best}", "training.learning_rate=1e-9"]
    words += ["training.num_epochs=1", "data.image_size=[32,48]", "training.seed=5"]
    assert run_command(["train", *words, "--run", str(tmp_path / "run")]) == 0
    assert f"starts from {best}; images" in capsys.readouterr().err
    before, _ = load_network(best)
    after, _ = load_network(tmp_path / "run" / "checkpoints" / "best.ckpt")
    for (name, one), other in zip(
        before.named_parameters(), after.parameters(), strict=True
    ):  # steps of 1e-9 change next to nothing, a new network would be somewhere else
        assert torch.allclose(one, other, atol=1e-6), name


def test_other_classes_get_a_head_of_their_own(tiny_run: Path) -> None:
    best = tiny_run / "checkpoints" / "best.ckpt"
    earlier, classes = load_network(best)
    backbone = "test_resnet"
    others = ClassList.from_names([*classes.names[:-1], "another"])
    network = build_network(backbone, len(others), pretrained=False)
    head = network.head.weight.detach().clone()
    assert not start_from(network, best, others, backbone)
    assert torch.equal(network.head.weight, head)
    for one, other in zip(
        earlier.backbone.parameters(), network.backbone.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    assert start_from(network, best, classes, backbone)
    assert torch.equal(network.head.weight, earlier.head.weight)


@pytest.mark.parametrize("fault", ["backbone", "bit", "cut"])
def test_what_does_not_fit_is_refused(
    fault: str,
    tiny_run: Path,
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = bytearray((tiny_run / "checkpoints" / "best.ckpt").read_bytes())
    words, said = [], ""
    if fault == "backbone":
        words, said = ["model.backbone=resnet18"], "is no checkpoint of backbone 'resnet18'"
    elif fault == "bit":
        data[len(data) // 2] ^= 1
        said = "is damaged (its hash does not match)"
    else:
        data = data[:-30]
        said = "is a StripSight checkpoint without its seal: copy it again"
    weights = tmp_path / "earlier.ckpt"
    weights.write_bytes(data)
    words = [*tiny_overrides, *words, f"model.weights={weights}"]
    assert run_command(["train", *words, "--run", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in error
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()


def test_a_network_of_another_backbone_is_left_as_it_was(tiny_run: Path) -> None:
    best = tiny_run / "checkpoints" / "best.ckpt"
    _, classes = load_network(best)
    network = build_network("resnet18", len(classes), pretrained=False)
    with pytest.raises(ModelError, match="no checkpoint of backbone"):
        start_from(network, best, classes, "resnet18")
