"""Files that go bad between `data prepare` and training: one line that names the file."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from stripsight.cli.app import run_command
from stripsight.data.datamodule import StripDataModule
from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.errors import DataError


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_broke_since_is_named_in_one_line(
    tiny_dataset: Path,
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    workers: int,
) -> None:
    root = tmp_path / "prepared"
    shutil.copytree(tiny_dataset, root)
    manifest = root / "dataset.json"
    manifest.write_text(manifest.read_text().replace(str(tiny_dataset), str(root)))
    for image in (root / "source").iterdir():
        image.write_bytes(image.read_bytes()[:200])
    words = [*tiny_overrides, f"data.root={root}", f"data.num_workers={workers}"]
    assert run_command(["train", *words, "--run", str(tmp_path / "run")]) == 1
    *notes, line = capsys.readouterr().err.strip().splitlines()
    assert all(note.startswith("split ") for note in notes), notes
    assert line.startswith("stripsight: ")
    assert ".png: damaged PNG" in line


def test_images_that_are_gone_are_counted(
    tiny_dataset: Path,
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "prepared"
    shutil.copytree(tiny_dataset, root)
    manifest = root / "dataset.json"
    manifest.write_text(manifest.read_text().replace(str(tiny_dataset), str(root)))
    for name in ("0003.png", "0004.png"):
        (root / "source" / name).unlink()
    words = [*tiny_overrides, f"data.root={root}", "training.num_epochs=1"]
    assert run_command(["train", *words, "--run", str(tmp_path / "a")]) == 1
    assert "not on disk" in (error := capsys.readouterr().err)
    assert "of a run already trained, in its config.yaml" in error
    assert run_command(["train", *words, "data.missing=skip", "--run", str(tmp_path / "b")]) == 0
    skipped = json.loads((tmp_path / "b" / "provenance.json").read_text())["data_set"]
    assert sum(skipped["images_skipped"].values()) == 2
    assert sum(skipped["images_used"].values()) == 58


def test_a_killed_loader_process_is_explained(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is killed for real, by itself, as the kernel does when memory runs out."""
    data = StripDataModule(tiny_dataset, batch_size=4, num_workers=1)
    data.setup()

    def die(self: SeverstalFullImageDataset, index: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(SeverstalFullImageDataset, "__getitem__", die)
    with pytest.raises(DataError, match="a loader process was killed"):
        list(data.loader_for("train"))
