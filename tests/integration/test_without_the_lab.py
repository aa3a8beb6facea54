"""Where only `stripsight[serve]` is installed: the line works, the lab says what it lacks."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from stripsight.cli.app import _EXTRA_OF

# What the extra brings and nothing more: the rest is refused as if it were not there. One process
# for many commands, each of which says on a line of its own how it ended.
PROCESS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
LAB = {lab!r}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LAB:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in LAB else find(name, *more)
from stripsight.cli.app import run_command
for words in {commands!r}:
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        code = run_command(words)
    print(json.dumps([code, out.getvalue(), error.getvalue()]))
"""
LAB = tuple(name for name, extra in _EXTRA_OF.items() if extra != "serve")


def run(commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each command line."""
    code = PROCESS.format(lab=LAB, commands=commands)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_every_package_of_an_extra_is_known() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    modules = {"scikit-learn": "sklearn", "hydra-core": "hydra", "pyyaml": "yaml"}
    for extra in ("train", "export", "serve", "cluster"):
        for requirement in project["optional-dependencies"][extra]:
            name = requirement.partition(">")[0].partition("[")[0]
            if name != "stripsight":
                assert modules.get(name, name) in _EXTRA_OF, requirement


LAB_COMMANDS = [
    "train data.root=x",
    "evaluate x",
    "decide x --policy max_f1",
    "compare x y",
    "export x y",
    "demo x",
    "data analyze x",
    "data audit x",
    "data apply-review x y",
    "data check x",
    "data compare x y",
    "data duplicates x",
    "data prepare x y",
    "data reviews x",
    "data split x --name y",
]


def test_a_command_of_the_lab_says_what_it_lacks(tmp_path: Path) -> None:
    commands = [
        [str(tmp_path / word) if word in ("x", "y") else word for word in line.split()]
        for line in LAB_COMMANDS
    ]
    for words, (code, _, error) in zip(commands, run(commands), strict=True):
        assert code == 1, words
        (line,) = error.strip().splitlines()
        assert line.startswith("stripsight: ")
        assert "is not installed, and this command needs it: pip install 'stripsight[train" in line
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_the_line_work(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    bundle, table = str(make_bundle(tmp_path / "bundle")), tmp_path / "scores.parquet"
    commands = [
        ["--help"],
        ["bundle", "show", bundle],
        ["bundle", "verify", bundle],
        ["bundle", "set-policy", bundle, "--threshold", "spot=0.4"],
        ["score", bundle, f"{bundle}/golden", "--out", str(table)],
        ["bench", bundle, "--seconds", "0.1", "--against", "none"],
    ]
    for words, (code, _, error) in zip(commands, run(commands), strict=True):
        assert code == 0, f"{words}: {error}"
    assert table.stat().st_size > 0


def test_scoring_on_a_cluster_says_what_it_lacks(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle, table = str(make_bundle(tmp_path / "bundle")), tmp_path / "scores.parquet"
    words = ["score", bundle, f"{bundle}/golden", "--out", str(table), "--cluster", "local"]
    ((code, _, error),) = run([words])
    assert code == 1
    assert error == (
        "stripsight: ray is not installed, and this command needs it:"
        " pip install 'stripsight[cluster]'\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_package_that_is_there_and_broken_is_no_missing_one(tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text("import pandas.nothing\n")
    code = "from stripsight.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "check", "x"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"},
    )
    assert "pip install" not in done.stderr
    assert "ModuleNotFoundError" in done.stderr
