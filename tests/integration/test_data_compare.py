"""`data compare` through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.cli.app import run_command


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    for name, mean in (("before", 100), ("after", 125)):
        (root / name).mkdir()
        for number in range(60):
            grey = rng.normal(rng.normal(mean, 8), 10, (32, 64)).clip(0, 255).astype(np.uint8)
            Image.fromarray(grey).save(root / name / f"{number:02}.jpg")
    return root / "before", root / "after"


def test_without_out_it_only_prints(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command(["data", "compare", *map(str, folders)]) == 0
    output = capsys.readouterr().out
    assert "brightness" in output
    assert "large shift" in output
    assert "most unlike A" in output
    assert "differs from" in output.splitlines()[0]
    order = [output.index(word) for word in ("differs from", "brightness, grey", "p: share of")]
    assert order == sorted(order)
    assert list(tmp_path.iterdir()) == []


def test_sets_that_cannot_be_told_apart_have_no_list(folders, tmp_path, capsys):
    halves = tmp_path / "a", tmp_path / "b"
    for number, path in enumerate(sorted(folders[0].iterdir())):
        half = halves[number % 2]
        half.mkdir(exist_ok=True)
        for copy in (0, 1):
            grey = np.asarray(Image.open(path))[:, copy * 32 : copy * 32 + 32]
            Image.fromarray(grey).save(half / f"{number}_{copy}.jpg")
    assert run_command(["data", "compare", *map(str, halves)]) == 0
    output = capsys.readouterr().out
    assert "cannot be told from" in output.splitlines()[0]
    assert "most unlike" not in output


def test_out_holds_the_same_figures_and_a_picture(folders, tmp_path, capsys):
    out = tmp_path / "deep" / "report"
    assert run_command(["data", "compare", *map(str, folders), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "compare.json").read_text())
    assert printed["a"]["images"] == printed["b"]["images"] == 60
    assert printed["statistics"]["brightness"]["verdict"] == "large"
    assert printed["classifier"]["differs"] is True
    assert len(printed["most_unlike"]) == 10
    assert sorted(path.name for path in out.iterdir()) == ["compare.json", "compare.png"]
    with Image.open(out / "compare.png") as image:
        image.load()


def test_out_of_other_things_is_refused(folders, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "letter.txt"):
        command = ["data", "compare", *map(str, folders), "--out", str(out)]
        assert run_command(command) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    assert capsys.readouterr().err.strip().count("\n") == 1


@pytest.mark.parametrize("inside", ["", "below"])
def test_out_in_a_compared_folder_is_refused(folders, tmp_path, capsys, inside):
    """compare.png would be one of the images of the next comparison."""
    report = tmp_path / "report"
    words = ["data", "compare", *map(str, folders), "--out", str(report)]
    assert run_command(words) == 0
    before = {path.name: path.read_bytes() for path in report.iterdir()}
    words = ["data", "compare", str(folders[0]), str(report), "--out", str(report / inside)]
    assert run_command(words) == 2
    assert "name a folder outside it" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in report.iterdir()} == before


def test_two_runs_give_the_same_figures(folders, capsys):
    outputs = []
    for _ in range(2):
        assert run_command(["data", "compare", *map(str, folders), "--json"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_a_folder_against_itself_is_wrong_usage(folders, capsys):
    before = str(folders[0])
    assert run_command(["data", "compare", before, f"{before}/../before"]) == 2
    assert "one and the same" in capsys.readouterr().err


def test_the_same_files_elsewhere_are_refused(folders, tmp_path, capsys):
    (tmp_path / "copy").symlink_to(folders[0])
    assert run_command(["data", "compare", str(folders[0]), str(tmp_path / "copy")]) == 2
    copy = tmp_path / "other"
    copy.mkdir()
    for path in folders[0].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert run_command(["data", "compare", str(folders[0]), str(copy)]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "hold the same 60 files" in error


@pytest.mark.parametrize(
    ("second", "code", "message"), [("nowhere", 2, "is no folder"), ("", 1, "holds no image")]
)
def test_bad_sets_are_one_line(folders, tmp_path, capsys, second, code, message):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run_command(["data", "compare", str(folders[0]), second or str(empty)]) == code
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_a_full_disk_leaves_nothing_half_written(folders, tmp_path, monkeypatch, capsys):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    out = tmp_path / "out"
    assert run_command(["data", "compare", *map(str, folders), "--out", str(out)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_odd_names_are_shown_as_they_are(folders, tmp_path, capsys):
    odd = tmp_path / "[bold]odd"
    odd.mkdir()
    for path in folders[1].iterdir():
        (odd / path.name).write_bytes(path.read_bytes())
    assert run_command(["data", "compare", str(folders[0]), str(odd)]) == 0
    assert "[bold]odd" in capsys.readouterr().out


@pytest.mark.real_data
def test_real_train_and_test_strips_differ_in_brightness(real_data, capsys):
    sets = [str(real_data / "severstal_sample" / name) for name in ("train_images", "test_images")]
    assert run_command(["data", "compare", *sets, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["statistics"]["brightness"]["psi"] > 0.25
    assert found["classifier"]["interval"][0] > 0.5
    assert found["statistics"]["jpeg_quality"]["median_a"] == 90
