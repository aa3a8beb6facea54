import json
import logging

import pytest

from stripsight.data.splits.store import (
    PARTS,
    PartCounts,
    Split,
    classes_without_positives,
    describe_split,
    load_split,
    make_split,
    save_split,
)
from stripsight.errors import SplitError

FRACTIONS = (0.6, 0.2, 0.2)


@pytest.fixture
def prepared(make_prepared):
    drawn = [{1: "presence"} if i % 3 == 0 else {} for i in range(18)] + [None, {2: "presence"}]
    groups = [0, 1, 0, 0, *range(4, 20)]
    return make_prepared(drawn, groups=groups)


@pytest.fixture
def stored(prepared):
    split = make_split(prepared, "holdout", fractions=FRACTIONS, seed=3)
    save_split(prepared, split)
    return split


def replace_line(prepared, old, new):
    path = prepared.root / "splits" / "holdout.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    path.with_suffix(".json").unlink()


def test_round_trip(prepared, stored):
    loaded = load_split(prepared, "holdout")
    assert loaded == stored
    assert loaded.hash == stored.hash
    assert loaded.dataset_hash == prepared.content_hash()
    assert (loaded.seed, loaded.fractions) == (3, FRACTIONS)
    lines = (prepared.root / "splits" / "holdout.csv").read_text().splitlines()
    assert lines[0] == "id,split"
    assert len(lines) == 1 + 19
    assert sorted(i for part in PARTS for i in stored.ids(part)) == sorted(stored.assignment)
    assert sorted(p.name for p in (prepared.root / "splits").iterdir()) == [
        "holdout.csv",
        "holdout.json",
    ]


def test_look_alikes_are_together_and_unlabelled_images_left_out(prepared):
    for seed in range(10):
        split = make_split(prepared, "s", fractions=FRACTIONS, seed=seed)
        assert len({split.assignment[f"{i:03d}.jpg"] for i in (0, 2, 3)}) == 1
        assert "018.jpg" not in split.assignment


def test_hash_follows_the_assignment_alone(prepared, stored):
    again = make_split(prepared, "other", fractions=FRACTIONS, seed=3)
    assert again.hash == stored.hash
    assert make_split(prepared, "other", fractions=FRACTIONS, seed=4).hash != stored.hash


def test_counts_against_a_count_by_hand(make_prepared):
    prepared = make_prepared([{1: "presence"}, {1: "presence", 2: "presence"}, {}, {2: "presence"}])
    parts = ["train", "train", "validation", "test"]
    split = Split(
        name="hand",
        seed=None,
        fractions=None,
        scheme="given",
        assignment=dict(zip(prepared.images["id"], parts, strict=True)),
        dataset_hash=None,
    )
    assert describe_split(prepared, split) == {
        "train": PartCounts(2, 0, {"scratch": 2, "pit": 1, "stain": 0}),
        "validation": PartCounts(1, 1, {"scratch": 0, "pit": 0, "stain": 0}),
        "test": PartCounts(1, 0, {"scratch": 0, "pit": 1, "stain": 0}),
    }
    assert classes_without_positives(prepared, split, "train") == ("stain",)
    assert classes_without_positives(prepared, split, "test") == ("scratch", "stain")
    with pytest.raises(SplitError, match="part 'val' does not exist"):
        classes_without_positives(prepared, split, "val")
    save_split(prepared, split)
    record = json.loads((prepared.root / "splits" / "hand.json").read_text())
    assert record["counts"]["test"]["classes"] == {"scratch": 0, "pit": 1, "stain": 0}


def test_a_split_written_by_hand_needs_no_record(prepared, stored):
    (prepared.root / "splits" / "holdout.json").unlink()
    loaded = load_split(prepared, "holdout")
    assert (loaded.scheme, loaded.seed, loaded.fractions) == ("given", None, None)
    assert loaded.assignment == stored.assignment


def test_byte_order_mark_and_windows_line_ends_are_read(prepared, stored):
    path = prepared.root / "splits" / "holdout.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_split(prepared, "holdout") == stored


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_behind_the_header_are_passed_over(prepared, stored, end):
    path = prepared.root / "splits" / "holdout.csv"
    lines = path.read_text().splitlines()
    path.write_bytes(end.join([*lines[:3], "", *lines[3:], "", "", ""]).encode())
    assert load_split(prepared, "holdout") == stored


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("001.jpg,val", r"line 3: image '001\.jpg' is in part 'val'"),
        ("999.jpg,train", r"image '999\.jpg' is not in the data set"),
        ("018.jpg,train", r"image '018\.jpg' has no known labels"),
        ("004.jpg,train", r"line \d: image '004\.jpg' is listed twice"),
        ("001.jpg", r"line 3: 1 cells, 2 are expected"),
        ('"001.jpg,train', r"cannot be read: unexpected end of data"),
    ],
)
def test_damaged_rows_are_named(prepared, stored, new, message):
    replace_line(prepared, f"001.jpg,{stored.assignment['001.jpg']}", new)
    with pytest.raises(SplitError, match=message):
        load_split(prepared, "holdout")


def test_a_missing_image_is_named(prepared, stored):
    replace_line(prepared, f"001.jpg,{stored.assignment['001.jpg']}\n", "")
    with pytest.raises(SplitError, match=r"lacks 1 labelled images, the first is '001\.jpg'"):
        load_split(prepared, "holdout")


def test_leakage_is_refused(prepared, stored):
    here = stored.assignment["003.jpg"]
    other = "test" if here != "test" else "train"
    replace_line(prepared, f"003.jpg,{here}", f"003.jpg,{other}")
    with pytest.raises(SplitError, match=r"'000\.jpg' in .* and '003\.jpg' in .* look-alikes"):
        load_split(prepared, "holdout")


@pytest.mark.parametrize("content", [b"", b"id;split\n", b"\xff\xfe\x00"])
def test_damaged_tables_are_refused(prepared, stored, content):
    (prepared.root / "splits" / "holdout.csv").write_bytes(content)
    with pytest.raises(SplitError, match=r"holdout\.csv"):
        load_split(prepared, "holdout")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"by": "luck"}',
        b'{"fold": {"of": "k"}}',
        b'{"fold": 3}',
        b"{}",
        b'{"fractions": [1], "seed": 0}',
        b'{"seed": "x"}',
        b'{"seed": Infinity}',
        b'{"seed": 1.5}',
        b'{"seed": true}',
        b'{"fractions": [NaN, 0.5, 0.5]}',
        b'{"fractions": ["0.7", 0.15, 0.15]}',
        b'{"fractions": [2, -0.5, -0.5]}',
        b'{"scheme": NaN}',
        b'{"dataset_hash": NaN}',
        b'{"fold": {"of": "k", "number": NaN, "count": 3, "set_hash": "x"}}',
        b'{"fold": {"of": "k", "number": 4, "count": 3, "set_hash": "x"}}',
        b'{"fold": {"of": "../k", "number": 1, "count": 3, "set_hash": "x"}}',
        b'{"fold": {"of": "k", "number": 1, "count": 3, "set_hash": null}}',
        b"[" * 100_000,
    ],
    ids=lambda content: content[:40].decode(),
)
def test_damaged_records_are_refused(prepared, stored, content):
    (prepared.root / "splits" / "holdout.json").write_bytes(content)
    with pytest.raises(SplitError, match=r"holdout\.json is damaged"):
        load_split(prepared, "holdout")


def test_a_table_changed_under_its_record_is_refused(prepared, stored):
    path = prepared.root / "splits" / "holdout.csv"
    here = stored.assignment["001.jpg"]
    other = "test" if here != "test" else "train"
    path.write_text(path.read_text().replace(f"001.jpg,{here}", f"001.jpg,{other}"))
    with pytest.raises(SplitError, match=r"was changed after it was made, .* your own"):
        load_split(prepared, "holdout")


def test_no_split(prepared):
    with pytest.raises(SplitError, match=r"split 'holdout' does not exist .*stripsight data split"):
        load_split(prepared, "holdout")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 200])
def test_unusable_names_are_refused(prepared, name):
    with pytest.raises(SplitError, match="split name"):
        load_split(prepared, name)
    with pytest.raises(SplitError, match="split name"):
        make_split(prepared, name, fractions=FRACTIONS, seed=0)


def test_a_split_of_an_older_state_is_taken_and_told(prepared, stored, caplog):
    prepared.annotations.loc[0, "area"] = 5
    prepared.annotations.loc[0, "kind"] = "box"
    with caplog.at_level(logging.WARNING, logger="stripsight"):
        assert load_split(prepared, "holdout").assignment == stored.assignment
    assert "before the data set last changed" in caplog.text


def test_a_full_disk_leaves_the_older_split_intact(prepared, stored, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stripsight.data.splits.store.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        save_split(prepared, make_split(prepared, "holdout", fractions=FRACTIONS, seed=9))
    assert load_split(prepared, "holdout") == stored
