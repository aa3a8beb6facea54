"""The public names, the command line's surface, and what starting up may import."""

import subprocess
import sys

import pytest
import typer

import stripsight
from stripsight.cli.app import app, run_command

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "pandas",
    "pyarrow",
    "sklearn",
    "hydra",
    "omegaconf",
    "scipy",
    "matplotlib",
    "jinja2",
    "PIL",
)


def test_every_public_name_is_there() -> None:
    for name in stripsight.__all__:
        assert getattr(stripsight, name) is not None
    assert stripsight.__all__ == [
        "SEVERSTAL",
        "ClassList",
        "DefectClass",
        "DefectNetwork",
        "PreparedDataset",
        "SeverstalFullImageDataset",
        "StripDataModule",
        "build_network",
        "decode_grey",
        "load_prepared",
        "read_grey",
    ]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = stripsight.nothing


COMMANDS = [
    "bench",
    "bundle set-policy",
    "bundle show",
    "bundle triton",
    "bundle verify",
    "compare",
    "data analyze",
    "data apply-review",
    "data audit",
    "data check",
    "data compare",
    "data demo",
    "data duplicates",
    "data prepare",
    "data reviews",
    "data split",
    "decide",
    "demo",
    "evaluate",
    "export",
    "folds",
    "score",
    "train",
]


def test_the_commands_are_these() -> None:
    root = typer.main.get_command(app)
    found = []
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        found += [name] if inner is None else [f"{name} {word}" for word in inner]
    assert sorted(found) == COMMANDS


@pytest.mark.parametrize("words", [line.split() for line in COMMANDS], ids=" ".join)
def test_every_command_explains_itself(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([*words, "--help"]) == 0
    assert "Usage: stripsight " + " ".join(words) in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["nothing"], ["data", "nothing"], ["train", "--nothing"], ["evaluate"]], ids=" ".join
)
def test_wrong_usage_is_one_line_and_exit_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("stripsight: ")
    assert "\n" not in error


@pytest.mark.parametrize(
    "start",
    ["import stripsight", "from stripsight.cli.app import run_command; run_command(['-h'])"],
)
def test_starting_up_loads_nothing_heavy(start: str) -> None:
    code = f"import sys; {start}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_line_side_works_without_the_lab() -> None:
    code = """
import sys
for name in ("torch", "torchvision", "timm", "lightning", "pandas", "sklearn", "scipy", "hydra"):
    sys.modules[name] = None
import stripsight.imaging, stripsight.labels, stripsight.errors, stripsight.log, stripsight.atomic
import stripsight.decision.document
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "stripsight"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"stripsight {stripsight.__version__}"
    wrong = subprocess.run([*command, "scor"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
