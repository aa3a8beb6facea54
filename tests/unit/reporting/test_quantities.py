import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.reporting.quantities import (
    format_count,
    format_number,
    format_quantity,
    format_share,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12_568, "12,568"), (0.04123, "0.0412"), (1249.7, "1,250"), (2.5, "2.5"), (9, "9")],
)
def test_numbers_have_three_digits_and_no_exponent(value, text):
    assert format_number(value) == text


@given(st.floats(1e-4, 1e7))
def test_a_number_reads_back_to_two_digits(value):
    assert float(format_number(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.0004, "<0.1 %"),
        (0.9996, ">99.9 %"),
        (0.41, "41.0 %"),
        (math.nan, "none"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(share, text):
    assert format_share(share) == text


def test_counts_have_their_noun():
    assert format_quantity(1, "class", "classes") == "1 class"
    assert format_quantity(2, "class", "classes") == "2 classes"
    assert format_quantity(1200, "image") == "1,200 images"
    assert format_count(2.6) == "3"
