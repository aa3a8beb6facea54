"""`stripsight bench` on a real, tiny bundle."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stripsight.cli.app import run_command

QUICK = ["--seconds", "0.1", "--threads", "1"]


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "bundle"
    return make_bundle(folder, provenance={"runs": [{"backbone": "test_resnet"}]})


def test_all_contenders_stand_in_table_json_and_picture(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    names = ["--variant", "fp32", "--variant", "int8"]
    assert run_command(["bench", str(bundle), *QUICK, *names, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    content = json.loads((out / "bench.json").read_text())
    contenders = ["openvino fp32", "openvino int8", "pytorch eager fp32", "onnxruntime fp32"]
    assert [row["name"] for row in content["latency"]] == contenders
    svg = (out / "bench.svg").read_text()
    ElementTree.fromstring(svg)
    for name in contenders:
        assert name in printed
        assert name in svg
    for row in content["latency"]:
        assert row["n"] >= 6
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
        assert row["percentiles_ms"][50] == pytest.approx(row["p50_ms"], abs=1e-3)
    assert content["latency"][0]["ratio_to_first"] == {"median": 1, "lowest": 1, "highest": 1}
    points = {(row["name"], row["batch"], row["streams"]) for row in content["throughput"]}
    assert points == {
        (name, batch, 1)
        for name in ("openvino fp32", "pytorch eager fp32", "onnxruntime fp32")
        for batch in (1, 2, 4, 8)
    }
    assert content["engine"]["threads"] == 1
    assert content["images"] == "golden"
    assert content["steadiness"]["samples"] > 10
    assert ("machine steady" in printed) == content["steadiness"]["steady"]
    assert "random weights" in printed
    assert "no throughput of openvino int8: of the bundle's" in " ".join(printed.split())


def test_json_alone_stands_on_stdout(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", str(bundle), *QUICK, "--against", "none", "--json"]) == 0
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert [row["name"] for row in content["latency"]] == ["openvino fp32"]
    assert ("NOT STEADY" in captured.err) != content["steadiness"]["steady"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--against", "tensorflow"], 2, "'tensorflow' is not known"),
        (["--threads", "100000"], 1, "this machine has"),
        (["--variant", "fp4"], 1, "no variant 'fp4'"),
        (["--seconds", "0"], 2, "--seconds"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    bundle: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str
) -> None:
    assert run_command(["bench", str(bundle), *words]) == code
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error


def test_a_bundle_without_backbones_is_measured_without_pytorch_and_says_so(
    make_bundle: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(make_bundle(tmp_path / "bundle", golden=0))
    assert run_command(["bench", folder, *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "not compared with pytorch: the bundle does not say which backbones" in printed
    assert run_command(["bench", folder, *QUICK, "--against", "pytorch"]) == 1
    assert "does not say which backbones" in capsys.readouterr().err


def test_it_runs_where_the_lab_is_not_installed(bundle: Path) -> None:
    code = f"""
import sys
for name in ("torch", "torchvision", "timm", "lightning", "pandas", "sklearn", "scipy", "hydra",
             "matplotlib", "jinja2"):
    sys.modules[name] = None
from stripsight.cli.app import run_command
assert run_command(["bench", {str(bundle)!r}, *{QUICK!r}]) == 0
assert run_command(["bench", {str(bundle)!r}, *{QUICK!r}, "--against", "pytorch"]) == 1
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "not compared with pytorch: PyTorch is not installed" in done.stdout
    assert "stripsight: PyTorch is not installed: pip install 'stripsight[train]'" in done.stderr


def test_a_full_disk_is_told_by_file_and_leaves_no_folder(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    out = tmp_path / "deep" / "out"
    words = ["bench", str(bundle), *QUICK, "--against", "none", "--out", str(out)]
    assert run_command(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == f"stripsight: {out / 'bench.svg'}: No space left on device"
    assert list(tmp_path.iterdir()) == []
