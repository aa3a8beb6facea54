import pytest

from stripsight.data.readers.annotation import Box
from stripsight.data.readers.voc import read_voc

BOX = "<bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
OBJECT = f"<object><name>rust</name>{BOX.format(1)}</object>"


def read(content):
    return read_voc(lambda file, limit: content.encode(), ["a.xml"])


def test_object_below_the_root_and_none_at_all():
    (row,) = read(f"<annotation>{OBJECT}</annotation>").rows
    assert row.marks[0].shape == Box(0, 1, 9, 8)
    (clean,) = read("<annotation><!-- none --></annotation>").rows
    assert clean.marks == ()


@pytest.mark.parametrize(
    "inner",
    [
        f"<objects>{OBJECT}</objects>",
        OBJECT.replace("object", "Object"),
        OBJECT.replace("object", "item"),
        OBJECT.replace("object", "item").replace("bndbox", "BndBox"),
        OBJECT.replace("<object>", '<object xmlns="x">'),
        f"{OBJECT}<more>{OBJECT}</more>",
    ],
)
def test_objects_that_are_not_where_voc_has_them_are_no_clean_image(inner):
    table = read(f"<annotation>{inner}</annotation>")
    assert table.rows == ()
    (refused,) = table.refused
    assert refused.image == "a"
    assert "not where VOC has it" in refused.reason


def test_part_of_an_object_may_have_a_box_of_its_own():
    inner = OBJECT.replace("</object>", f"<part><name>x</name>{BOX.format(3)}</part></object>")
    assert len(read(f"<annotation>{inner}</annotation>").rows) == 1


@pytest.mark.parametrize(
    "number", ["1_0", "\N{ARABIC-INDIC DIGIT ONE}", "nan", "inf", "0x1", "1e99"]
)
def test_number_that_voc_never_writes_is_refused(number):
    inner = f"<object><name>rust</name>{BOX.format(number)}</object>"
    (refused,) = read(f"<annotation>{inner}</annotation>").refused
    assert "no number of pixels" in refused.reason
