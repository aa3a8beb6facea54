"""Never more threads than the machine gives."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stripsight.errors import EngineError
from stripsight.scoring.threads import count_cores, settle_threads


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("nonsense", 8),
        ("1 0", 8),
        (None, 8),
    ],
)
def test_a_container_has_the_cores_of_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert count_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize(
    ("asked", "settled"),
    [((None, None), (4, 1)), ((3, None), (3, 1)), ((None, 4), (4, 4)), ((2, 2), (2, 2))],
)
def test_what_is_not_asked_for_is_all_cores_in_one_stream(
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[int | None, int | None],
    settled: tuple[int, int],
) -> None:
    monkeypatch.setattr("stripsight.scoring.threads.count_cores", lambda: 4)
    assert settle_threads(*asked) == settled


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((5, None), "--threads 5: this machine has 4 cores; choose 1 to 4"),
        ((0, None), "--threads 0"),
        ((-1, None), "--threads -1"),
        ((2, 3), "--streams 3: each stream needs a thread of its own; choose 1 to 2"),
        ((None, 0), "--streams 0"),
    ],
)
def test_more_than_there_is_is_refused(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[int | None, int | None], message: str
) -> None:
    monkeypatch.setattr("stripsight.scoring.threads.count_cores", lambda: 4)
    with pytest.raises(EngineError, match=message):
        settle_threads(*asked)


def test_an_opened_scorer_leaves_the_cores_to_the_engine(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """numpy's threads spun beside the engine's: 86 strips took 9 s of processor time, not 5.4."""
    bundle = make_bundle(tmp_path / "bundle")
    program = f"""
from pathlib import Path
import numpy, threadpoolctl
from stripsight.scoring.opening import open_scorer
open_scorer(Path({str(bundle)!r}))
pools = threadpoolctl.threadpool_info()
print([pool["num_threads"] for pool in pools if pool["user_api"] == "blas"])
"""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    counts = json.loads(done.stdout)
    assert counts
    assert set(counts) == {1}
