"""Reviews on disk: laid over the labels, chained by content hash, undone, all or nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from stripsight.data.prepared import load_prepared, save_prepared
from stripsight.data.reviews.applying import apply_sheet
from stripsight.data.reviews.sheet import name_version
from stripsight.data.reviews.store import lock_reviews, remove_reviews
from stripsight.data.reviews.undoing import load_undone, undo_last_review
from stripsight.errors import DataError, DatasetError

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


DRAWN = [{1: np.ones((16, 40), np.uint8), 2: "presence"}, {}, {3: "box"}, None]


@pytest.fixture
def root(make_prepared):
    return make_prepared(DRAWN).root


@pytest.fixture(scope="module")
def twice_reviewed(build_prepared, tmp_path_factory):
    """A data set with two reviews; tests put the records back that they spoil."""
    root = build_prepared(tmp_path_factory.mktemp("reviewed"), DRAWN).root
    apply(root, ("000.jpg", "pit", "remove"))
    apply(root, ("001.jpg", "scratch", "add"), ("001.jpg", "pit", "add"))
    return root


def apply(root, *rows):
    """Apply a sheet of (image, class, decision)."""
    version = name_version(load_prepared(root).content_hash())
    sheet = root.parent / "sheet.csv"
    lines = [f"{image},{name},{decision},{version}" for image, name, decision in rows]
    sheet.write_text("\n".join(["image,class,decision,labels version", *lines]))
    return apply_sheet(root, sheet, reviewer="Anna", when=WHEN)


def undo(root, *, later=0):
    return undo_last_review(root, reviewer="Ben", when=WHEN + timedelta(seconds=later))


def read_tables_as_bytes(root):
    names = ("dataset.json", "images.parquet", "annotations.parquet")
    return [(root / name).read_bytes() for name in names]


def test_labels_change_and_the_tables_do_not(root):
    before, tables = load_prepared(root), read_tables_as_bytes(root)
    review = apply(
        root, ("000.jpg", "scratch", "remove"), ("000.jpg", "stain", "add"),
        ("001.jpg", "pit", "add"), ("001.jpg", "stain", "keep"), ("002.jpg", "", "drop-image"),
    ).review  # fmt: skip
    after = load_prepared(root)
    assert read_tables_as_bytes(root) == tables
    assert after.label_matrix().tolist() == [[0, 1, 1], [0, 1, 0]]
    assert list(after.labelled_images["id"]) == ["000.jpg", "001.jpg"]
    assert after.dropped == {"002.jpg"}
    added = after.annotations[after.annotations["class_id"] == 3]
    assert added[["image_id", "kind"]].to_numpy().tolist() == [["000.jpg", "presence"]]
    assert added[["rle", "area"]].isna().to_numpy().all()
    assert after.annotations.dtypes.to_dict() == before.annotations.dtypes.to_dict()
    assert after.images.dtypes.to_dict() == before.images.dtypes.to_dict()
    hashes = before.content_hash(), after.content_hash()
    assert hashes[0] != hashes[1]
    assert (review.before, review.after) == hashes
    record = json.loads((root / "reviews" / "0001.json").read_text())
    assert record["reviewer"] == "Anna"
    assert record["applied"] == "2026-01-02T03:04:05+00:00"
    assert len(record["sheet_sha256"]) == 64
    assert record["changes"][0] == {
        "image": "000.jpg", "class_name": "scratch", "decision": "remove",
        "was": "mask", "now": "none", "row": 2,
    }  # fmt: skip


def test_reviews_follow_each_other_and_are_undone_in_turn(root):
    states = [load_prepared(root).content_hash()]
    for rows in (
        [("000.jpg", "scratch", "remove")],
        [("000.jpg", "scratch", "add"), ("001.jpg", "stain", "add")],
        [("001.jpg", "", "drop-image")],
    ):
        apply(root, *rows)
        states.append(load_prepared(root).content_hash())
    assert len(set(states)) == 4
    assert load_prepared(root).label_matrix().tolist() == [[1, 1, 0], [0, 0, 1]]
    for number in (3, 2, 1):
        assert load_prepared(root).content_hash() == states[number]
        assert undo(root).review.number == number
    assert load_prepared(root).content_hash() == states[0]
    with pytest.raises(DatasetError, match="no review to undo"):
        undo(root)


def test_what_was_undone_is_kept_and_is_not_in_force(root):
    before = load_prepared(root).content_hash()
    first = apply(root, ("000.jpg", "scratch", "remove")).review
    undo(root, later=1)
    second = apply(root, ("000.jpg", "pit", "remove")).review
    undo(root, later=2)
    assert load_prepared(root).content_hash() == before
    assert not list((root / "reviews").glob("*.json"))
    found = load_undone(root, ())
    assert [u.review for u in found] == [first, second]
    assert {u.undone_by for u in found} == {"Ben"}
    assert [u.undone for u in found] == ["2026-01-02T03:04:06+00:00", "2026-01-02T03:04:07+00:00"]
    assert [path.name[:20] for path in sorted((root / "reviews" / "undone").iterdir())] == [
        "0001-20260102T030406", "0001-20260102T030407",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["mkdir", "replace", "unlink"])
def test_killed_while_it_is_undone_a_review_is_still_in_force(root, monkeypatch, method):
    review = apply(root, ("000.jpg", "scratch", "remove")).review

    def die(self, *arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, die)
        with pytest.raises(KeyboardInterrupt):
            undo(root)
    reviews = load_prepared(root).reviews
    assert reviews == (review,)
    assert load_undone(root, reviews) == ()
    undo(root, later=5)
    assert load_prepared(root).reviews == ()
    assert [u.review for u in load_undone(root, ())] == [review]


def test_a_damaged_record_of_an_undone_review_is_named(root):
    apply(root, ("000.jpg", "scratch", "remove"))
    undo(root)
    (path,) = (root / "reviews" / "undone").iterdir()
    path.write_text("{}")
    with pytest.raises(DatasetError, match=r"is damaged .*restore or delete it"):
        load_undone(root, ())
    assert load_prepared(root).reviews == ()


def test_keeping_labels_is_recorded_and_changes_no_hash(root):
    before = load_prepared(root).content_hash()
    review = apply(root, ("000.jpg", "scratch", "keep")).review
    assert review.before == review.after == before == load_prepared(root).content_hash()
    assert len(load_prepared(root).reviews) == 1


def test_one_wrong_row_and_nothing_is_written(root):
    outcome = apply(root, ("000.jpg", "scratch", "remove"), ("001.jpg", "pit", "remove"))
    assert outcome.review is None
    assert len(outcome.faults) == 1
    assert load_prepared(root).reviews == ()
    assert not (root / "reviews").exists()


def test_the_same_sheet_twice_is_refused(root):
    apply(root, ("000.jpg", "scratch", "keep"))
    sheet = root.parent / "sheet.csv"
    with pytest.raises(DataError, match=r"was applied already: reviews/0001\.json"):
        apply_sheet(root, sheet, reviewer="Anna", when=WHEN)


def test_a_sheet_without_a_decision_is_refused(root):
    with pytest.raises(DataError, match="no row has a decision"):
        apply(root, ("000.jpg", "scratch", ""))


def test_a_sheet_made_before_another_review_is_refused(root):
    sheet = root.parent / "old.csv"
    version = name_version(load_prepared(root).content_hash())
    sheet.write_text(f"image,class,decision,labels version\n000.jpg,pit,remove,{version}\n")
    apply(root, ("000.jpg", "scratch", "remove"))
    with pytest.raises(DataError, match=r"reviews/0001\.json was applied since\): audit again"):
        apply_sheet(root, sheet, reviewer="Anna", when=WHEN)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[: len(text) // 2], r"0002\.json is damaged"),
        (lambda text: "[]", r"0002\.json is damaged"),
        (lambda text: "[" * 100_000, r"0002\.json is damaged"),
        (lambda text: text.replace('"pit"', '"scratch"'), "of other labels or were changed"),
        (lambda text: text.replace('"001.jpg"', '"009.jpg"'), "has 'unknown': it was made for"),
        (lambda text: text.replace('"001.jpg"', '"003.jpg"'), "has 'unknown': it was made for"),
        (lambda text: text.replace('"pit"', '"dent"'), "has 'unknown': it was made for"),
        (lambda text: text.replace('"add"', '"keep"'), "of other labels or were changed"),
        (lambda text: text.replace('"add"', '"drop-image"'), r"0002\.json is damaged"),
        (lambda text: text.replace('"after": "', '"after": "0'), "of other labels or were"),
        (lambda text: text.replace('"before": "', '"before": "0'), "does not follow the review"),
        (lambda text: text.replace('"row": 2', '"row": 2, "x": 1'), r"0002\.json is damaged"),
        (lambda text: text.replace('"reviewer": "Anna"', '"reviewer": 7'), r"is damaged"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "is damaged"),
    ],
)
def test_a_review_that_was_changed_is_refused(twice_reviewed, spoil, reason):
    path = twice_reviewed / "reviews" / "0002.json"
    text = path.read_text()
    path.write_text(spoil(text))
    try:
        assert path.read_text() != text
        with pytest.raises(DatasetError, match=reason):
            load_prepared(twice_reviewed)
    finally:
        path.write_text(text)
    assert len(load_prepared(twice_reviewed).reviews) == 2


def test_a_missing_review_is_noticed(root):
    for name in ("scratch", "pit", "stain"):
        apply(root, ("000.jpg", name, "add" if name == "stain" else "remove"))
    (root / "reviews" / "0002.json").unlink()
    with pytest.raises(DatasetError, match=r"restore reviews/0002\.json"):
        load_prepared(root)


def test_reviews_of_another_data_set_are_refused(root, make_prepared):
    apply(root, ("001.jpg", "pit", "add"))
    other = make_prepared([{1: "presence"}, {}], name="other").root
    (other / "reviews").mkdir()
    (other / "reviews" / "0001.json").write_bytes((root / "reviews" / "0001.json").read_bytes())
    with pytest.raises(DatasetError, match="of other labels or were changed"):
        load_prepared(other)


def test_killed_while_it_is_written_a_review_is_there_or_not(root, monkeypatch):
    before = load_prepared(root).content_hash()

    def die(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            apply(root, ("000.jpg", "pit", "remove"))
    assert load_prepared(root).content_hash() == before
    # A process that the kernel kills leaves its temporary file.
    (root / "reviews" / ".0123456789abcdef.7.partial").write_text('{"schema_')
    assert load_prepared(root).content_hash() == before
    assert apply(root, ("000.jpg", "pit", "remove")).review.number == 1


def test_two_reviewers_at_once_do_not_overwrite_each_other(root):
    # Another descriptor of this process stands for another process: flock tells them apart.
    with lock_reviews(root), pytest.raises(DatasetError, match="is being applied: wait"):
        apply(root, ("000.jpg", "pit", "remove"))
    assert apply(root, ("000.jpg", "pit", "remove")).review.number == 1


def test_a_folder_of_reviews_that_is_a_link_is_not_written_through(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (root / "reviews").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="reviews"):
        apply(root, ("000.jpg", "pit", "remove"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_reviewed_data_set_is_not_written_over_its_own_tables(root, tmp_path):
    apply(root, ("000.jpg", "pit", "remove"))
    reviewed = load_prepared(root)
    tables = read_tables_as_bytes(root)
    with pytest.raises(DatasetError, match="holds reviews of its labels"):
        save_prepared(reviewed)
    assert read_tables_as_bytes(root) == tables
    save_prepared(replace(reviewed, root=tmp_path / "copy"))
    copy = load_prepared(tmp_path / "copy")
    assert copy.content_hash() == reviewed.content_hash()
    assert copy.reviews == ()


def edit(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["changes"][0].update(row=float("nan")),
        lambda r: r["changes"][0].update(row=1.5),
        lambda r: r["changes"][0].update(row=True),
        lambda r: r["changes"][0].update(class_name=float("inf")),
        lambda r: r.update(reviewer="half a pair: \ud800"),
        lambda r: r.update(applied="yesterday"),
        lambda r: r.update(applied="2026-01-02T03:04:05"),
        lambda r: r.update(sheet_sha256=None),
    ],
    ids=["NaN", "fraction", "bool", "Infinity", "surrogate", "no time", "no zone", "null"],
)
def test_a_record_edited_to_what_it_cannot_be_is_refused_in_one_line(root, change):
    apply(root, ("000.jpg", "scratch", "remove"))
    edit(root / "reviews" / "0001.json", change)
    with pytest.raises(
        DatasetError, match=r"0001\.json is damaged \(.+\): restore the file"
    ) as error:
        load_prepared(root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("undone_by", float("nan")), ("undone", 7)])
def test_an_undone_record_edited_to_what_it_cannot_be_is_refused(root, key, value):
    apply(root, ("000.jpg", "scratch", "remove"))
    undo(root)
    (path,) = (root / "reviews" / "undone").iterdir()
    edit(path, lambda r: r.update({key: value}))
    with pytest.raises(DatasetError, match="is damaged"):
        load_undone(root, ())


@pytest.mark.parametrize("name", ["reviews", "reviews/undone"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_a_file_in_place_of_the_reviews_is_refused(root, tmp_path, name, kind):
    apply(root, ("000.jpg", "scratch", "remove"))
    undo(root)
    apply(root, ("000.jpg", "scratch", "remove"))
    folder = root / name
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    if kind == "link":
        folder.symlink_to(elsewhere)
    else:
        folder.write_text("")
    stored = sorted(path.read_bytes() for path in elsewhere.rglob("*.json"))
    for command in (
        lambda: load_undone(root, load_prepared(root).reviews),
        lambda: undo(root),
        lambda: remove_reviews(root),
    ):
        with pytest.raises(DatasetError, match="is no folder of its own"):
            command()
    assert sorted(path.read_bytes() for path in elsewhere.rglob("*.json")) == stored
