"""The journal: every input once, with one row, through every break."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.atomic import name_own_temporary, name_temporary
from stripsight.errors import ScoringError
from stripsight.scoring.inputs import Item, Listed
from stripsight.scoring.journal import FILE_NAME, name_partial, open_journal

IDENTITY = {"bundle_id": "a" * 64, "variant": "bf16"}


def list_some(number: int, source: int = 0) -> list[Listed]:
    names = [f"{n:04d}.jpg" for n in range(number)]
    return [Listed(source, n.encode(), Item(n, f"/coil/{n}")) for n in names]


@settings(max_examples=25)
@given(
    number=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
    breaks=st.lists(st.integers(0, 12), max_size=6),
)
def test_however_often_broken_off_each_input_has_one_row(
    tmp_path_factory: pytest.TempPathFactory, number: int, order: object, breaks: list[int]
) -> None:
    out = tmp_path_factory.mktemp("journal") / "out.jsonl"
    written: list[str] = []
    for take in [*breaks, number]:
        listed = list_some(number)
        order.shuffle(listed)  # type: ignore[attr-defined]
        with open_journal(out, restart=False) as journal:
            before = journal.begin(IDENTITY, listed)
            assert before == len(written)
            pending = [item.id for item in journal.find_pending()]
            assert pending == sorted({e.item.id for e in listed} - set(written))
            rows = [(id_, f'{{"id": "{id_}"}}') for id_ in pending[:take]]
            journal.write(rows)
            written += [id_ for id_, _ in rows]
    with open_journal(out, restart=False) as journal:
        assert journal.begin(IDENTITY, list_some(number)) == number == journal.count()
        lines = list(journal.read_lines())
        journal.finish()
    assert lines == [f'{{"id": "{n:04d}.jpg"}}' for n in range(number)]
    assert not name_partial(out).exists()


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    out = tmp_path / "out.csv"
    with open_journal(out, restart=False) as journal:
        journal.begin(IDENTITY, list_some(1200))
        journal.write([("0003.jpg", "{}")])
    return out


def test_pages_lose_nothing(begun: Path) -> None:
    with open_journal(begun, restart=False) as journal:
        assert journal.begin(IDENTITY, list_some(1200)) == 1
        found = [item.id for item in journal.find_pending()]
    assert found == [f"{n:04d}.jpg" for n in range(1200) if n != 3]


def test_a_row_is_never_replaced(begun: Path) -> None:
    with open_journal(begun, restart=False) as journal:
        journal.begin(IDENTITY, list_some(1200))
        journal.write([("0003.jpg", "another"), *((f"000{n}.jpg", f"{n}") for n in range(3))])
        lines = journal.read_lines()
        assert [next(lines) for _ in range(4)] == ["0", "1", "2", "{}"]
        with pytest.raises(ScoringError, match="lacks a row"):
            next(lines)


@pytest.mark.parametrize("change", [{"variant": "fp32"}, {"bundle_id": "b" * 64}])
def test_another_bundle_or_setting_is_told_apart(begun: Path, change: dict[str, str]) -> None:
    (key,) = change
    with (
        pytest.raises(ScoringError, match=f"has {key} .*, this one {key} .* --restart throws away"),
        open_journal(begun, restart=False) as journal,
    ):
        journal.begin(IDENTITY | change, list_some(1200))
    with open_journal(begun, restart=True) as journal:
        assert journal.begin(IDENTITY | change, list_some(1200)) == 0


def move_one() -> list[Listed]:
    listed = list_some(1200)
    listed[7] = Listed(0, listed[7].key, Item(listed[7].item.id, "/elsewhere.jpg"))
    return listed


@pytest.mark.parametrize(
    "listed", [list_some(1199), list_some(1201), move_one(), list_some(1200, source=1)]
)
def test_other_inputs_are_told_apart(begun: Path, listed: list[Listed]) -> None:
    with (
        pytest.raises(
            ScoringError, match=r"not those of the scoring .*\((1,200 then, 1,\d+ now|as many, but)"
        ),
        open_journal(begun, restart=False) as journal,
    ):
        journal.begin(IDENTITY, listed)
    assert (name_partial(begun) / FILE_NAME).exists()


def test_an_input_twice_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    listed = [*list_some(3), Listed(1, b"x", Item("0001.jpg", "/coil/0001.jpg"))]
    with (
        pytest.raises(ScoringError, match=r"0001\.jpg is given twice"),
        open_journal(out, restart=False) as journal,
    ):
        journal.begin(IDENTITY, listed)
    assert list(tmp_path.iterdir()) == []


def test_a_pattern_that_finds_a_file_in_two_ways_means_one_input(tmp_path: Path) -> None:
    with open_journal(tmp_path / "out.csv", restart=False) as journal:
        journal.begin(IDENTITY, list_some(3) + list_some(3)[1:2])
        assert journal.count() == 3


def test_inputs_that_cannot_be_listed_leave_nothing(tmp_path: Path) -> None:
    def fail() -> Iterator[Listed]:
        yield from list_some(600)
        raise PermissionError(13, "Permission denied", "/coil/secret")

    with (
        pytest.raises(PermissionError),
        open_journal(tmp_path / "out.csv", restart=False) as journal,
    ):
        journal.begin(IDENTITY, fail())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("restart", [False, True])
def test_what_is_not_its_own_stays(begun: Path, restart: bool) -> None:
    foreign = name_partial(begun) / "mine.txt"
    foreign.write_text("precious")
    with open_journal(begun, restart=restart) as journal:
        journal.begin(IDENTITY, list_some(1200))
        journal.finish()
    assert [path.name for path in name_partial(begun).iterdir()] == ["mine.txt"]


def test_a_table_that_a_kill_left_half_written_is_removed(begun: Path) -> None:
    dead = name_own_temporary(begun, 4194304)
    others = [name_own_temporary(begun.with_name("other.csv"), 1), name_temporary(begun)]
    for path in (dead, *others):
        path.write_text("half")
    with open_journal(begun, restart=False):
        pass
    assert not dead.exists()
    assert all(path.exists() for path in others)


def test_as_many_inputs_by_other_names_are_told_apart(begun: Path) -> None:
    others = [replace(e, item=replace(e.item, path=f"./{e.item.id}")) for e in list_some(1200)]
    with (
        open_journal(begun, restart=False) as journal,
        pytest.raises(ScoringError, match=r"\(as many, but under other names"),
    ):
        journal.begin(IDENTITY, others)


def test_two_at_once_the_second_is_refused(begun: Path) -> None:
    with (
        open_journal(begun, restart=False),
        pytest.raises(ScoringError, match="another process is writing"),
        open_journal(begun, restart=True),
    ):
        pass
    with open_journal(begun, restart=False) as journal:
        assert journal.begin(IDENTITY, list_some(1200)) == 1


def read_all(out: Path) -> None:
    with open_journal(out, restart=False) as journal:
        journal.begin(IDENTITY, list_some(1200))
        list(journal.find_pending())


@pytest.mark.parametrize("damage", ["text", "cut", "flipped", "schema"])
def test_a_damaged_journal_says_the_way_on(begun: Path, damage: str) -> None:
    path = name_partial(begun) / FILE_NAME
    data = bytearray(path.read_bytes())
    if damage == "text":
        path.write_bytes(b"no database at all, but long enough to be one" * 50)
    elif damage == "cut":
        os.truncate(path, len(data) // 2 // 4096 * 4096)
    elif damage == "flipped":
        data[4096 * 2 : 4096 * 3] = bytes(4096)
        path.write_bytes(data)
    else:
        import sqlite3

        with sqlite3.connect(path) as database:
            database.execute("UPDATE about SET value = '9' WHERE key = 'schema'")
        database.close()
    with pytest.raises(ScoringError, match="--restart"):
        read_all(begun)
    with open_journal(begun, restart=True) as journal:
        assert journal.begin(IDENTITY, list_some(2)) == 0
