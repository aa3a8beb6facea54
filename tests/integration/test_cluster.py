"""`stripsight score --cluster` on real Ray clusters: nodes, workers and callers that are killed.

The cluster's processes are killed by their ids in the end. Workers halt at a gate, a file, until
the test has done its worst.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from stripsight.cli.app import run_command
from stripsight.scoring.journal import FILE_NAME, name_partial

MakeBundle = Callable[..., Path]
IMAGES = 40
FIRST_BLOCK = 8

# Two nodes on this machine: the second one's raylet is the one to kill.
HOST = """
import os, sys, tempfile
folder = tempfile.mkdtemp(prefix="cluster-", dir="/tmp")  # short, for the sockets' sake
os.environ["RAY_TMPDIR"] = folder
from ray.cluster_utils import Cluster
soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000,
        "health_check_failure_threshold": 3}
size = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={
    **size, "include_dashboard": False, "_system_config": soon})
node = cluster.add_node(**size)
print(cluster.address, node.all_processes["raylet"][0].process.pid, folder, flush=True)
sys.stdin.read()
"""

# In each worker: the first block goes through, then none until the gate is open.
GATE = f"""
import os, sys, time
from pathlib import Path
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name == "stripsight.scoring.shard":
            sys.meta_path.remove(self)
            hold(Path(os.environ["GATE"]))
def hold(gate):
    from stripsight.scoring.intake import Intake
    take, seen = Intake.take, []
    def held(self, item):
        seen.append(item)
        if (gate / "deadly").exists() and item.id.endswith("/07.png"):
            os._exit(1)
        while len(seen) > {FIRST_BLOCK} and not (gate / "open").exists():
            (gate / str(os.getpid())).touch()
            time.sleep(0.02)
        return take(self, item)
    Intake.take = held
if "GATE" in os.environ:
    sys.meta_path.insert(0, Gate())
"""

RUN = "import sys; from stripsight.cli.app import main; main()"


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", thresholds=(0.4, 0.6))


@pytest.fixture(scope="module")
def coil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "coil"
    folder.mkdir()
    for number in range(IMAGES - 1):
        rng = np.random.default_rng(number)
        pixels = rng.normal(rng.integers(40, 210), 25, (32, 64)).clip(0, 250).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    (folder / "torn.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def expected(bundle: Path, coil: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Rows without a cluster."""
    out = tmp_path_factory.mktemp("alone") / "out.jsonl"
    words = [str(bundle), str(coil), "--out", str(out), "--max-failed", "1", "--threads", "1"]
    assert run_command(["score", *words]) == 0
    return read_rows(out)


def read_rows(path: Path) -> list[object]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        del row["scored_at"]
    return rows


@dataclass
class Gated:
    """A gate, and the environment of processes whose workers halt at it."""

    folder: Path
    environment: dict[str, str]

    def wait_for(self, workers: int, caller: subprocess.Popen[str]) -> None:
        """Until so many workers halt; they are then forgotten."""
        halted: list[Path] = []

        def halt() -> bool:
            assert caller.poll() is None, caller.communicate(timeout=120)
            halted[:] = [path for path in self.folder.iterdir() if path.name.isdigit()]
            return len(halted) >= workers

        wait_until(halt)
        for path in halted:
            path.unlink(missing_ok=True)


def wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(2400):
        if reached():
            return
        time.sleep(0.05)
    raise TimeoutError


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    code = tmp_path_factory.mktemp("code")
    (code / "sitecustomize.py").write_text(GATE)
    gate = tmp_path_factory.mktemp("gate")
    local = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    environment = {**os.environ, **local, "PYTHONPATH": str(code), "GATE": str(gate)}
    return Gated(gate, environment)


@pytest.fixture
def gate(gated: Gated) -> Gated:
    for path in gated.folder.iterdir():
        path.unlink()
    return gated


@dataclass
class TwoNodes:
    address: str
    second: int
    folder: Path
    family: set[psutil.Process]

    def kill_second(self) -> None:
        self.family |= set(psutil.Process(self.second).children(recursive=True))
        os.kill(self.second, signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster(gated: Gated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    home = tmp_path_factory.mktemp("nodes")
    with subprocess.Popen(
        [sys.executable, "-c", HOST],
        cwd=home,
        env=gated.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as host:
        assert host.stdout is not None
        address, second, folder = host.stdout.readline().split()
        nodes = TwoNodes(address, int(second), Path(folder), set())
        yield nodes
        own = psutil.Process(host.pid)
        family = {own, *own.children(recursive=True), *nodes.family}
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        host.communicate()
        assert not psutil.wait_procs(family - {own}, timeout=20)[1]
    shutil.rmtree(folder)


@contextmanager
def call(
    words: list[object], gate: Gated, cwd: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    caller = subprocess.Popen(
        [sys.executable, "-c", RUN, "score", *map(str, words), "--json"],
        cwd=cwd,
        env=gate.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with caller:
        try:
            yield caller
        finally:
            caller.kill()


def count_stored(out: Path, copy: Path) -> int:
    """Rows in the journal of a scoring at work, which nobody else may open."""
    try:
        shutil.copytree(name_partial(out), copy, dirs_exist_ok=True)
        with sqlite3.connect(copy / FILE_NAME) as database:
            return int(database.execute("SELECT count(row) FROM inputs").fetchone()[0])
    except (sqlite3.Error, OSError, shutil.Error):
        return 0
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def test_through_the_death_of_the_caller_and_of_a_node_each_input_has_its_row(
    bundle: Path,
    coil: Path,
    expected: list[object],
    cluster: TwoNodes,
    gate: Gated,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.jsonl"
    words = [bundle, coil, "--out", out, "--max-failed", 1, "--cluster", cluster.address]
    with call(words, gate) as caller:
        gate.wait_for(2, caller)
        wait_until(lambda: count_stored(out, tmp_path / "copy") >= FIRST_BLOCK)
        caller.kill()
    with call(words, gate) as caller:
        gate.wait_for(2, caller)
        cluster.kill_second()
        (gate.folder / "open").touch()
        said, complaints = caller.communicate(timeout=120)
    assert caller.returncode == 0, complaints
    summary = json.loads(said)
    assert summary["scored_before"] >= FIRST_BLOCK
    assert sum(node["images"] for node in summary["nodes"]) == IMAGES - summary["scored_before"]
    assert read_rows(out) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl"]


def test_an_image_that_kills_workers_is_named_and_the_others_have_their_rows(
    bundle: Path, coil: Path, cluster: TwoNodes, gate: Gated, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    some = [coil / f"{number:02d}.png" for number in (6, 7, 8)]
    words = [bundle, *some, "--out", out, "--max-failed", 1, "--cluster", cluster.address]
    (gate.folder / "open").touch()
    (gate.folder / "deadly").touch()
    with call(words, gate) as caller:
        said, complaints = caller.communicate(timeout=120)
    assert (caller.returncode, said) == (1, "")
    assert f"workers died 2 times over each of 1 images, the first of them {some[1]}" in complaints
    assert "Traceback" not in complaints
    assert count_stored(out, tmp_path / "copy") == 2


def test_what_a_node_does_not_see_is_one_line(
    bundle: Path, coil: Path, cluster: TwoNodes, gate: Gated, tmp_path: Path
) -> None:
    (tmp_path / "bundle").symlink_to(bundle)
    (tmp_path / "coil").symlink_to(coil)
    mine = Path("/proc/self/cwd")  # each process has its own
    rest = ["--out", tmp_path / "out.csv", "--cluster", cluster.address]
    for inputs, words in (
        ([mine / "bundle", coil], f"no bundle in {mine}/bundle: it must lie on storage that all"),
        ([bundle, mine / "coil"], f"cannot read {mine}/coil/"),
    ):
        with call([*inputs, *rest, "--restart"], gate, cwd=tmp_path) as caller:
            _, complaints = caller.communicate(timeout=120)
        assert caller.returncode == 1
        (line,) = complaints.splitlines()
        assert line.startswith("stripsight: node ")
        assert words in line


def test_on_one_machine_alone_and_interrupted(
    bundle: Path, coil: Path, expected: list[object], gate: Gated, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    words = [bundle, coil, "--out", out, "--max-failed", 1, "--cluster", "local"]
    words += ["--workers", 1, "--overlays", tmp_path / "pictures"]
    home = tmp_path / "home"
    home.mkdir()
    gate.environment["HOME"] = str(home)
    with call(words, gate) as caller:
        gate.wait_for(1, caller)
        family = psutil.Process(caller.pid).children(recursive=True)
        listening = {
            connection.laddr.ip
            for process in [psutil.Process(caller.pid), *family]
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        caller.send_signal(signal.SIGINT)
        said, complaints = caller.communicate(timeout=120)
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert (caller.returncode, said) == (130, "")
    assert complaints.splitlines()[-1].startswith("stripsight: interrupted; nothing is lost: ")
    assert not psutil.wait_procs(family, timeout=10)[1]
    (gate.folder / "open").touch()
    with call(words, gate) as caller:
        said, complaints = caller.communicate(timeout=120)
    assert caller.returncode == 0
    assert all(line.startswith("scoring: ") for line in complaints.splitlines())
    assert json.loads(said)["nodes"][0]["workers"] == 1
    assert read_rows(out) == expected
    called = [row for row in expected if row["verdict"] != "clean" and row["reason"] is None]
    assert len(list((tmp_path / "pictures").iterdir())) == len(called) > 0
    assert not list(home.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("--cluster 127.0.0.1:1", 1, "nobody answers there (Connection refused)"),
        ("--cluster ray://head:10001", 2, "give local, or HOST:PORT"),
        ("--cluster head", 2, "give local, or HOST:PORT"),
        ("--cluster local --workers 999", 1, "--workers 999 with 1 threads each: this machine has"),
        ("--cluster local --allow-fallback", 2, "nodes would run different things"),
        ("--cluster local --watch", 2, "without --cluster"),
        ("--workers 2", 2, "give --cluster, too"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    words: str,
    code: int,
    line: str,
    bundle: Path,
    coil: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rest = [str(bundle), str(coil), "--out", str(tmp_path / "out.jsonl")]
    assert run_command(["score", *rest, *words.split()]) == code
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
