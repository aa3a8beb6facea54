"""`stripsight score --watch`: a real process beside a real camera, ended and killed."""

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.bundle.folder import open_manifest
from stripsight.scoring import intake
from stripsight.scoring.engine import EngineSettings
from stripsight.scoring.opening import ScoreOptions
from stripsight.scoring.watch import watch_folder
from stripsight.scoring.watch_state import open_watch_state

MakeBundle = Callable[..., Path]
PATIENCE = 60.0


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def watch(
    bundle: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "camera").mkdir()

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from stripsight.cli.app import main; main()", "score"]
        command += [*map(str, (bundle, tmp_path / "camera", "--watch"))]
        command += [*map(str, ("--out", tmp_path / "out.jsonl", "--threads", 1, *words))]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    return start


def encode(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(20, 200, (32, 64), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def test_what_runs_and_what_speaks_against_it_is_said_as_it_begins(
    make_bundle: MakeBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = make_bundle(tmp_path / "bundle", provenance={"runs": [], "collapse": ["rust is lost"]})
    (tmp_path / "camera").mkdir()
    put(tmp_path / "camera", "a.png")
    stop = threading.Event()
    before: list[str] = []

    def end(count: int) -> None:
        before.extend(caplog.messages)
        stop.set()

    caplog.set_level("INFO", logger="stripsight")
    options = ScoreOptions(EngineSettings(threads=1))
    out = tmp_path / "out.jsonl"
    watch_folder(bundle, tmp_path / "camera", out, options, settle=0, stop=stop, report_count=end)
    assert before[0] == "DO NOT USE AS IT IS: at export: rust is lost"
    assert f"by fp32 of bundle {open_manifest(bundle).bundle_id[:16]}, rows to" in before[1]


def put(folder: Path, name: str, seed: int = 0) -> None:
    """As a careful camera does: under another name, then renamed."""
    (folder / f".{name}.part").write_bytes(encode(seed))
    (folder / f".{name}.part").rename(folder / name)


def read_ids(out: Path) -> list[str]:
    if not out.exists():
        return []
    lines = out.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["id"] for line in lines]


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_images_are_scored_as_they_come_until_a_signal(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    camera, out = tmp_path / "camera", tmp_path / "out.jsonl"
    put(camera, "before.png")
    process = watch("--settle", "0")
    wait_until(lambda: read_ids(out) == ["before.png"])
    (camera / "monday").mkdir()
    put(camera / "monday", "a.png")
    wait_until(lambda: len(read_ids(out)) == 2)
    (camera / "notes.txt").write_text("no image")
    put(camera, "b.png")
    wait_until(lambda: len(read_ids(out)) == 3)
    process.send_signal(number)
    printed, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert printed.startswith(f"{out}: 3 images: ")
    assert "Traceback" not in error
    assert Counter(read_ids(out)) == Counter(["before.png", "monday/a.png", "b.png"])


def test_an_image_that_is_still_being_written_is_waited_for(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    camera, out = tmp_path / "camera", tmp_path / "out.jsonl"
    data = encode(1)
    watch("--settle", "2")
    with (camera / "slow.png").open("wb") as file:
        for piece in range(0, len(data), len(data) // 12):
            file.write(data[piece : piece + len(data) // 12])
            file.flush()
            time.sleep(0.3)
    wait_until(lambda: read_ids(out) == ["slow.png"])
    assert json.loads(out.read_text())["reason"] is None


def test_a_name_that_comes_again_is_another_image(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    camera, out = tmp_path / "camera", tmp_path / "out.jsonl"
    watch("--settle", "0")
    for number in range(1, 4):
        put(camera, "latest.png", number)
        wait_until(lambda number=number: len(read_ids(out)) == number)


def test_killed_again_and_again_no_image_is_lost_or_comes_twice(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    camera, out = tmp_path / "camera", tmp_path / "out.jsonl"
    moments = random.Random(time.time_ns())
    names = []
    for run in range(4):
        before = len(read_ids(out))
        for n in range(40):
            names.append(f"{run}_{n:02d}.png")
            put(camera, names[-1], n)
        process = watch("--settle", "0")
        wait_until(lambda before=before: len(read_ids(out)) > before)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()
    watch("--settle", "0")
    wait_until(lambda: len(set(read_ids(out))) == len(names))
    time.sleep(0.6)  # for what might come twice
    assert Counter(read_ids(out)) == Counter(names)


def test_another_process_on_the_same_table_is_refused(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    with open_watch_state(tmp_path / "out.jsonl"):
        process = watch()
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "another process is writing to" in error


def test_what_cannot_be_read_just_now_is_put_off_and_holds_nothing_up(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    camera, out = tmp_path / "camera", tmp_path / "out.jsonl"
    camera.mkdir()
    for name in ("a.png", "b.png"):
        put(camera, name)
    os.utime(camera / "b.png", (2**33 * 2, 2**33 * 2))  # the year 2514
    (camera / "loop.jpg").symlink_to("loop.jpg")
    (camera / "later.jpg").symlink_to("not yet.jpg")
    read, tries = intake._read_file, []

    def read_badly(path: str) -> bytes:
        if path.endswith("a.png"):
            tries.append(path)
            if len(tries) < 3:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return read(path)

    monkeypatch.setattr("stripsight.scoring.intake._read_file", read_badly)
    monkeypatch.setattr("stripsight.scoring.watch._SECONDS_PUT_OFF", 0.1)
    caplog.set_level("WARNING", "stripsight")
    stop = threading.Event()

    def end(count: int) -> None:
        if count == 3:
            stop.set()

    options = ScoreOptions(EngineSettings(threads=1))
    watch_folder(bundle, camera, out, options, settle=0, stop=stop, report_count=end)
    assert sorted(read_ids(out)) == ["a.png", "b.png", "loop.jpg"]
    reasons = {row["id"]: row["reason"] for row in map(json.loads, out.read_text().splitlines())}
    assert reasons["a.png"] is None
    assert "symbolic links" in reasons["loop.jpg"]
    assert any("loop.jpg" in message for message in caplog.messages)
    assert [message for message in caplog.messages if "a.png" in message] == [
        f"{camera}/a.png: unreadable: cannot be read (Stale file handle); trying again"
    ]


def test_an_image_that_cannot_be_read_is_a_row_and_the_watch_goes_on(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    camera, out = tmp_path / "camera", tmp_path / "out.jsonl"
    process = watch("--settle", "0")
    (camera / "broken.jpg").write_bytes(b"no image")
    wait_until(lambda: read_ids(out) == ["broken.jpg"])
    put(camera, "good.png")
    wait_until(lambda: len(read_ids(out)) == 2)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[0]["verdict"] == "review"
    assert rows[0]["reason"] == "unreadable: not a readable JPEG or PNG"
    process.terminate()
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "1 not scored, for review" in printed
