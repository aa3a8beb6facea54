"""Commands that write into one run folder: one at a time, and nothing half-written stays."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stripsight.atomic import name_own_temporary
from stripsight.cli.app import run_command
from stripsight.evaluation.run import evaluate_run
from stripsight.training.lock import LOCK_NAME, lock_run

DECIDE = ("--policy", "review", "--share", "0.3")
HELD_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from stripsight.training.lock import lock_run
with lock_run(Path(sys.argv[1]), "evaluate"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(judged_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged_run, tmp_path / "run"))


def test_nothing_is_decided_while_evaluate_is_at_work(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, codes = (run / "decisions.json").read_bytes(), []

    def decide_meanwhile(stage: str, done: int, total: int) -> None:
        codes.append(run_command(["decide", str(run), *DECIDE]))

    evaluate_run(run, report_progress=decide_meanwhile)
    assert set(codes) == {1}
    captured = capsys.readouterr()
    said = f"stripsight: stripsight evaluate (process {os.getpid()}) is at work in {run}: wait"
    assert all(line.startswith(said) for line in captured.err.splitlines())
    assert captured.out == ""
    assert (run / "decisions.json").read_bytes() == before
    assert run_command(["decide", str(run), *DECIDE]) == 0


def test_evaluate_waits_for_no_other_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "report.html").read_bytes()
    with lock_run(run, "decide"):
        assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert f"stripsight decide (process {os.getpid()}) is at work" in error
    assert error.count("\n") == 1
    assert (run / "report.html").read_bytes() == before


def test_a_killed_holder_holds_nothing(run: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", HELD_AND_KILLED, str(run)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "stripsight evaluate" in (run / LOCK_NAME).read_text()
    assert run_command(["decide", str(run), *DECIDE]) == 0


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"stripsight \x1b[2J (process 1)"])
def test_whatever_the_lock_says_the_refusal_is_one_line(
    run: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_run(run, "evaluate"):
        (run / LOCK_NAME).write_bytes(content)
        assert run_command(["decide", str(run), *DECIDE]) == 1
    assert "stripsight: another process is at work in" in capsys.readouterr().err


def test_a_link_in_place_of_the_lock_is_not_followed(run: Path, tmp_path: Path) -> None:
    (run / LOCK_NAME).unlink()
    (tmp_path / "mine").write_text("mine")
    (run / LOCK_NAME).symlink_to(tmp_path / "mine")
    assert run_command(["decide", str(run), *DECIDE]) == 1
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_that_is_no_run_gets_no_lock(tmp_path: Path) -> None:
    for words in (["evaluate", str(tmp_path)], ["decide", str(tmp_path), *DECIDE]):
        assert run_command(words) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["decide", *DECIDE], ["evaluate", "--allow-collapse"]])
def test_what_killed_commands_left_is_removed(run: Path, words: list[str]) -> None:
    left = [name_own_temporary(run / "x", 77), name_own_temporary(run / "checkpoints" / "y", 8)]
    others = [run / ".notes.partial", run / f"big{left[0].name}", run / "x.partial"]
    for path in [*left, *others]:
        path.write_bytes(b"half")
    below = run / "mine" / left[0].name
    below.parent.mkdir()
    below.write_bytes(b"half")
    folder = name_own_temporary(run / "z", 78)
    folder.mkdir()
    assert run_command([words[0], str(run), *words[1:]]) == 0
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in [*others, below, folder])


@pytest.mark.parametrize("command", [["evaluate"], ["decide", "--policy", "max_f1"]])
def test_a_run_that_cannot_be_written_is_said_with_what_to_do(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    opened = os.open

    def refuse(path: object, *rest: object, **options: object) -> int:
        if Path(str(path)).name == LOCK_NAME:
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    assert run_command([command[0], str(run), *command[1:]]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == (
        f"stripsight: {run} cannot be written (Permission denied), and {command[0]} puts its"
        " results there: make it writable, or give a copy of the run"
    )
