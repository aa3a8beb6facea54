"""The table in its three forms."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.errors import ScoringError, UsageError
from stripsight.scoring import tables
from stripsight.scoring.rows import ClassScore, Origin, Place, Row
from stripsight.scoring.tables import check_output, neutralise, write_table
from stripsight.scoring.watch_state import name_state

NAMES = ("scratch", "=spot")
ORIGIN = Origin("b" * 64, "bf16", "bf16", "openvino")
SCORED = Row(
    "coil/1.jpg",
    "defect",
    None,
    "saturated",
    (ClassScore("scratch", 0.125, "clean"), ClassScore("=spot", 1e-05, "defect")),
    (Place("=spot", 1, 2, 30, 40, 500, 0.75),),
    ORIGIN,
    "2026-11-22T19:30:00.123+00:00",
)
BROKEN = Row(
    "=cmd|' /C calc'!A0.jpg",
    "review",
    "unreadable: the file is empty",
    None,
    (),
    (),
    ORIGIN,
    "2026-11-22T19:30:00.200+00:00",
)


def write(path: Path, *rows: Row) -> Path:
    write_table(path, (row.to_line() for row in rows), NAMES, {"bundle_id": "b" * 64})
    return path


def test_jsonl_holds_the_rows_as_they_are(tmp_path: Path) -> None:
    text = write(tmp_path / "a.jsonl", SCORED, BROKEN).read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == [SCORED.to_json(), BROKEN.to_json()]
    assert text.endswith("\n")


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "a.parquet", SCORED, BROKEN))
    assert json.loads(table.schema.metadata[b"stripsight"]) == {"bundle_id": "b" * 64}
    first, second = table.to_pylist()
    assert first["probability_=spot"] == 1e-05
    assert first["decision_scratch"] == "clean"
    assert first["scored_at"].isoformat() == "2026-11-22T19:30:00.123000+00:00"
    assert first["boxes"] == SCORED.to_json()["boxes"]
    assert second["id"] == BROKEN.id
    assert second["probability_scratch"] is None
    assert second["boxes"] == []
    assert str(table.schema.field("probability_scratch").type) == "double"


def test_csv_has_the_same_columns_and_no_formula(tmp_path: Path) -> None:
    columns = pq.read_schema(write(tmp_path / "a.parquet", SCORED)).names
    with write(tmp_path / "a.csv", SCORED, BROKEN).open(newline="", encoding="utf-8") as file:
        header, first, second = csv.reader(file)
    assert header == columns
    assert second[0] == f"'{BROKEN.id}"
    assert float(first[header.index("probability_=spot")]) == 1e-05
    assert json.loads(first[header.index("boxes")]) == SCORED.to_json()["boxes"]
    assert second[header.index("probability_scratch")] == ""
    for cell in (*header, *first, *second):
        assert not cell.startswith(tuple("=+-@"))


@given(st.text(max_size=20))
def test_a_cell_is_changed_only_where_it_might_be_a_formula(text: str) -> None:
    cell = neutralise(text)
    assert cell is not None
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_every_sign_of_a_formula_is_neutralised(sign: str) -> None:
    assert neutralise(f"{sign}1.jpg") == f"'{sign}1.jpg"
    assert neutralise(f"1{sign}.jpg") == f"1{sign}.jpg"


def test_numbers_below_zero_stay_numbers(tmp_path: Path) -> None:
    assert neutralise(None) is None
    line = json.loads(SCORED.to_line())
    line["classes"]["scratch"]["probability"] = -0.5  # never so; a number all the same
    write_table(tmp_path / "a.csv", [json.dumps(line)], NAMES, {})
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["probability_scratch"] == "-0.5"


def test_every_row_is_there_however_many_go_into_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_ROWS_OF_A_BATCH", 2)
    monkeypatch.setattr(tables, "_ROWS_OF_A_GROUP", 4)
    for number in (1, 3, 4, 5, 9):
        rows = [replace(SCORED, id=str(n)) for n in range(number)]
        path = write(tmp_path / "a.parquet", *rows)
        assert pq.read_table(path)["id"].to_pylist() == [row.id for row in rows]
        assert pq.read_metadata(path).num_row_groups == -(-number // 4)


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        path = write(tmp_path / name, SCORED)
        before = path.read_bytes()

        def fail() -> object:
            yield SCORED.to_line()
            raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space left"):
            write_table(path, fail(), NAMES, {})  # type: ignore[arg-type]
        assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("line", ['{"id": "a.jpg", "verd', "{}", "[]", '"x"', "null"])
def test_a_line_that_is_no_row_leaves_the_old_table(tmp_path: Path, line: str) -> None:
    out = write(tmp_path / "a.csv", SCORED)
    before = out.read_bytes()
    with pytest.raises(ScoringError, match="give --restart"):
        write_table(out, [BROKEN.to_line(), line], NAMES, {})
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_tally_counts_every_row(tmp_path: Path) -> None:
    lines = [SCORED.to_line(), *[BROKEN.to_line()] * 8]
    tally = write_table(tmp_path / "a.csv", lines, NAMES, {})
    assert tally.images == 9
    assert tally.verdicts == {"clean": 0, "review": 8, "defect": 1}
    assert tally.classes == {"scratch": {"clean": 1}, "=spot": {"defect": 1}}
    assert (tally.failed, len(tally.reasons), tally.suspects) == (8, 5, {"saturated": 1})


@pytest.mark.parametrize("name", ["a.txt", "a", "a.PARQUET", "a.csv.gz"])
def test_another_suffix_is_wrong_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in \.parquet, \.csv, \.jsonl"):
        check_output(tmp_path / name)


def test_a_folder_or_a_watch_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_output(tmp_path / "a.csv")
    name_state(tmp_path / "b.jsonl").mkdir()
    with pytest.raises(ScoringError, match="the table of a watch"):
        check_output(tmp_path / "b.jsonl")


def test_parquet_without_pyarrow_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(ScoringError, match="pip install 'stripsight"):
        check_output(tmp_path / "a.parquet")
    check_output(tmp_path / "a.csv")


def test_probabilities_come_back_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        Row(
            str(n), "clean", None, None, (ClassScore("scratch", p, "clean"),), (), ORIGIN,
            SCORED.scored_at,
        )
        for n, p in enumerate(rng.random(50).tolist())
    ]  # fmt: skip
    table = pq.read_table(write(tmp_path / "a.parquet", *rows))
    with write(tmp_path / "a.csv", *rows).open(newline="", encoding="utf-8") as file:
        cells = [float(row["probability_scratch"]) for row in csv.DictReader(file)]
    expected = [row.classes[0].probability for row in rows]
    assert table["probability_scratch"].to_pylist() == expected == cells
