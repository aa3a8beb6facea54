"""`stripsight bundle show|verify|set-policy` as a person and as a program use them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stripsight.bundle.folder import open_bundle, seal_file, write_manifest
from stripsight.bundle.manifest import FILE_NAME, GoldenImage
from stripsight.bundle.validation import FILE as VALIDATION
from stripsight.bundle.validation import Validation, read_validation, write_validation
from stripsight.cli.app import run_command
from stripsight.decision.document import save_decisions
from stripsight.decision.policy import ClassPolicy

START = "from stripsight.cli.app import main; main()"

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def whole(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle", chosen="int8")


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "bundle")


def flip(path: Path, place: int = 100) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


class TestShow:
    def test_says_what_a_bundle_is(self, bundle: Path, capsys: Captured) -> None:
        assert run_command(["bundle", "show", str(bundle)]) == 0
        printed = capsys.readouterr().out
        for words in (
            open_bundle(bundle).manifest.bundle_id,
            "JPEG or PNG of 64x32 pixels",
            "scratch",
            "int8 (chosen)",
            "max_f1",
            "0.5000",
            "temperature",
        ):
            assert words in printed

    def test_says_what_the_thresholds_come_to_and_the_prices(
        self, bundle: Path, capsys: Captured
    ) -> None:
        manifest = open_bundle(bundle).manifest
        prices = {"prices": {"spot": {"escape": 20.0, "overkill": 1.0}}}
        policy = replace(manifest.decisions.policy, name="cost", settings=prices)
        write_manifest(manifest.with_decisions(replace(manifest.decisions, policy=policy)), bundle)
        assert run_command(["bundle", "show", str(bundle)]) == 0
        printed = capsys.readouterr().out
        assert "price of spot: escape 20.0, overkill 1.0" in printed
        table = printed[printed.index("on the 40 images of validation") :].splitlines()
        (spot,) = [line.split() for line in table if line.split()[:2] == ["spot", "20"]]
        assert spot == ["spot", "20", "1.000", "0", "0", "0"]
        assert any("whole images" in line for line in table)
        assert "MODEL_CARD.md has the figures on test, at these thresholds" in printed

    def test_gives_a_program_all_of_it(self, bundle: Path, capsys: Captured) -> None:
        assert run_command(["bundle", "show", str(bundle), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == json.loads((bundle / FILE_NAME).read_bytes())

    def test_shows_lines_of_settings_as_text(self, bundle: Path, capsys: Captured) -> None:
        manifest = open_bundle(bundle).manifest
        policy = replace(manifest.decisions.policy, settings={"recall": "a\nb"})
        write_manifest(manifest.with_decisions(replace(manifest.decisions, policy=policy)), bundle)
        assert run_command(["bundle", "show", str(bundle)]) == 0
        assert "a\nb" not in capsys.readouterr().out

    def test_shows_markup_and_escapes_as_text(self, bundle: Path, capsys: Captured) -> None:
        manifest = open_bundle(bundle).manifest
        origin = {"note": "[red]x\x1b[2J", "runs": [{"backbone": "b\n0"}]}
        write_manifest(replace(manifest, name="[bold]name", provenance=origin), bundle)
        assert run_command(["bundle", "show", str(bundle)]) == 0
        printed = capsys.readouterr().out
        assert "[bold]name" in printed
        assert r"[red]x\x1b[2J" in printed
        assert r"b\n0" in printed
        assert "\x1b" not in printed


class TestVerify:
    def test_runs_every_variant(self, bundle: Path, capsys: Captured) -> None:
        assert run_command(["bundle", "verify", str(bundle)]) == 0
        printed = capsys.readouterr().out
        assert "10 files are those that the manifest names" in printed
        assert "fp32 by OpenVINO" in printed
        assert "int8 by OpenVINO" in printed
        assert "fp32 by ONNX Runtime" in printed
        assert "3 of 3 golden images within" in printed
        assert printed.strip().endswith("int8 is chosen")

    def test_says_the_same_to_a_program(self, bundle: Path, capsys: Captured) -> None:
        assert run_command(["bundle", "verify", str(bundle), "--variant", "int8", "--json"]) == 0
        content = json.loads(capsys.readouterr().out)
        assert [run["name"] for run in content["runs"]] == ["int8 by openvino"]
        assert content["runs"][0]["golden"]["images"] == 3
        assert content["bundle_id"] == open_bundle(bundle).manifest.bundle_id

    @pytest.mark.parametrize("file", ["fp32.bin", "int8.xml", "golden/00.png", "MODEL_CARD.md"])
    def test_a_flipped_bit_is_exit_1(self, bundle: Path, file: str, capsys: Captured) -> None:
        flip(bundle / file, 5)
        assert run_command(["bundle", "verify", str(bundle)]) == 1
        error = capsys.readouterr().err.strip()
        assert file in error
        assert "\n" not in error

    def test_a_golden_image_that_comes_out_otherwise_is_exit_1(
        self, bundle: Path, capsys: Captured
    ) -> None:
        manifest = open_bundle(bundle).manifest
        first, *others = manifest.golden
        wrong = GoldenImage(first.file, {**first.logits, "int8": (3.0, 3.0, 3.0)})
        write_manifest(replace(manifest, golden=(wrong, *others)), bundle)
        assert run_command(["bundle", "verify", str(bundle)]) == 1
        assert "int8 by openvino gives 0." in capsys.readouterr().err
        assert run_command(["bundle", "verify", str(bundle), "--variant", "fp32"]) == 0

    def test_a_gate_that_the_stored_logits_refute_is_exit_1(
        self, bundle: Path, capsys: Captured
    ) -> None:
        manifest = open_bundle(bundle).manifest
        policy = replace(manifest.decisions.policy, classes=(ClassPolicy.at(0.785),) * 3)
        # The gates are still those of the thresholds before.
        write_manifest(manifest.with_decisions(replace(manifest.decisions, policy=policy)), bundle)
        assert run_command(["bundle", "verify", str(bundle)]) == 1
        assert "int8 is called passed and does not pass its gate (recall" in capsys.readouterr().err

    def test_what_the_machine_cannot_run_is_said(
        self, bundle: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        assert run_command(["bundle", "verify", str(bundle)]) == 0
        printed = capsys.readouterr().out
        assert "fp32 by onnxruntime: not run here, onnxruntime is not installed" in printed

    def test_the_chosen_variant_must_run(
        self, bundle: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        assert run_command(["bundle", "verify", str(bundle)]) == 1
        assert "openvino is not installed" in capsys.readouterr().err

    def test_no_bundle_at_all(self, tmp_path: Path, capsys: Captured) -> None:
        for command in ("show", "verify"):
            assert run_command(["bundle", command, str(tmp_path / "x")]) == 1
            assert "is no bundle (no folder)" in capsys.readouterr().err


class TestSetPolicy:
    def test_shows_before_and_after(self, bundle: Path, capsys: Captured) -> None:
        old = open_bundle(bundle).manifest
        words = ["--threshold", "scratch=0.4", "--review", "rust=0.2:0.6"]
        assert run_command(["bundle", "set-policy", str(bundle), *words]) == 0
        printed = capsys.readouterr().out
        new = open_bundle(bundle).manifest
        assert "0.5000 to 0.4000" in printed
        assert "0.5000 to 0.2000" in printed
        assert f"id         {old.bundle_id[:16]} is now {new.bundle_id[:16]}" in printed
        assert new.decisions.policy.classes == (
            ClassPolicy.at(0.4),
            ClassPolicy.at(0.5),
            ClassPolicy(0.2, 0.6),
        )
        assert run_command(["bundle", "verify", str(bundle)]) == 0
        assert run_command(["bundle", "show", str(bundle)]) == 0
        assert "max_f1, then set by hand for rust, scratch" in capsys.readouterr().out

    def test_a_recall_that_falls_is_loud(self, bundle: Path, capsys: Captured) -> None:
        stored = read_validation(open_bundle(bundle))
        words = ["bundle", "set-policy", str(bundle), "--threshold", "spot=0.93"]
        assert run_command(words) == 0
        printed = capsys.readouterr().out
        logits = stored.logits["int8"][:, 1]
        lost = int((stored.labels[:, 1] & (1 / (1 + np.exp(-logits / 1.5)) < 0.93)).sum())
        assert 0 < lost < 20
        assert (
            f"WARNING: recall of spot on validation falls from 1.000 to {1 - lost / 20:.3f}: of 20,"
            f" {lost} escape (before 0); 0 are in review (before 0)" in printed
        )
        assert "recall of rust" not in printed
        assert "which have changed since" in printed
        for command in ("show", "verify"):
            assert run_command(["bundle", command, str(bundle)]) == 0
            assert (
                "of the thresholds at export, which have changed since" in capsys.readouterr().out
            )
        # Set back, the card is of them again, and nothing falls.
        assert run_command([*words[:-1], "spot=0.5", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["warnings"] == []
        assert run_command(["bundle", "verify", str(bundle), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["card_is_of_these_thresholds"]

    def test_says_what_a_threshold_costs(self, bundle: Path, capsys: Captured) -> None:
        words = ["bundle", "set-policy", str(bundle), "--threshold", "spot=0", "--out"]
        assert run_command([*words, str(bundle.with_name("low"))]) == 0
        rows = capsys.readouterr().out.splitlines()
        spot = next(row.split("  ") for row in rows if row.strip().startswith("spot"))
        # Every image is called: 40 of them, 20 with it.
        assert [cell.strip() for cell in spot if cell.strip()][-4:] == [
            "1.000",
            "0",
            "0",
            "0 to 20",
        ]
        assert "WARNING" not in "".join(rows)

    def test_a_line_that_would_stop_at_every_strip_is_loud(
        self, bundle: Path, capsys: Captured
    ) -> None:
        opened = open_bundle(bundle)
        stored = read_validation(opened)
        labels, logits = stored.labels.copy(), {k: v.copy() for k, v in stored.logits.items()}
        labels[::4] = 0
        reference = stored.reference.copy()
        for each in (reference, *logits.values()):
            each[::4] = -4
        write_validation(Validation(labels, reference, logits), bundle)
        files = {**opened.manifest.files, VALIDATION: seal_file(bundle / VALIDATION)}
        write_manifest(replace(opened.manifest, files=files), bundle)
        words = ["bundle", "set-policy", str(bundle), "--threshold"]
        assert run_command([*words, "spot=0.4"]) == 0
        assert "WARNING" not in capsys.readouterr().out
        assert run_command([*words, "spot=0"]) == 0
        said = "WARNING: of 10 clean images on validation, 10 are called defective (before 0)"
        assert said in capsys.readouterr().out

    def test_reviews_instead_of_verdicts_are_no_fall(self, bundle: Path, capsys: Captured) -> None:
        words = ["bundle", "set-policy", str(bundle), "--review", "spot=0.2:0.93", "--json"]
        assert run_command(words) == 0
        assert json.loads(capsys.readouterr().out)["warnings"] == []

    def test_names_the_promises_that_end(self, bundle: Path, capsys: Captured) -> None:
        manifest = open_bundle(bundle).manifest
        promise = {"words": "at most 5 % of rust escape", "met": True}
        decisions = replace(manifest.decisions, promises=(promise,))
        write_manifest(manifest.with_decisions(decisions), bundle)
        run_command(["bundle", "set-policy", str(bundle), "--threshold", "spot=0.4"])
        assert "no longer promised: at most 5 % of rust escape" in capsys.readouterr().out

    def test_takes_the_decisions_of_the_run(
        self, bundle: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        decisions = open_bundle(bundle).manifest.decisions
        policy = replace(decisions.policy, name="cost", classes=(ClassPolicy(0.1, 0.3),) * 3)
        other = replace(decisions, policy=policy)
        save_decisions(other, tmp_path / "decisions.json")
        words = ["--decisions", str(tmp_path / "decisions.json"), "--out", str(tmp_path / "new")]
        assert run_command(["bundle", "set-policy", str(bundle), *words, "--json"]) == 0
        content = json.loads(capsys.readouterr().out)
        assert content["after"]["bundle_id"] == open_bundle(tmp_path / "new").manifest.bundle_id
        assert open_bundle(tmp_path / "new").manifest.decisions == other
        assert open_bundle(bundle).manifest.decisions == decisions

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "nothing to change: give --decisions FILE"),
            (["--decisions", "x", "--threshold", "spot=0.5"], "give either --decisions FILE"),
            (["--threshold", "spot"], "'spot': CLASS=0.4 is needed"),
            (["--threshold", "spot=high"], "CLASS=0.4 is needed"),
            (["--threshold", "spot=0.2:0.4"], "CLASS=0.4 is needed"),
            (["--threshold", "spot=1.5"], "a probability lies between 0 and 1"),
            (["--threshold", "spot=nan"], "a probability lies between 0 and 1"),
            (["--threshold", "sput=0.5"], "did you mean 'spot'?"),
            (["--review", "spot=0.6:0.2"], "the first must not be above the second"),
            (["--review", "spot=0.6"], "CLASS=0.2:0.6 is needed"),
            (["--threshold", "spot=0.5", "--review", "spot=0.2:0.6"], "'spot' are given twice"),
        ],
    )
    def test_wrong_usage_is_exit_2_and_changes_nothing(
        self, bundle: Path, words: list[str], message: str, capsys: Captured
    ) -> None:
        before = (bundle / FILE_NAME).read_bytes()
        assert run_command(["bundle", "set-policy", str(bundle), *words]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error
        assert "\n" not in error
        assert (bundle / FILE_NAME).read_bytes() == before

    def test_a_gate_that_closes_is_exit_1(self, bundle: Path, capsys: Captured) -> None:
        before = (bundle / FILE_NAME).read_bytes()
        words = ["bundle", "set-policy", str(bundle), "--threshold", "spot=0.785"]
        assert run_command(words) == 1
        assert "int8 does not pass its gate under these thresholds" in capsys.readouterr().err
        assert (bundle / FILE_NAME).read_bytes() == before
        assert run_command([*words, "--variant", "fp32"]) == 0
        assert "chosen     fp32, before: int8" in capsys.readouterr().out

    def test_another_variant_alone(self, bundle: Path, capsys: Captured) -> None:
        old = open_bundle(bundle).manifest
        assert run_command(["bundle", "set-policy", str(bundle), "--variant", "fp32"]) == 0
        printed = capsys.readouterr().out
        assert "chosen     fp32, before: int8; fp32 was asked for" in printed
        assert "at these thresholds" in printed
        new = open_bundle(bundle).manifest
        assert (new.chosen, new.decisions) == ("fp32", old.decisions)
        assert run_command(["bundle", "set-policy", str(bundle), "--variant", "fp16"]) == 1
        assert "has no variant 'fp16'" in capsys.readouterr().err

    def test_decisions_that_are_damaged_change_nothing(
        self, bundle: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        (tmp_path / "decisions.json").write_text("{")
        words = ["--decisions", str(tmp_path / "decisions.json")]
        assert run_command(["bundle", "set-policy", str(bundle), *words]) == 1
        assert "decisions.json is damaged" in capsys.readouterr().err


def test_a_terminal_of_few_letters_takes_every_class(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle", classes=("Riße 傷", "b"), golden=0)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for words in (["show", str(folder)], ["set-policy", str(folder), "--threshold", "b=0.4"]):
        done = subprocess.run(
            [sys.executable, "-c", START, "bundle", *words], capture_output=True, env=environment
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert rb"Ri\xdfe \u50b7" in done.stdout


def test_everything_runs_without_the_lab(bundle: Path) -> None:
    code = f"""
import sys
for name in ("torch", "torchvision", "timm", "lightning", "pandas", "sklearn", "scipy", "hydra",
             "omegaconf", "matplotlib", "jinja2", "torchmetrics", "yaml", "nncf"):
    sys.modules[name] = None
from stripsight.cli.app import run_command
b = {str(bundle)!r}
for words in (["show", b], ["verify", b], ["set-policy", b, "--threshold", "spot=0.4"]):
    assert run_command(["bundle", *words]) == 0, words
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_nothing_phones_home(bundle: Path, tmp_path: Path) -> None:
    """Both engines would keep what they send, and who sends it, in the user's home."""
    home = tmp_path / "home"
    home.mkdir()
    names = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    subprocess.run(
        [sys.executable, "-c", START, "bundle", "verify", str(bundle)],
        env={**environment, "HOME": str(home)},
        check=True,
        capture_output=True,
    )
    assert list(home.rglob("*")) == []
