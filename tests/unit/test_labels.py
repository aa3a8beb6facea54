import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.errors import DataError, UnknownClassError
from stripsight.labels import SEVERSTAL, ClassList, DefectClass


def test_severstals_classes():
    assert [c.id for c in SEVERSTAL] == [1, 2, 3, 4]
    assert SEVERSTAL.names == ("defect_1", "defect_2", "defect_3", "defect_4")


words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=64)


@given(st.lists(words, min_size=1, max_size=9, unique=True))
def test_json_form_is_read_back(names):
    classes = ClassList.from_names(names)
    assert ClassList.from_json(classes.to_json()) == classes
    assert [classes.column_of[c.id] for c in classes] == list(range(len(names)))


def test_class_is_found_by_id_or_name():
    classes = ClassList((DefectClass(7, "rust", "Rust"), DefectClass(3, "dent", "Dent")))
    assert classes.find("7").name == classes.find("rust").name == "rust"
    assert classes.column_of == {7: 0, 3: 1}
    with pytest.raises(UnknownClassError, match="did you mean 'rust'"):
        classes.find("rusty")
    with pytest.raises(UnknownClassError, match="known: rust, dent"):
        classes.find("9")


def test_empty_list_and_repeated_ids_or_names_are_refused():
    with pytest.raises(DataError, match="empty"):
        ClassList(())
    with pytest.raises(DataError, match="name 'a' twice"):
        ClassList.from_names(["a", "b", "a"])
    with pytest.raises(DataError, match="id '1' twice"):
        ClassList((DefectClass(1, "a", "a"), DefectClass(1, "b", "b")))


@pytest.mark.parametrize("rows", [[{"id": 1}], [{}], ["x"], [{"id": "x", "name": "", "title": ""}]])
def test_damaged_json_form_is_refused(rows):
    with pytest.raises(DataError, match="damaged"):
        ClassList.from_json(rows)


def test_colours_differ_until_they_repeat():
    colors = [SEVERSTAL.color(column) for column in range(8)]
    assert len(set(colors[:7])) == 7
    assert colors[7] == colors[0]


@pytest.mark.parametrize("names", [("0", "1", "2", "3"), ("10", "9", "2", "1"), ("0", "1", "x")])
def test_name_that_is_a_number_wins_over_every_id(names):
    classes = ClassList.from_names(names)
    assert [classes.find(name).name for name in names] == list(names)


def test_ids_are_not_tried_where_a_name_is_a_number():
    with pytest.raises(UnknownClassError):
        ClassList.from_names(["0", "1", "2", "3"]).find("4")


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\tb", "a\nb", "\ud800", "\u2028"])
def test_name_that_is_none_is_refused_in_one_line(name):
    with pytest.raises(DataError) as caught:
        ClassList.from_names(["rust", name])
    assert str(caught.value).isprintable()


def test_longest_name():
    assert ClassList.from_names(["a" * 64, "\N{GREEK SMALL LETTER ALPHA} 1"]).names[0] == "a" * 64
