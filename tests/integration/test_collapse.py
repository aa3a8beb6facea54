"""A run that never finds a class: from `export` to the summary of `score`, all are told."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.bundle.collapse import list_collapse
from stripsight.bundle.folder import open_bundle, open_manifest, write_manifest
from stripsight.cli.app import run_command

Captured = pytest.CaptureFixture[str]

FOUND = "bar is never found: 9 test images show it (run)"
CALLED = "blob is never called, for it has no threshold: 9 test images show it (run)"


@pytest.fixture
def lost(judged_run: Path, tmp_path: Path) -> Path:
    """A run of which `evaluate` said that one class is never found and another never called."""
    run = Path(shutil.copytree(judged_run, tmp_path / "run"))
    metrics = json.loads((run / "metrics.json").read_text())
    for row in metrics["classes"]:
        row["positives"] = 9
    metrics |= {"collapsed": ["bar"], "uncalled": ["blob"]}
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run


def test_it_is_exported_only_where_somebody_says_so(
    lost: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / "bundle"
    words = ["export", str(lost), str(folder), "--variants", "fp32"]
    assert run_command(words) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"stripsight: {lost} is not fit for a line: {FOUND}; {CALLED}; ")
    assert "--allow-collapse" in error
    assert not folder.exists()
    assert run_command([*words, "--allow-collapse"]) == 0
    assert f"DO NOT USE AS IT IS: at export: {FOUND}" in capsys.readouterr().out
    assert open_manifest(folder).provenance["collapse"] == [FOUND, CALLED]


def test_metrics_that_are_not_of_the_rule_or_damaged_are_refused(
    lost: Path, tmp_path: Path, capsys: Captured
) -> None:
    words = ["export", str(lost), str(tmp_path / "bundle"), "--variants", "fp32"]
    metrics = lost / "metrics.json"
    whole = metrics.read_text()
    metrics.write_text(whole.replace('"classes"', '"klasses"'))
    assert run_command(words) == 1
    assert "metrics.json cannot be read" in capsys.readouterr().err
    metrics.write_text("{}")
    assert run_command(words) == 1
    assert "was not judged on test" in capsys.readouterr().err


def test_the_bundle_and_a_score_say_it(
    make_bundle: Callable[..., Path], tmp_path: Path, capsys: Captured
) -> None:
    folder = make_bundle(tmp_path / "bundle", provenance={"runs": [], "collapse": [FOUND, "\x1b"]})
    image = tmp_path / "a.png"
    Image.fromarray(np.full((32, 64), 110, np.uint8)).save(image)
    out = tmp_path / "t.jsonl"
    for words in (
        ["bundle", "show", str(folder)],
        ["score", str(folder), str(image), f"--out={out}"],
        ["bundle", "triton", str(folder), str(tmp_path / "models")],
        ["bundle", "set-policy", str(folder), "--threshold=spot=0.4", f"--out={tmp_path / 'b'}"],
    ):
        capsys.readouterr()
        assert run_command(words) == 0
        printed = capsys.readouterr().out
        assert f"DO NOT USE AS IT IS: at export: {FOUND}" in printed
        assert "\x1b" not in printed
    assert run_command(["score", str(folder), str(image), f"--out={out}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"][0] == f"at export: {FOUND}"


def test_thresholds_that_lose_a_class_later_are_said_too(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle")
    assert list_collapse(open_manifest(folder)) == ()
    assert run_command(["bundle", "set-policy", str(folder), "--threshold", "spot=1"]) == 0
    (line,) = list_collapse(open_manifest(folder))
    assert line.startswith("spot is never found on validation at these thresholds: all ")
    # A person gets them all.
    assert run_command(["bundle", "set-policy", str(folder), "--review", "spot=0:1"]) == 0
    assert list_collapse(open_manifest(folder)) == ()


def test_provenance_of_any_form_is_survived(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle")
    manifest = open_bundle(folder).manifest
    for value in ("text", {"a": 1}, None, 3):
        write_manifest(replace(manifest, provenance={"collapse": value}), folder)
        assert list_collapse(open_manifest(folder)) == ()
