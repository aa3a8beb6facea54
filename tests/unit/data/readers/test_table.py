import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.data.readers.folders import read_folders
from stripsight.data.readers.table import (
    find_columns,
    find_fault_of_name,
    read_plain_table,
    read_table,
    split_name,
)
from stripsight.errors import ReaderError

# A line break inside a cell is the one thing that this reader does not allow.
cells = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
tables = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=6)
)


@given(tables, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_reads_what_pythons_writer_writes(rows, line_end, quoting):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=line_end, quoting=quoting)
    writer.writerow([f"column {i}" for i in range(len(rows[0]))])
    writer.writerows(rows)
    table = read_table(stream.getvalue().encode(), "t.csv")
    expected = [(number, tuple(row)) for number, row in enumerate(rows, start=2)]
    assert [(line.number, line.cells) for line in table.lines] == expected
    assert not any(line.fault for line in table.lines)


def test_unclosed_quote_costs_one_row_and_keeps_its_number():
    table = read_table(b'a,b\n1,2\n3,"4\n5,6\n', "t.csv")
    assert [line.number for line in table.lines] == [2, 3, 4]
    assert [bool(line.fault) for line in table.lines] == [False, True, False]


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b'"a,b\n1,2\n', b"a,b\n\xff,1\n"])
def test_table_without_a_header_or_of_another_encoding_is_refused(data):
    with pytest.raises(ReaderError, match=r"t\.csv"):
        read_table(data, "t.csv")


def test_column_that_is_absent_or_twice_is_refused():
    table = read_table(b"a,b,b\n", "t.csv")
    assert table.column("a") == 0
    for name in ("b", "c"):
        with pytest.raises(ReaderError, match=f"exactly one column '{name}'"):
            table.column(name)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (("image", "labels"), (0, 1)),
        (("ImageId", "class_ids"), (0, 1)),
        (("Class", "x", "file name"), (2, 0)),
        (("ImageId", "area_1"), None),
        (("file", "source_repository", "sha1"), None),
        (("labels",), None),
        ((), None),
    ],
)
def test_plain_tables_are_known_by_their_header(header, columns):
    assert find_columns(header) == columns


@pytest.mark.parametrize(
    "name", ["", "a/b.jpg", "../a.jpg", "/a.jpg", "a\\b.jpg", "C:a.jpg", "..", ".", "a\x00.jpg"]
)
def test_names_that_are_no_file_names(name):
    assert find_fault_of_name(name)


@pytest.mark.parametrize("name", ["a.jpg", "0002cc93b.jpg", "Blech Ü 7.png", "..a.jpg", "a"])
def test_names_that_are_file_names(name):
    assert find_fault_of_name(name) is None
    assert split_name(f"../some\\where/{name}") == name


def test_plain_table_rows():
    table = read_plain_table(b"image,labels\na.jpg, rust | dent \nb.jpg,\n", "t.csv")
    assert [(row.image, [m.class_key for m in row.marks]) for row in table.rows] == [
        ("a.jpg", ["rust", "dent"]),
        ("b.jpg", []),
    ]
    assert not table.unlisted_is_clean


@pytest.mark.parametrize("word", ["clean", "OK", "Good", "no_defect", "no defect", "No-Defect"])
def test_words_for_no_defect_are_no_class(word):
    (row,) = read_plain_table(f"image,labels\na.jpg,{word}\n".encode(), "t.csv").rows
    assert row.marks == ()
    (row,) = read_folders([f"{word}/a.jpg"]).rows
    assert row.marks == ()


@pytest.mark.parametrize("word", ["nan", "NULL", "None", "n/a", "-", "unknown", "?"])
def test_placeholders_label_no_image(word):
    (refused,) = read_plain_table(f"image,labels\na.jpg,{word}\n".encode(), "t.csv").refused
    assert (refused.image, refused.kind) == ("a.jpg", "unknown class")


def test_placeholder_as_a_folder_labels_no_image():
    table = read_folders(["unknown/a.jpg", "rust/b.jpg"])
    assert [row.image for row in table.rows] == ["b.jpg"]
    assert [row.image for row in table.refused] == ["unknown/a.jpg"]


@pytest.mark.parametrize("cell", ["rust;dent", '"rust,dent"', "rust|clean", "rust|nan"])
def test_cell_that_is_no_list_of_labels_is_refused(cell):
    (refused,) = read_plain_table(f"image,labels\na.jpg,{cell}\n".encode(), "t.csv").refused
    assert refused.kind == "unknown class"
    assert (";" in cell or "," in cell) == ("separated by `|`" in refused.reason)


def test_a_blank_between_two_classes_is_refused_and_a_name_of_two_words_is_not():
    text = "image,labels\na.jpg,1 3\nb.jpg,1\nc.jpg,3\nd.jpg,deep scratch\ne.jpg,3|1 4\n"
    table = read_plain_table(text.encode(), "t.csv")
    assert [row.image for row in table.rows] == ["b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    (refused,) = table.refused
    assert (refused.place, refused.image, refused.kind) == ("row 2", "a.jpg", "unknown class")
    assert "`|` separates labels (1|3)" in refused.reason
