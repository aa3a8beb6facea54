"""Sizes and places of defects against the drawn pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.analysis.components import split_at_columns
from stripsight.data.analysis.defects import (
    _cover,
    choose_grid,
    count_defects,
    find_defects,
    measure_tiny,
)
from stripsight.data.rle import encode_runs


def block(top, left, height, width, size=(16, 40)):
    mask = np.zeros(size, np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def test_two_blocks_are_two_defects(make_prepared):
    mask = block(0, 0, 4, 6) | block(10, 20, 3, 9)
    dataset = make_prepared([{1: mask}, {}, {2: "box"}, {3: "presence"}, None])
    defects = find_defects(dataset)
    sizes = defects.of_class(1)[["area", "left", "top", "width", "height"]].to_numpy().tolist()
    assert sorted(sizes) == [[24, 0, 0, 6, 4], [27, 20, 10, 9, 3]]
    assert defects.drawn == {1: 1, 2: 1, 3: 0}
    counts = count_defects(dataset, defects)
    assert [c.defects for c in counts] == [2, 1, 0]
    assert counts[0].tiny == 1.0
    assert counts[2].area is None
    assert np.isnan(counts[2].tiny)


def test_coverage_is_the_mean_mask(make_prepared):
    # A grid of the image's own size: every cell is a pixel.
    masks = [block(2, 3, 5, 11), block(4, 8, 9, 20)]
    dataset = make_prepared([{1: m} for m in masks])
    assert choose_grid(dataset) == (16, 40)
    coverage = find_defects(dataset).coverage[1]
    np.testing.assert_allclose(coverage, np.mean(masks, axis=0))


@settings(max_examples=100)
@given(st.data())
def test_cells_hold_the_share_of_their_pixels(data):
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    height, width = rows * data.draw(st.integers(1, 4)), columns * data.draw(st.integers(1, 4))
    seed = data.draw(st.integers(0, 999))
    mask = (np.random.default_rng(seed).random((height, width)) < 0.5).astype(np.uint8)
    runs = split_at_columns([encode_runs(mask)], np.array([height]))
    chosen = np.ones(len(runs.mask), bool)
    covered = _cover(runs, chosen, np.array([height]), np.array([width]), (rows, columns))
    cells = mask.reshape(rows, height // rows, columns, width // columns).mean(axis=(1, 3))
    np.testing.assert_allclose(covered, cells)


@settings(max_examples=100)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 9))
def test_a_full_mask_covers_every_cell_once(height, width, rows, columns):
    rows, columns = min(rows, height), min(columns, width)
    runs = split_at_columns([encode_runs(np.ones((height, width)))], np.array([height]))
    chosen = np.ones(len(runs.mask), bool)
    covered = _cover(runs, chosen, np.array([height]), np.array([width]), (rows, columns))
    np.testing.assert_allclose(covered, 1)


def test_masks_that_cannot_be_read_are_named(make_prepared):
    dataset = make_prepared([{1: block(0, 0, 4, 6)}, {1: block(0, 0, 4, 6)}, {2: "box"}])
    annotations = dataset.annotations.copy()
    annotations.loc[0, "rle"] = "1 99999"
    annotations.loc[1, "rle"] = ""
    defects = find_defects(replace(dataset, annotations=annotations))
    assert [(d.image_id, d.class_id) for d in defects.damaged] == [("000.jpg", 1)]
    assert defects.empty == (("001.jpg", 1),)
    assert len(defects.table) == 1


def test_tiny_is_by_the_shorter_side(make_prepared):
    long = block(0, 0, 16, 7) | block(0, 20, 9, 9)
    table = find_defects(make_prepared([{1: long}])).table
    assert measure_tiny(table) == pytest.approx(0.5)
    assert measure_tiny(table, scale=0.5) == 1.0
    assert measure_tiny(table, scale=2) == 0.0


@pytest.mark.parametrize("size", [(256, 1600), (200, 200), (1, 1), (3, 900), (2000, 4)])
def test_the_grid_has_about_square_cells(make_prepared, size):
    sizes = [(max(4, size[0]), max(4, size[1]))]
    rows, columns = choose_grid(make_prepared([{}], sizes=sizes))
    assert 1 <= rows <= sizes[0][0]
    assert 1 <= columns <= sizes[0][1]
    assert rows * columns <= 8192
    if size == (256, 1600):
        assert (rows, columns) == (16, 100)
