import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stripsight.data.rle import (
    decode_mask,
    encode_box,
    encode_mask,
    encode_runs,
    format_runs,
    parse_runs,
    union_runs,
)
from stripsight.errors import RunLengthError

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def decode_by_definition(text, height, width):
    """Kaggle's words, pixel by pixel: counted down the columns, from 1."""
    mask = np.zeros((height, width), dtype=np.uint8)
    values = [int(word) for word in text.split()]
    for start, length in zip(values[::2], values[1::2], strict=True):
        for pixel in range(start, start + length):
            mask[(pixel - 1) % height, (pixel - 1) // height] = 1
    return mask


@given(masks)
def test_decoding_gives_back_what_was_encoded(mask):
    text = encode_mask(mask)
    assert np.array_equal(decode_mask(text, *mask.shape), mask)
    assert np.array_equal(decode_by_definition(text, *mask.shape), mask)


@given(masks.filter(np.any))
def test_formatting_parsed_runs_gives_back_the_text(mask):
    text = encode_mask(mask)
    runs, changed = parse_runs(text, *mask.shape)
    assert format_runs(runs) == text
    assert not changed
    assert np.array_equal(runs, encode_runs(mask))


def test_kaggles_own_example():
    # "1 3 10 5": pixels 1, 2, 3 and 10 to 14, from the competition's page.
    mask = decode_mask("1 3 10 5", 4, 5)
    assert np.flatnonzero(mask.ravel(order="F")).tolist() == [0, 1, 2, 9, 10, 11, 12, 13]


any_runs = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 10)), min_size=1, max_size=8)


@given(any_runs)
def test_repair_is_the_union_of_the_runs(runs):
    text = " ".join(f"{start} {length}" for start, length in runs)
    repaired, _ = parse_runs(text, 10, 10, repair=True)
    assert np.array_equal(
        decode_by_definition(format_runs(repaired), 10, 10), decode_by_definition(text, 10, 10)
    )
    assert (np.diff(repaired[:, 0]) >= repaired[:-1, 1]).all()


@given(any_runs)
def test_repair_is_needed_exactly_where_strict_parsing_refuses(runs):
    text = " ".join(f"{start} {length}" for start, length in runs)
    _, changed = parse_runs(text, 10, 10, repair=True)
    try:
        parse_runs(text, 10, 10)
    except RunLengthError:
        assert changed
    else:
        assert not changed


@given(masks, masks)
def test_union_of_runs_is_the_union_of_the_masks(one, two):
    height, width = np.maximum(one.shape, two.shape)
    padded = [np.pad(m, [(0, height - m.shape[0]), (0, width - m.shape[1])]) for m in (one, two)]
    union = union_runs([encode_runs(m) for m in padded])
    assert np.array_equal(union, encode_runs(padded[0] | padded[1]))


def test_union_of_nothing_has_no_run():
    assert union_runs([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "must come in pairs"),
        ("1", "must come in pairs"),
        ("5 0", "run 1 has length 0"),
        ("1 2 5 0", "run 2 has length 0"),
        ("1 -2", "'-2' is not a positive whole number"),
        ("-1 2", "not a positive whole number"),
        ("0 2", "run 1 starts at 0"),
        ("1.5 2", "not a positive whole number"),
        ("1e3 2", "not a positive whole number"),
        ("a b", "not a positive whole number"),
        ("1,2", "not a positive whole number"),
        ("\u0661 2", "not a positive whole number"),
        ("", "no run"),
        ("   ", "no run"),
        ("20 2", "run 1 ends at pixel 21, but a 4x5 image has 20"),
        ("21 1", "ends at pixel 21"),
        (f"1 {10**30}", "lies beyond any image"),
        (f"{10**30} 1", "lies beyond any image"),
        (f"{10**18 - 1} {10**18 - 1}", "ends at pixel"),
        ("9" * 10**6, "lies beyond any image"),
        ("1 " * 10**5 + "x", "not a positive whole number"),
        ("1 3 2 1", "run 2 starts before the one ahead of it ends"),
        ("10 1 5 1", "run 2 starts before"),
        ("1 3 1 3", "run 2 starts before"),
    ],
)
def test_what_describes_no_mask_is_refused(text, message):
    with pytest.raises(RunLengthError, match=message) as caught:
        parse_runs(text, 5, 4)
    assert len(str(caught.value)) < 200


def test_repair_does_not_move_runs_into_the_image():
    with pytest.raises(RunLengthError, match="ends at pixel 21"):
        parse_runs("20 2 1 1", 5, 4, repair=True)


def test_runs_that_touch_are_accepted():
    runs, changed = parse_runs("1 5 6 5", 5, 4)
    assert runs.tolist() == [[0, 5], [5, 5]]
    assert not changed


def test_empty_text_decodes_to_an_empty_mask():
    assert not decode_mask("", 3, 4).any()
    assert decode_mask(" ", 3, 4).shape == (3, 4)


@given(st.integers(0, 5), st.integers(1, 6), st.integers(0, 7), st.integers(1, 8))
def test_box_is_the_filled_rectangle(left, width, top, height):
    mask = np.zeros((16, 12), dtype=np.uint8)
    mask[top : top + height, left : left + width] = 1
    text = encode_box(left, top, left + width, top + height, 16)
    assert np.array_equal(decode_by_definition(text, 16, 12), mask)
