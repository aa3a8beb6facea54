import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from stripsight.data.readers.annotation import Bitmap, Box, Polygon, RunLengths
from stripsight.data.readers.shapes import draw_shape
from stripsight.data.rle import decode_mask, encode_runs, format_runs
from stripsight.errors import RunLengthError

HEIGHT, WIDTH = 14, 11
small_masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)).filter(np.any)


def pack(mask, mode):
    picture = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).convert(mode)
    if mode in {"RGBA", "LA"}:
        picture.putalpha(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return base64.b64encode(zlib.compress(stream.getvalue())).decode()


def paint(drawn):
    return decode_mask(format_runs(drawn.runs), HEIGHT, WIDTH)


@given(small_masks, st.integers(0, 5), st.integers(0, 2), st.sampled_from(["1", "L", "P", "RGBA"]))
def test_bitmap_is_pasted_at_its_origin(mask, y, x, mode):
    expected = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    expected[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    drawn = draw_shape(Bitmap(x, y, pack(mask, mode)), HEIGHT, WIDTH)
    assert np.array_equal(paint(drawn), expected)
    assert np.array_equal(drawn.runs, encode_runs(expected))


def test_any_non_zero_pixel_of_a_bitmap_is_mask():
    mask = np.array([[1, 0], [0, 255]], dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    data = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    assert paint(draw_shape(Bitmap(0, 0, data), HEIGHT, WIDTH)).sum() == 2


def test_bitmap_that_claims_a_vast_picture_is_refused_unread():
    stream = io.BytesIO()
    Image.new("1", (1, 1)).save(stream, "PNG")
    png = bytearray(stream.getvalue())
    png[16:24] = struct.pack(">II", 30_000, 30_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    data = base64.b64encode(zlib.compress(png)).decode()
    with pytest.raises(RunLengthError, match="claims 30000x30000 pixels"):
        draw_shape(Bitmap(0, 0, data), HEIGHT, WIDTH)


@given(*[st.integers(-4, 18)] * 4)
def test_box_is_clipped_to_the_image(left, top, right, bottom):
    expected = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    expected[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
    if not expected.any():
        with pytest.raises(RunLengthError, match=r"no area|outside"):
            draw_shape(Box(left, top, right, bottom), HEIGHT, WIDTH)
        return
    drawn = draw_shape(Box(left, top, right, bottom), HEIGHT, WIDTH)
    assert np.array_equal(paint(drawn), expected)
    assert drawn.kind == "box"
    inside = left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT
    assert drawn.clipped is not inside


def test_polygon_over_the_edge_is_clipped_and_counted():
    outline = ((-3.0, 2.0), (4.0, 2.0), (4.0, 6.0), (-3.0, 6.0))
    drawn = draw_shape(Polygon(outline), HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    expected[2:7, :5] = 1
    assert np.array_equal(paint(drawn), expected)
    assert drawn.clipped


@pytest.mark.parametrize(
    "outline",
    [
        ((1.0, 1.0), (2.0, 2.0)),
        ((50.0, 50.0), (60.0, 50.0), (60.0, 60.0)),
        ((1e8, 1.0), (1e8, 5.0), (2e8, 5.0)),
        ((float("nan"), 1.0), (2.0, 2.0), (3.0, 1.0)),
    ],
)
def test_polygon_without_a_pixel_in_the_image_is_refused(outline):
    with pytest.raises(RunLengthError, match="polygon"):
        draw_shape(Polygon(outline), HEIGHT, WIDTH)


def test_runs_keep_what_repair_did():
    assert draw_shape(RunLengths("5 2 1 2"), HEIGHT, WIDTH, repair=True).repaired
    assert not draw_shape(RunLengths("1 2 5 2"), HEIGHT, WIDTH, repair=True).repaired
