import pytest

from stripsight.data.prepare import choose_classes, parse_classes
from stripsight.data.readers.annotation import RefusedRow, SourceMark, SourceRow, SourceTable
from stripsight.errors import DataError, UsageError
from stripsight.labels import SEVERSTAL, ClassList


def make_table(*keys):
    rows = [SourceRow("t", f"row {i}", "a.jpg", (SourceMark(k, None),)) for i, k in enumerate(keys)]
    return SourceTable(tuple(rows))


@pytest.mark.parametrize(
    ("form", "keys", "expected"),
    [
        ("kaggle", ("1", "3"), SEVERSTAL),
        ("kaggle-old", ("1", "2", "3", "4"), SEVERSTAL),
        ("supervisely", ("defect_2",), SEVERSTAL),
        # A stray key beside Severstal's must be refused later, not become a class.
        ("kaggle", ("1", "7"), SEVERSTAL),
        ("supervisely", ("defect_1", "defect_9"), SEVERSTAL),
        ("supervisely", ("rust", "dent"), ClassList.from_names(["dent", "rust"])),
        ("csv", ("defect_1",), ClassList.from_names(["defect_1"])),
        ("voc", ("b", "a", "b"), ClassList.from_names(["a", "b"])),
    ],
)
def test_class_list_by_form_and_keys(form, keys, expected):
    assert choose_classes(form, make_table(*keys), None)[0] == expected


def test_numbers_are_sorted_as_numbers_and_stay_ids():
    classes, _ = choose_classes("csv", make_table("10", "9"), None)
    assert [(c.id, c.name) for c in classes] == [(9, "class_9"), (10, "class_10")]


def test_stated_classes_win_and_no_class_is_an_error():
    stated = ClassList.from_names(["x"])
    assert choose_classes("kaggle", make_table("1"), stated) == (stated, "as stated")
    with pytest.raises(DataError, match="--classes"):
        choose_classes("csv", make_table(), None)


def test_classes_from_the_command_line_or_a_file(tmp_path):
    assert parse_classes("b, a").names == ("b", "a")
    (tmp_path / "names").write_text("b\n\n a \n")
    assert parse_classes(str(tmp_path / "names")).names == ("b", "a")
    many = [f"class {i}" for i in range(100)]
    assert parse_classes(",".join(many)).names == tuple(many)
    with pytest.raises(UsageError, match="names no class"):
        parse_classes(" , ")
    with pytest.raises(DataError, match="twice"):
        parse_classes("a,a")


@pytest.mark.parametrize("key", ["9" * 5000, "99999999999", "a\nb"])
def test_key_that_no_class_may_have_is_an_error(key):
    table = SourceTable((), class_keys=frozenset({key, "1"}))
    with pytest.raises(DataError, match=r"too large|at most 64|control characters"):
        choose_classes("csv", table, None)


def test_where_every_row_is_refused_the_first_reason_is_named():
    refused = RefusedRow("t.csv", "row 2", "a.jpg", "unknown class", "no label in 'nan'")
    with pytest.raises(DataError, match=r"t\.csv, row 2: no label in 'nan'"):
        choose_classes("csv", SourceTable((), (refused,)), None)
