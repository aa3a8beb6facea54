import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from stripsight.decision.places import Box, compute_heatmap, find_boxes, upsample_map


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 99),
)
def test_upsampling_is_torchs(shape: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    class_map = np.random.default_rng(seed).normal(0, 5, shape).astype(np.float32)
    expected = F.interpolate(
        torch.from_numpy(class_map)[None, None], size, mode="bilinear", align_corners=False
    )
    upsampled = upsample_map(class_map, size)
    assert upsampled.dtype == np.float32
    np.testing.assert_allclose(upsampled, expected[0, 0].numpy(), rtol=1e-5, atol=1e-5)


def test_a_stack_of_maps_is_each_of_them() -> None:
    maps = np.random.default_rng(0).normal(0, 5, (3, 4, 8, 50)).astype(np.float32)
    stacked = upsample_map(maps, (256, 1600))
    assert stacked.shape == (3, 4, 256, 1600)
    np.testing.assert_array_equal(stacked[2, 1], upsample_map(maps[2, 1], (256, 1600)))


def test_heatmaps_are_probabilities() -> None:
    class_map = np.array([[-1e4, 0, 1e4]], np.float32)
    np.testing.assert_array_equal(compute_heatmap(class_map, (1, 3)), [[0, 0.5, 1]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_marks_nothing(bad: float) -> None:
    class_map = np.array([[5, bad], [5, 5]], np.float32)
    heatmap = compute_heatmap(class_map, (8, 8))
    assert np.isnan(heatmap).any()
    assert all(box.score > 0 for box in find_boxes(heatmap, 0.5))


@given(
    heatmap=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
        elements=st.sampled_from([0.0, 0.2, 0.5, 0.75, 1.0]),
    )
)
def test_boxes_are_scipys_pieces(heatmap: npt.NDArray[np.float32]) -> None:
    pieces, count = ndimage.label(heatmap >= 0.5, structure=np.ones((3, 3)))
    expected = set()
    for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        inside = pieces == number
        box = (columns.start, rows.start, columns.stop, rows.stop)
        expected.add(Box(*box, int(inside.sum()), float(heatmap[inside].max())))
    boxes = find_boxes(heatmap, 0.5)
    assert len(boxes) == count
    assert set(boxes) == expected
    assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)


def test_a_snake_is_one_piece() -> None:
    snake = np.zeros((41, 41))
    snake[::2] = 1
    snake[1::4, -1] = 1
    snake[3::4, 0] = 1
    assert [(b.left, b.top, b.right, b.bottom) for b in find_boxes(snake, 0.5)] == [(0, 0, 41, 41)]


def test_noise_of_a_whole_strip_is_boxed_as_scipy_boxes_it() -> None:
    noise = np.random.default_rng(0).random((256, 1600))
    _, count = ndimage.label(noise >= 0.8, structure=np.ones((3, 3)))
    assert len(find_boxes(noise, 0.8)) == count


def test_what_is_no_number_is_in_no_box() -> None:
    heatmap = np.full((4, 4), np.nan)
    assert find_boxes(heatmap, 0.0) == ()
    heatmap[1, 1] = 0.9
    assert find_boxes(heatmap, 0.5) == (Box(1, 1, 2, 2, 1, 0.9),)


def test_nothing_hot_is_no_box_and_a_stack_is_refused() -> None:
    assert find_boxes(np.zeros((5, 5)), 0.5) == ()
    with pytest.raises(ValueError, match=r"\[H, W\] is expected"):
        find_boxes(np.zeros((1, 5, 5)), 0.5)
