"""Counts a class: every one is written, shares are of the row, shades follow them."""

import pytest

from stripsight.reporting.confusion import ClassOutcome, draw_confusion

PLAIN = ClassOutcome("cracks", found=90, missed=10, cleared=980, overkill=20)
REVIEWED = ClassOutcome("spots", 12_345, 1_000_000, 12_568, 7, review_with=3, review_without=99)


def test_every_count_and_its_share_of_the_row_are_written(read_words):
    draw_confusion([PLAIN])
    words = read_words()
    assert [w for w in words if w[0].isdigit()] == [
        *("100 images", "90", "10"),
        *("1,000 images", "20", "980"),
    ]
    assert {"found 90.0 %", "escape 10.0 %", "overkill 2.0 %", "cleared 98.0 %"} <= set(words)
    assert "review" not in words


def test_reviews_get_their_column_where_there_are_any(read_words):
    draw_confusion([PLAIN, REVIEWED])
    words = read_words()
    assert words.count("review") == 1
    assert {"3", "99"} <= set(words)


def test_a_class_without_images_says_no_share(read_words, read_plot):
    read_plot(draw_confusion([ClassOutcome("none", 0, 0, 0, 0)]))
    assert not [word for word in read_words() if "%" in word]


def test_a_larger_share_is_a_darker_cell(read_plot):
    def shade(found: int) -> float:
        pixels = read_plot(draw_confusion([ClassOutcome("c", found, 100 - found, 1, 1)]))
        return float(pixels[110:116, 230:240].mean())

    assert shade(0) == 255
    assert shade(1) > shade(30) > shade(100)


@pytest.mark.parametrize("outcomes", [[PLAIN], [PLAIN, REVIEWED], [REVIEWED] * 30], ids=len)
def test_no_words_touch(find_clashes, outcomes):
    draw_confusion(outcomes)
    assert find_clashes() == []
