"""The sheet: out, through what spreadsheets do to it, and back; and whether its decisions fit."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.data.audit.confident_learning import Audit, ClassAudit, Suspect
from stripsight.data.audit.sheet import COLUMNS, format_sheet
from stripsight.data.reviews.sheet import (
    check_version,
    judge_sheet,
    name_version,
    neutralise_cell,
    read_sheet,
    restore_cell,
)
from stripsight.errors import DataError
from stripsight.labels import SEVERSTAL, ClassList, DefectClass

HASH = "0e" * 32
CLASSES = tuple(
    ClassAudit(name, 40, 20, (0.9, 0.8), ((19, 1), (1, 19)), 1, 1, None)
    for name in ("scratch", "=1+1", "Öl; fleck")
)
SUSPECTS = (
    Suspect("000.jpg", 0, True, 0.02, 0.02),
    Suspect("=cmd|' /C calc'!A0.jpg", 1, False, 0.97, 0.03),
    Suspect("Blech Ä, 7.jpg", 2, False, 0.9, 0.1),
    Suspect("'-apostrophe.jpg", 0, True, 0.1, 0.1),
)
IMAGES = pd.DataFrame(
    {"id": [s.image for s in SUSPECTS], "duplicate_group": [1, 2, 1, 3]},
)
EXPECTED = [
    (2, "000.jpg", "scratch", "remove"),
    (3, "=cmd|' /C calc'!A0.jpg", "=1+1", "keep"),
    (4, "Blech Ä, 7.jpg", "Öl; fleck", "add"),
    (5, "'-apostrophe.jpg", "scratch", ""),
]


@pytest.fixture
def filled():
    """The rows of a written sheet with decisions, as a list of dicts."""
    text = format_sheet(Audit(CLASSES, SUSPECTS), IMAGES, HASH).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row, decision in zip(rows, ("remove", "Keep ", "ADD", ""), strict=True):
        row["decision"] = decision
    return rows


def write(rows, columns=COLUMNS, *, encoding="utf-8-sig", ends="\r\n", **options):
    table = io.StringIO(newline="")
    writer = csv.DictWriter(
        table, columns, extrasaction="ignore", restval="x", lineterminator=ends, **options
    )
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue().encode(encoding)


def read(data):
    return [(row.number, row.image, row.class_name, row.decision) for row in read_sheet(data)]


def test_the_sheet_is_what_a_spreadsheet_opens_rightly():
    data = format_sheet(Audit(CLASSES, SUSPECTS), IMAGES, HASH)
    assert data.startswith(b"\xef\xbb\xbfnumber,image,class,given label,suggested label,")
    assert data.count(b"\r\n") == data.count(b"\n") == 5
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r"))]
    assert rows[1] == [
        "1", "000.jpg", "scratch", "present", "absent", "0.0200", "0.8000",
        "look-alike of number 3", "", "labels-0e0e0e0e0e0e0e0e",
    ]  # fmt: skip
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    assert [row[7] for row in rows[2:]] == ["", "look-alike of number 1", ""]
    assert rows[2][6] == "0.1000"  # of images without the label: 1 - 0.9


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"ends": "\n", "encoding": "utf-8"},
        {"delimiter": ";"},
        {"delimiter": ";", "encoding": "cp1252"},
        {"delimiter": "\t", "encoding": "utf-16"},
        {"delimiter": "\t", "encoding": "utf-16-le"},
        {"delimiter": ";", "encoding": "utf-16-be"},
        {"quoting": csv.QUOTE_ALL},
        {"columns": ["my note", *reversed(COLUMNS), "and another"]},
        {"columns": ["decision", "labels version", "class", "image"]},
        {"columns": COLUMNS, "quoting": csv.QUOTE_ALL, "delimiter": ";", "encoding": "utf-8"},
    ],
    ids=repr,
)
def test_it_comes_back_whatever_a_spreadsheet_made_of_it(filled, form):
    assert read(write(filled, **form)) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\r\n', "sep=;;;;\n", "SEP=;\n"])
def test_excels_line_of_the_separator_is_no_row(filled, line, encoding):
    text = write(filled, delimiter=";", encoding="utf-8").decode()
    assert read((line + text).encode(encoding)) == EXPECTED


def test_utf_16_cut_off_in_a_letter_is_refused_in_one_line(filled):
    with pytest.raises(DataError, match="it is no text: save it as CSV"):
        read_sheet(write(filled, encoding="utf-16-le")[:-1])


def test_blank_rows_comments_and_freed_formulas_do_no_harm(filled):
    text = write(filled).decode("utf-8-sig")
    lines = text.splitlines()
    lines[0] = lines[0].replace("image", " Image ") + ",,"
    lines[1] += ",looked twice,"
    lines.insert(2, "," * 10)
    lines = [line if i in (0, 1, 2) else line + ",," for i, line in enumerate(lines)]
    lines[3] = lines[3].replace("'=cmd", "=cmd")  # retyped in Excel: the apostrophe is not saved
    assert read("\r\n".join([*lines, "", ""]).encode()) == [
        (n + (n > 2), *rest) for n, *rest in EXPECTED
    ]


@given(st.text())
def test_a_neutralised_cell_is_no_formula_and_comes_back(cell):
    written = neutralise_cell(cell)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert restore_cell(written) == cell


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "lacks the column 'image'"),
        (b"image,class,decision\n", "lacks the column 'labels version'"),
        (b"image,class,decision,decision,labels version\n", "'decision' is there twice"),
        (b"image,class,decision,labels version\na,b,c\n", "row 2 has 3 cells, the header has 4"),
        (b"image,class,decision,labels version\na,b,c,d,e\n", "row 2 has 5 cells"),
        (b'image,class,decision,labels version\na,b,c,"d\n', "cannot be read"),
        (b"\x89PNG\r\n\x1a\n\x00\x81\x8d", "is no text"),
        (b"\xff\xfe\x00", "is no text"),
        (b"PK\x03\x04 an xlsx file", "is a workbook, not CSV"),
    ],
)
def test_what_is_no_sheet_is_refused(data, reason):
    with pytest.raises(DataError, match=reason):
        read_sheet(data)


@pytest.fixture
def dataset(make_prepared):
    mask = np.ones((16, 40), np.uint8)
    return make_prepared([{1: mask, 2: "presence"}, {}, {3: "box"}, None])


def sheet(dataset, *rows, version=None):
    version = version or name_version(dataset.content_hash())
    lines = ["image,class,decision,labels version"]
    lines += [f"{image},{name},{decision},{version}" for image, name, decision in rows]
    return read_sheet("\n".join(lines).encode())


def test_decisions_that_fit(dataset):
    decided = judge_sheet(
        sheet(
            dataset,
            ("000.jpg", "scratch", "remove"),
            ("000.jpg", "pit", "keep"),
            ("000.jpg", "3", "add"),
            ("001.jpg", "pit", ""),
            ("002.jpg", "", "drop-image"),
            ("002.jpg", "stain", "drop-image"),
        ),
        dataset,
    )
    assert decided.faults == ()
    assert decided.undecided == 1
    assert [(c.image, c.class_name, c.was, c.now, c.row) for c in decided.changes] == [
        ("000.jpg", "scratch", "mask", "none", 2),
        ("000.jpg", "pit", "presence", "presence", 3),
        ("000.jpg", "stain", "none", "presence", 4),
        ("002.jpg", None, "labelled", "left out", 6),
    ]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("1", "defect_1"), ("class 1", "defect_1"), ("Class2", "defect_2"),
        ("scratches/cracks", "defect_1"), ("Surface Defects", "defect_2"), ("DEFECT_4", "defect_4"),
    ],
)  # fmt: skip
def test_a_class_may_go_by_its_id_or_title(dataset, word, name):
    named = replace(dataset, classes=SEVERSTAL)
    (change,) = judge_sheet(sheet(named, ("001.jpg", word, "keep")), named).changes
    assert change.class_name == name


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("rust", "class 'rust' may be a or b: write one of them"),
        ("class 1", "class 'class 1' may be a or 1: write one of them"),
        ("class 7", "class 'class 7' is not in the class list; known: a, b, 1"),
    ],
)
def test_a_class_that_may_be_either_is_refused_with_the_right_words(dataset, word, reason):
    classes = (DefectClass(1, "a", "rust"), DefectClass(2, "b", "Rust"), DefectClass(3, "1", "x"))
    named = replace(dataset, classes=ClassList(classes))
    assert judge_sheet(sheet(named, ("001.jpg", word, "keep")), named).faults == (
        f"row 2: {reason}",
    )


def test_every_row_that_does_not_fit_is_named(dataset):
    decided = judge_sheet(
        sheet(
            dataset,
            ("009.jpg", "pit", "add"),
            ("000.jpg", "scrach", "remove"),
            ("003.jpg", "pit", "add"),
            ("001.jpg", "pit", "remove"),
            ("002.jpg", "stain", "add"),
            ("000.jpg", "pit", "delete"),
            ("000.jpg", "pit", "remove"),
            ("001.jpg", "stain", "drop-imge"),
            ("002.jpg", "pit", "add"),
            ("002.jpg", "scratch", "drop-image"),
            ("000.jpg", "", "remove"),
        ),
        dataset,
    )
    assert decided.faults == (
        "row 2: image '009.jpg' is not in the data set",
        "row 3: class 'scrach' is not in the class list; did you mean 'scratch'?",
        "row 4: image '003.jpg' has no known labels",
        "row 5: image '001.jpg' does not carry 'pit': nothing to remove",
        "row 6: image '002.jpg' carries 'stain' already: nothing to add",
        "row 7: decision 'delete' is unknown; choose keep, remove, add, drop-image",
        "row 8: image '000.jpg', class 'pit' is in row 7 too",
        "row 9: decision 'drop-imge' is unknown; did you mean 'drop-image'?",
        "row 10: 'add' for image '002.jpg', which row 11 drops",
        "row 12: class '' is not in the class list; known: scratch, pit, stain",
    )


def test_a_sheet_of_other_labels_is_refused(dataset):
    check_version(sheet(dataset, ("001.jpg", "pit", "add")), dataset)
    other = sheet(dataset, ("001.jpg", "pit", "add"), version=name_version(HASH))
    with pytest.raises(DataError, match=r"row 2 is about labels-0e0e0e0e0e0e0e0e, .* audit again"):
        check_version(other, dataset)
    with pytest.raises(DataError, match="no row names the labels version"):
        check_version(sheet(dataset, ("001.jpg", "pit", "add"), version=" "), dataset)
