"""A watch's files and state; the watch itself is tried in tests/integration/test_watch.py."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.errors import ScoringError
from stripsight.scoring import batch, watch_state
from stripsight.scoring.journal import name_partial, open_journal
from stripsight.scoring.opening import ScoreOptions
from stripsight.scoring.watch import PutOff, Settling
from stripsight.scoring.watch_state import FileState, name_state, open_watch_state

A, B = FileState("a.jpg", 10, 5), FileState("b.jpg", 20, 6)


def test_a_file_is_whole_when_it_has_stood_still() -> None:
    settling = Settling(1.0)
    assert settling.choose([A], 0) == []
    assert settling.choose([A, B], 0.9) == []
    assert settling.choose([A, B], 1.0) == [A]
    assert settling.choose([A, B], 2.0) == [A, B]


def test_a_file_that_grows_or_comes_back_begins_anew() -> None:
    settling = Settling(1.0)
    settling.choose([A], 0)
    grown = FileState("a.jpg", 11, 5)
    touched = FileState("a.jpg", 11, 7)
    assert settling.choose([grown], 1.5) == []
    assert settling.choose([touched], 2.4) == []
    assert settling.choose([], 3.0) == []
    assert settling.choose([touched], 3.5) == []
    assert settling.choose([touched], 4.5) == [touched]


def test_without_waiting_a_file_is_whole_at_first_sight() -> None:
    assert Settling(0).choose([A, B], 0) == [A, B]


def test_files_that_were_put_off_are_tried_again_and_named_once() -> None:
    put_off = PutOff()
    assert put_off.choose([A, B], 0) == [A, B]
    assert put_off.add([A], 0) == [A]
    assert put_off.choose([A, B], 1) == [B]
    assert put_off.choose([A], 6) == [A]
    assert put_off.add([A], 6) == []
    assert put_off.choose([], 7) == []
    assert put_off.choose([A], 8) == [A]


def test_a_time_that_no_database_takes_is_remembered(tmp_path: Path) -> None:
    late = [FileState("a.jpg", 1, 10**10 * 10**9 + n) for n in range(2)]
    with open_watch_state(tmp_path / "out.jsonl") as state:
        assert not state.has_scored(late[0])
        state.append([(late[0], "1")])
        assert [state.has_scored(file) for file in late] == [True, False]


def test_rows_are_appended_and_their_files_remembered(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_watch_state(out) as state:
        state.append([(A, '{"id": "a"}'), (B, '{"id": "b"}')])
        assert state.has_scored(A)
        assert not state.has_scored(FileState("a.jpg", 10, 6))
    with open_watch_state(out) as state:
        assert state.has_scored(B)
        state.append([(FileState("a.jpg", 10, 6), '{"id": "a"}')])
        assert not state.has_scored(A)
    assert out.read_text() == '{"id": "a"}\n{"id": "b"}\n{"id": "a"}\n'


@settings(max_examples=20)
@given(torn=st.integers(0, 13), before=st.booleans())
def test_a_row_that_was_torn_is_completed(
    tmp_path_factory: pytest.TempPathFactory, torn: int, before: bool
) -> None:
    out = tmp_path_factory.mktemp("watch") / "out.jsonl"
    with pytest.MonkeyPatch.context() as patch, open_watch_state(out) as state:
        if before:
            state.append([(B, '{"id": "b"}')])
        # As after a kill between the note and the end of the append.
        patch.setattr(state, "_complete", lambda: None)
        state.append([(A, '{"id": "ä"}')])
    line = '{"id": "ä"}\n'.encode()
    with out.open("ab") as file:
        file.write(line[:torn])
    for _ in range(2):
        with open_watch_state(out) as state:
            assert state.has_scored(A)
        assert out.read_bytes() == (b'{"id": "b"}\n' if before else b"") + line


def test_a_table_that_was_put_aside_is_begun_anew(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_watch_state(out) as state:
        state.append([(A, "1")])
        out.rename(tmp_path / "old.jsonl")
        state.append([(B, "2")])
    assert out.read_text() == "2\n"


def test_a_table_that_others_write_to_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    with open_watch_state(out) as state:
        monkeypatch.setattr(state, "_complete", lambda: None)
        state.append([(A, "1")])
    out.write_text("something else\n")
    with pytest.raises(ScoringError, match="was written to by others"), open_watch_state(out):
        pass
    assert out.read_text() == "something else\n"


def test_a_table_that_no_watch_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("{}\n")
    with (
        pytest.raises(ScoringError, match="no watch wrote it"),
        open_watch_state(tmp_path / "out.jsonl"),
    ):
        pass
    assert not name_state(tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_state_that_is_gone_or_empty_beside_its_table_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    out = tmp_path / "out.jsonl"
    with open_watch_state(out) as state:
        state.append([(A, "1")])
    spoil(name_state(out) / "state.sqlite")
    for _ in range(2):
        with pytest.raises(ScoringError, match="gone or empty"), open_watch_state(out):
            pass
    out.rename(tmp_path / "old.jsonl")
    with open_watch_state(out) as state:
        assert not state.has_scored(A)


def test_a_watch_keeps_off_the_table_of_a_batch(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_journal(out, restart=False):
        with pytest.raises(ScoringError, match="without --watch"), open_watch_state(out):
            pass
        assert not name_state(out).exists()
    with open_watch_state(out):
        pass


def test_a_batch_keeps_off_a_watch_that_began_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    monkeypatch.setattr(batch, "open_manifest", lambda folder: name_state(out).mkdir())
    monkeypatch.setattr(batch, "list_collapse", lambda manifest: ())
    with pytest.raises(ScoringError, match="table of a watch"):
        batch.score_inputs(tmp_path, [str(tmp_path)], out, ScoreOptions())
    assert not name_partial(out).exists()


def test_one_watch_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with (
        open_watch_state(out),
        pytest.raises(ScoringError, match="another process"),
        open_watch_state(out),
    ):
        pass


def test_files_long_gone_are_forgotten_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.jpg").write_bytes(b"")
    odd = FileState(os.fsdecode(b"\xff.jpg"), 1, 1)
    there = FileState("there.jpg", 0, 1)
    with open_watch_state(tmp_path / "out.jsonl") as state:
        state.append([(A, "1"), (there, "2"), (odd, "3")])
        state.forget_gone(tmp_path)
        assert state.has_scored(A)
        monkeypatch.setattr(watch_state, "_SECONDS_KEPT", -1.0)
        state.forget_gone(tmp_path)
        assert not state.has_scored(A)
        assert not state.has_scored(odd)
        assert state.has_scored(there)


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with open_watch_state(out) as state:
        state.append([(A, "1")])
    (name_state(out) / "state.sqlite").write_bytes(b"no database, but long enough" * 100)
    with pytest.raises(ScoringError, match="is damaged"), open_watch_state(out):
        pass
