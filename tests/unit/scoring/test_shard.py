"""A cluster's worker, without the cluster."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.scoring.engine import EngineSettings
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Intake
from stripsight.scoring.opening import ScoreOptions, open_scorer
from stripsight.scoring.overlays import Drawing, name_overlay
from stripsight.scoring.pipeline import score_images
from stripsight.scoring.shard import Job, Reply, ShardWorker, build_block

OPTIONS = ScoreOptions(EngineSettings(threads=1))


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", thresholds=(0.4, 0.6))


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Three images, a file that is none, and one that is gone; names of any bytes."""
    made = []
    for number, name in enumerate((b"a.png", b"\xff.png", "ä.png".encode())):
        path = tmp_path / os.fsdecode(name)
        pixels = np.random.default_rng(number).normal(60 + 60 * number, 25, (32, 64))
        Image.fromarray(pixels.clip(0, 250).astype(np.uint8)).save(path)
        made.append(Item(f"id {number}", str(path)))
    (tmp_path / "text.png").write_text("no image")
    made.append(Item("text", str(tmp_path / "text.png")))
    made.append(Item("gone", str(tmp_path / "gone.png")))
    return made


@pytest.fixture
def job(bundle: Path) -> Job:
    return Job(bundle, OPTIONS, None, open_scorer(bundle, OPTIONS).judge.origin)


def ask(job: Job, items: Iterable[Item]) -> list[Reply]:
    return [r for table in ShardWorker(job)(build_block(items)) for r in Reply.read_all(table)]


def without_time(line: str) -> str:
    return line.partition(', "scored_at"')[0]


def test_its_rows_are_those_of_the_scoring_function(job: Job, items: list[Item]) -> None:
    hello, *replies = ask(job, items)
    scorer = open_scorer(job.bundle, OPTIONS)
    with Intake(scorer.bundle.manifest.input) as intake:
        rows = [s.row for s in score_images(scorer.engine, scorer.judge, intake, items)]
    assert hello.rows == []
    assert hello.answer is not None
    assert (hello.answer.info, hello.answer.golden.images) == (scorer.engine.info, 3)
    found = [(id_, without_time(line)) for reply in replies for id_, line in reply.rows]
    assert found == [(row.id, without_time(row.to_line())) for row in rows]
    assert [path for reply in replies for path in reply.unread] == [items[-1].path]


def test_replies_leave_before_the_block_is_done(
    job: Job, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stripsight.scoring import shard

    monkeypatch.setattr(shard, "_ROWS_OF_A_REPLY", 2)
    many = [replace(items[0], id=str(number)) for number in range(7)]
    assert [len(reply.rows) for reply in ask(job, many)] == [0, 2, 2, 2, 1]


def test_without_work_it_still_says_what_it_is(job: Job) -> None:
    (reply,) = ask(job, [])
    assert reply.answer is not None
    assert (reply.rows, reply.fault) == ([], None)


def test_what_keeps_it_from_working_is_one_line_with_its_node(
    job: Job, items: list[Item], tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    other = make_bundle(tmp_path / "other", bias=1.0)
    torn = make_bundle(tmp_path / "torn")
    (torn / "fp32.bin").write_bytes(b"")
    wrong = {
        "no bundle in": replace(job, bundle=tmp_path / "nowhere"),
        "gives rows by fp32": replace(job, bundle=other),
        "fp32.bin": replace(job, bundle=torn),
        "here: install the same": replace(job, version="0.0.1"),
        "for pictures": replace(job, drawing=Drawing(tmp_path / "nowhere")),
        "--threads 999": replace(job, options=ScoreOptions(EngineSettings(threads=999))),
    }
    for words, spoilt in wrong.items():
        (reply,) = ask(spoilt, items)
        assert reply.fault is not None, words
        assert words in reply.fault
        assert reply.fault.startswith("node ")
        assert "\n" not in reply.fault
        assert (reply.rows, reply.answer) == ([], None)


def test_a_picture_that_cannot_be_written_stops_it_after_the_rows_before(
    job: Job, items: list[Item], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    drawing = Drawing(folder, everything=True)
    (folder / name_overlay(items[1].id)).mkdir(parents=True)
    _, last = ask(replace(job, drawing=drawing), items)
    assert last.fault is not None
    assert "Is a directory" in last.fault
    assert [id_ for id_, _ in last.rows] == [items[0].id]
    assert (folder / name_overlay(items[0].id)).is_file()
