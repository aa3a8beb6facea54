"""Streams of a long scoring: tried where it pays, chosen where there is no doubt, and run."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.bundle.folder import open_bundle
from stripsight.cli.app import run_command
from stripsight.scoring import tuning
from stripsight.scoring.engine import EngineSettings, load_engine
from stripsight.scoring.threads import count_cores

MakeBundle = Callable[..., Path]


@pytest.mark.parametrize(
    ("rates", "streams"),
    [
        ({1: [10, 10]}, 1),
        ({1: [10, 11], 2: [12, 13], 4: [11.5, 14]}, 4),
        ({1: [10, 11], 2: [13, 14], 4: [10.5, 20]}, 2),  # 4 was once slower than 1
        ({1: [10, 14], 2: [13, 13]}, 1),
    ],
)
def test_only_what_is_surely_faster(rates: dict[int, list[float]], streams: int) -> None:
    assert tuning.choose_surely(rates) == streams


def test_what_is_short_or_cannot_be_tuned_is_not_even_timed(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    threads = min(2, count_cores())
    engine = load_engine(bundle, EngineSettings(threads=threads))
    assert not tuning.is_long(engine, bundle, 10**4)  # seconds, for so small a network
    assert tuning.is_long(engine, bundle, 10**12) == (threads > 1)
    monkeypatch.setattr(tuning, "measure_rate", None)
    assert not tuning.is_long(engine, bundle, 999)
    alone = load_engine(bundle, EngineSettings(threads=1))
    assert not tuning.is_long(alone, bundle, 10**12)
    other = load_engine(bundle, EngineSettings(variant="fp32", engine="onnxruntime"))
    assert not tuning.is_long(other, bundle, 10**12)


@pytest.mark.skipif(count_cores() < 2, reason="one core has no streams to choose from")
@pytest.mark.parametrize("forced", [None, 2])
def test_a_long_scoring_runs_with_what_was_chosen(
    forced: int | None,
    make_bundle: MakeBundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "coil").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 250, (32, 64)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "coil" / f"{number}.png")
    words = ["score", str(bundle), str(tmp_path / "coil"), "--threads", "2", "--json"]
    out = tmp_path / "out.jsonl"
    assert run_command([*words, "--out", str(out)]) == 0
    assert "tuning" not in json.loads(capsys.readouterr().out)
    usual = read_verdicts(out)

    monkeypatch.setattr(tuning, "_FEWEST_IMAGES", 1)
    monkeypatch.setattr(tuning, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(tuning, "_SECONDS", 0.01)
    if forced is not None:
        monkeypatch.setattr(tuning, "choose_surely", lambda rates: forced)
    assert run_command([*words, "--out", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["tuning"]["rates"]) == {"1", "2"}
    assert (
        said["runs"]["streams"] == said["tuning"]["streams"] == (forced or said["runs"]["streams"])
    )
    assert read_verdicts(out) == usual

    assert run_command([*words, "--out", str(out), "--streams", "1"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "tuning" not in said
    assert said["runs"]["streams"] == 1

    assert run_command([*words[:-1], "--out", str(out)]) == 0
    assert "streams tried here: " in capsys.readouterr().out


def read_verdicts(out: Path) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return [(row["id"], row["verdict"]) for row in rows]
