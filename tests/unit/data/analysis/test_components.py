"""Components from runs against scipy's labelling of the pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from stripsight.data.analysis.components import find_components, split_at_columns
from stripsight.data.rle import encode_runs

Shape = st.tuples(st.integers(1, 9), st.integers(1, 9))
Masks = st.lists(Shape.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))))


def label_pixels(masks):
    found = []
    for number, mask in enumerate(masks):
        pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
        for piece, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
            area = int((pieces == piece).sum())
            height, width = rows.stop - rows.start, columns.stop - columns.start
            found.append((number, area, columns.start, rows.start, width, height))
    return sorted(found)


def label_runs(masks):
    heights = np.array([len(mask) for mask in masks], np.int64)
    pieces = find_components(split_at_columns([encode_runs(m) for m in masks], heights))
    fields = (pieces.mask, pieces.area, pieces.left, pieces.top, pieces.width, pieces.height)
    return sorted(zip(*(field.tolist() for field in fields), strict=True))


@given(Masks)
def test_pieces_are_those_of_the_pixels(masks):
    assert label_runs(masks) == label_pixels(masks)


def test_a_run_over_three_columns_is_one_piece():
    mask = np.zeros((4, 5), np.uint8)
    mask[2:, 1] = mask[:, 2] = mask[:2, 3] = 1
    assert len(encode_runs(mask)) == 1
    assert label_runs([mask]) == [(0, 8, 1, 0, 3, 4)]


def test_bottom_and_top_of_neighbouring_columns_do_not_touch():
    mask = np.zeros((5, 2), np.uint8)
    mask[4, 0] = mask[0, 1] = 1  # one run in column-major order, two defects in the plane
    assert len(label_runs([mask])) == 2
