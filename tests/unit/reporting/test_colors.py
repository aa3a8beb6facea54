import pytest

from stripsight.labels import ClassList
from stripsight.reporting.colors import INK, MUTED, choose_ink, compute_contrast


def test_contrast_of_known_pairs():
    # WCAG 2.2: black on white is 21 to 1; #767676 is the lightest grey with 4.5 to 1 on white.
    assert compute_contrast("#000000", "#ffffff") == pytest.approx(21)
    assert compute_contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_ink_is_readable_on_every_class_colour():
    classes = ClassList.from_names([str(n) for n in range(7)])
    for column in range(7):
        color = classes.color(column)
        assert compute_contrast(choose_ink(color), color) >= 4.5
    assert compute_contrast(MUTED, "#ffffff") >= 4.5
    assert compute_contrast(INK, "#ffffff") >= 7
