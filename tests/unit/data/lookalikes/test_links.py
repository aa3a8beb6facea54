import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.data.lookalikes import links as links_module
from stripsight.data.lookalikes.links import (
    Conflict,
    Link,
    check_links,
    find_conflicts,
    form_groups,
    load_links,
    save_links,
)
from stripsight.data.prepared import load_prepared
from stripsight.errors import DatasetError

LINKS = (
    Link("000.jpg", "003.jpg", "overlap", 640, -3, 0.75),
    Link("001.jpg", "002.jpg", "text box", 0, 0, 0.5),
    Link("002.jpg", "004.jpg", "re-encoded", 0, 0, 1.0),
)


@pytest.fixture
def dataset(make_prepared):
    """Five images; 001 and 002 disagree on their labels."""
    return make_prepared([{}, {1: "presence"}, {2: "presence"}, {1: "presence"}, None])


def test_saved_links_come_back_with_their_groups(dataset):
    before = dataset.content_hash()
    returned = save_links(dataset, LINKS)
    loaded = load_prepared(dataset.root)
    assert load_links(loaded) == LINKS
    for one in (returned, loaded):
        assert list(one.images["duplicate_group"]) == [0, 1, 1, 0, 1]
        assert one.images["duplicate_group"].dtype == np.int32
        assert one.content_hash() == before
    assert list(check_links(loaded)) == []
    table = pq.read_table(dataset.root / "links.parquet")
    assert table.column_names == ["first", "second", "kind", "shift_x", "shift_y", "similarity"]


def test_no_links_is_another_thing_than_not_searched(dataset):
    assert load_links(dataset) is None
    assert list(check_links(dataset)) == []
    save_links(dataset, [])
    assert load_links(load_prepared(dataset.root)) == ()


@given(
    sha256=st.lists(st.integers(0, 8), min_size=1, max_size=12),
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=12),
)
def test_groups_against_spreading_by_hand(sha256, pairs):
    ids = [f"{row:02d}" for row in range(len(sha256))]
    images = pd.DataFrame({"id": ids, "sha256": [str(value) for value in sha256]})
    edges = [(a, b) for a, b in pairs if a < b < len(ids)]
    groups = form_groups(images, [Link(ids[a], ids[b], "overlap") for a, b in edges])
    lowest = list(range(len(ids)))
    for _ in ids:
        for a in range(len(ids)):
            for b in range(len(ids)):
                if (a, b) in edges or (b, a) in edges or sha256[a] == sha256[b]:
                    lowest[a] = lowest[b] = min(lowest[a], lowest[b])
    assert groups.dtype == np.int32
    numbers = {low: number for number, low in enumerate(dict.fromkeys(lowest))}
    assert groups.tolist() == [numbers[low] for low in lowest]


def test_conflicts_name_images_that_show_the_same_and_their_labels(dataset):
    dataset = save_links(dataset, LINKS)
    assert find_conflicts(dataset, LINKS) == (
        Conflict(("001.jpg", "002.jpg"), (("scratch",), ("pit",))),
    )


def test_overlapping_frames_may_carry_other_labels(dataset):
    assert find_conflicts(dataset, [Link("000.jpg", "001.jpg", "overlap", 300, 0, 0.9)]) == ()


def test_a_link_to_an_unknown_image_is_not_saved(dataset):
    with pytest.raises(DatasetError, match=r"'900\.jpg'"):
        save_links(dataset, [Link("000.jpg", "900.jpg", "overlap")])
    assert not (dataset.root / "links.parquet").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "columns", "version", "kind"])
def test_damaged_links_are_refused_and_found(dataset, damage):
    save_links(dataset, LINKS)
    path = dataset.root / "links.parquet"
    data = path.read_bytes()
    table = pq.read_table(path)
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:20] + bytes(byte ^ 255 for byte in data[20:60]) + data[60:])
    elif damage == "text":
        path.write_bytes(b"first,second\n")
    elif damage == "columns":
        pq.write_table(table.drop_columns(["kind"]), path)
    elif damage == "version":
        metadata = table.schema.metadata | {b"schema_version": b"2"}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    else:
        kinds = table.column("kind").to_pylist()
        changed = table.set_column(2, "kind", [["cousin", *kinds[1:]]])
        pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    dataset = load_prepared(dataset.root)
    with pytest.raises(DatasetError, match=r"links\.parquet is damaged.*data duplicates"):
        load_links(dataset)
    (problem,) = check_links(dataset)
    assert "damaged" in problem


def test_links_naming_an_unknown_image_are_refused_and_found(dataset):
    save_links(dataset, LINKS)
    path = dataset.root / "links.parquet"
    table = pq.read_table(path)
    changed = table.set_column(1, "second", [["900.jpg", *table.column("second").to_pylist()[1:]]])
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(DatasetError, match=r"'900\.jpg'.*data duplicates"):
        load_links(dataset)
    assert any("'900.jpg'" in problem for problem in check_links(dataset))


def test_links_of_other_images_count_as_not_searched(dataset):
    save_links(dataset, LINKS)
    dataset.images.loc[4, "sha256"] = "0" * 64
    assert load_links(dataset) is None
    (problem,) = check_links(dataset)
    assert "changed" in problem


def test_groups_that_do_not_follow_are_found(dataset):
    dataset = save_links(dataset, LINKS)
    dataset.images.loc[4, "duplicate_group"] = 7
    (problem,) = check_links(dataset)
    assert "do not follow" in problem


def test_failed_second_write_is_found_and_mended(dataset, monkeypatch):
    real = links_module.write_atomically

    def fail_on_images(path, data):
        if path.name == "images.parquet":
            raise OSError(28, "No space left on device", str(path))
        real(path, data)

    monkeypatch.setattr(links_module, "write_atomically", fail_on_images)
    with pytest.raises(OSError, match="No space"):
        save_links(dataset, LINKS)
    monkeypatch.undo()
    assert_half_saved_and_mended(dataset.root)


KILLED = """
import os, signal, sys
from stripsight.data.lookalikes import links
from stripsight.data.prepared import load_prepared
real = links.write_atomically
def write(path, data):
    if path.name == "images.parquet":
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, data)
links.write_atomically = write
links.save_links(load_prepared(sys.argv[1]), [links.Link("000.jpg", "003.jpg", "overlap", 640)])
"""


def test_killed_between_the_writes_is_found_and_mended(dataset):
    process = subprocess.run([sys.executable, "-c", KILLED, str(dataset.root)], check=False)
    assert process.returncode == -9
    assert_half_saved_and_mended(dataset.root)


def assert_half_saved_and_mended(root):
    half = load_prepared(root)
    assert load_links(half) is None
    (problem,) = check_links(half)
    assert "do not follow from the links: run `stripsight data duplicates` again" in problem
    save_links(half, LINKS)
    mended = load_prepared(root)
    assert load_links(mended) == LINKS
    assert list(check_links(mended)) == []
    assert list(mended.images["duplicate_group"]) == [0, 1, 1, 0, 1]
