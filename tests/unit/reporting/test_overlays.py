import numpy as np
import pytest

from stripsight.reporting.colors import compute_luminance
from stripsight.reporting.overlays import Heat, draw_heatmap, draw_places
from stripsight.reporting.pictures import Outline


def make_case() -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (64, 96)).astype(np.uint8)
    heat = np.zeros((64, 96), np.float32)
    heat[20:40, 30:60] = 1
    return image, heat


def test_what_is_hot_is_lighter_than_all_that_is_not_in_grey_too() -> None:
    image, heat = make_case()
    grey = np.asarray(draw_heatmap(image, Heat(heat, "#0072B2"), width=96).convert("L"))
    assert grey[heat == 1].min() > grey[heat == 0].max()


def test_heat_between_is_light_between() -> None:
    image = np.full((8, 8), 128, np.uint8)
    ramp = np.tile(np.linspace(0, 1, 8, dtype=np.float32), (8, 1))
    grey = np.asarray(draw_heatmap(image, Heat(ramp, "#0072B2"), width=8).convert("L")).astype(int)
    assert (np.diff(grey[0]) > 0).all()
    assert compute_luminance("#ffe078") > compute_luminance("#808080")


def test_a_cold_map_is_seen_where_the_scale_is_lowered() -> None:
    image, heat = make_case()
    cold = np.asarray(draw_heatmap(image, Heat(heat * 0.05, "#0072B2", full=0.05), width=96))
    hot = np.asarray(draw_heatmap(image, Heat(heat, "#0072B2"), width=96))
    np.testing.assert_allclose(cold.astype(int), hot.astype(int), atol=1)


def test_the_line_is_around_what_is_at_the_level() -> None:
    image, heat = make_case()
    plain = np.asarray(draw_heatmap(image, Heat(heat * 0.6, "#FF0000"), width=96)).astype(int)
    lined = np.asarray(draw_heatmap(image, Heat(heat * 0.6, "#FF0000", level=0.6), width=96))
    changed = np.argwhere((plain != lined).any(axis=2))
    assert changed.min(axis=0).tolist() == [16, 26]
    assert changed.max(axis=0).tolist() == [43, 63]
    assert (lined[18, 45] == [255, 0, 0]).all()
    none = np.asarray(draw_heatmap(image, Heat(heat * 0.6, "#FF0000", level=0.61), width=96))
    assert np.array_equal(plain, none)


def test_each_drawing_is_one_picture_of_one_size() -> None:
    image, heat = make_case()
    outline = Outline((heat > 0).astype(np.uint8), "#E69F00", "1")
    drawings = draw_places(image, [outline], [Heat(heat, "#E69F00", "1", 0.5)] * 2, width=192)
    assert [drawing.size for drawing in drawings] == [(192, 128)] * 4
    assert np.array_equal(np.asarray(drawings[0])[..., 0], np.asarray(drawings[0])[..., 2])
    assert not np.array_equal(np.asarray(drawings[0]), np.asarray(drawings[1]))


def test_what_is_no_number_is_cold() -> None:
    image, heat = make_case()
    drawn = draw_heatmap(image, Heat(np.full_like(heat, np.nan), "#E69F00", level=0.5), width=96)
    cold = draw_heatmap(image, Heat(np.zeros_like(heat), "#E69F00"), width=96)
    assert np.array_equal(np.asarray(drawn), np.asarray(cold))


def test_a_heatmap_of_another_size_is_refused() -> None:
    image, heat = make_case()
    with pytest.raises(ValueError, match="one size is expected"):
        draw_heatmap(image, Heat(heat[:8], "#E69F00"), width=96)
