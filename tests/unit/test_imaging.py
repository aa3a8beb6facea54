import io
import re
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import suppress

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from stripsight.errors import ImageError
from stripsight.imaging import (
    ImageLimits,
    decode_grey,
    find_suspicion,
    read_grey,
    read_header,
    read_image_bytes,
)


def make_pixels(height=64, width=96, seed=0):
    noise = np.random.default_rng(seed).normal(0, 12, (height, width))
    ramp = np.linspace(40, 200, width)[None, :]
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def encode(pixels, form="JPEG", mode=None, **options):
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, form, **options)
    return stream.getvalue()


def png_chunk(kind, body):
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def make_png(width, height, bit_depth, color_type, packed):
    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_grey_jpeg_equals_pillows_decoder(mode, options):
    data = encode(make_pixels(), mode=mode, quality=90, **options)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(int)
    # Three equal channels go through chroma and back in Pillow: one step of rounding.
    assert np.abs(decode_grey(data).astype(int) - reference).max() <= (mode == "RGB")


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA"])
def test_png_is_lossless_whatever_its_mode(mode):
    pixels = make_pixels()
    assert np.array_equal(decode_grey(encode(pixels, "PNG", mode)), pixels)


def test_one_bit_png_becomes_black_and_white():
    mask = make_pixels() > 100
    assert np.array_equal(decode_grey(encode(mask, "PNG")), mask * np.uint8(255))


def test_unequal_channels_become_bt601_luma():
    rgb = np.random.default_rng(1).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode_grey(encode(rgb, "PNG")) - luma).max() <= 1
    smooth = np.stack([make_pixels(seed=s) // 2 + 20 * s for s in range(3)], axis=2)
    jpeg = encode(smooth, quality=100, subsampling=0)
    assert np.abs(decode_grey(jpeg) - smooth @ np.array([0.299, 0.587, 0.114])).max() <= 4


def test_result_is_a_fresh_contiguous_array():
    image = decode_grey(encode(make_pixels()))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"not an image at all", "not a readable JPEG or PNG"),
        (b"\0" * 5000, "not a readable JPEG or PNG"),
        (encode(make_pixels(), "GIF"), "not a readable JPEG or PNG"),
        (encode(make_pixels(), "BMP"), "not a readable JPEG or PNG"),
        (encode(make_pixels(), "TIFF"), "not a readable JPEG or PNG"),
        (encode(make_pixels(), "WEBP"), "not a readable JPEG or PNG"),
        (encode(make_pixels(), mode="CMYK"), "CMYK"),
        (encode(make_pixels().astype(np.uint16) * 200, "PNG"), "16-bit"),
        (encode(make_pixels(), "PNG", "RGBA", transparency=None)[:33], "damaged|not a readable"),
    ],
)
def test_what_is_no_picture_of_ours_is_refused(data, message):
    with pytest.raises(ImageError, match=message):
        decode_grey(data)


def test_sixteen_bit_colour_png_is_refused_although_pillow_opens_it_as_eight():
    raw = b"".join(b"\0" + bytes(6 * 8) for _ in range(8))
    with pytest.raises(ImageError, match="16-bit"):
        decode_grey(make_png(8, 8, 16, 2, zlib.compress(raw)))


def test_transparency_is_refused_and_opaque_alpha_is_not():
    rgba = np.dstack([make_pixels()] * 3 + [np.full((64, 96), 255, np.uint8)])
    assert np.array_equal(decode_grey(encode(rgba, "PNG")), rgba[..., 0])
    rgba[3, 5, 3] = 254
    with pytest.raises(ImageError, match="transparent"):
        decode_grey(encode(rgba, "PNG"))


def test_transparent_palette_entry_in_use_is_refused():
    data = encode(make_pixels() // 64, "PNG", "P", transparency=1)
    with pytest.raises(ImageError, match="transparent"):
        decode_grey(data)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_exif_orientation_is_refused(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(make_pixels(), form, exif=exif)
    assert ImageOps.exif_transpose(Image.open(io.BytesIO(data))) is not None
    with pytest.raises(ImageError, match=f"EXIF orientation {orientation}"):
        decode_grey(data)


def test_png_orientation_behind_the_pixels_is_refused():
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = encode(make_pixels(), "PNG")
    chunk = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    with pytest.raises(ImageError, match="EXIF orientation 6"):
        decode_grey(plain[:-12] + chunk + plain[-12:])


def test_upright_and_unreadable_exif_are_accepted():
    exif = Image.Exif()
    exif[0x0112] = 1
    assert decode_grey(encode(make_pixels(), exif=exif)).shape == (64, 96)
    assert decode_grey(encode(make_pixels(), exif=b"Exif\0\0garbage")).shape == (64, 96)


def test_expected_size_is_height_then_width():
    data = encode(make_pixels(64, 96))
    assert decode_grey(data, expected_size=(64, 96)).shape == (64, 96)
    with pytest.raises(ImageError, match="96x64 pixels: 64x96 is expected"):
        decode_grey(data, expected_size=(96, 64))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_every_truncation_is_refused(form):
    data = encode(make_pixels(), form, quality=90)
    lengths = [*range(1, len(data), max(1, len(data) // 60)), *range(len(data) - 14, len(data))]
    for length in lengths:
        with pytest.raises(ImageError):
            decode_grey(data[:length])


def test_palette_png_without_its_palette_is_refused():
    header = b"IHDR", struct.pack(">IIBBBBB", 30, 20, 8, 3, 0, 0, 0)
    with pytest.raises(ImageError, match="palette is missing"):
        decode_grey(pack_png(header, (b"IDAT", PACKED)))
    palette = b"PLTE", bytes(value for level in range(256) for value in (level,) * 3)
    expected = np.frombuffer(RAW, np.uint8).reshape(20, 31)[:, 1:]
    assert np.array_equal(decode_grey(pack_png(header, palette, (b"IDAT", PACKED))), expected)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_zeroed_sector_is_refused(form, share):
    data = bytearray(encode(make_pixels(256, 512), form, quality=90))
    start = int(len(data) * share)
    data[start : start + 512] = bytes(512)
    with pytest.raises(ImageError):
        decode_grey(bytes(data))


def test_short_zeroed_stretch_that_libjpeg_passes_over_is_refused():
    data = bytearray(encode(make_pixels(256, 512), quality=90))
    start = int(len(data) * 0.4)
    data[start : start + 128] = bytes(128)
    # What makes our own search necessary: strict decoding says nothing.
    assert simplejpeg.decode_jpeg(bytes(data), colorspace="GRAY", strict=True).shape == (
        256,
        512,
        1,
    )
    with pytest.raises(ImageError, match="a stretch of the image data is zero bytes"):
        decode_grey(bytes(data))


@pytest.mark.parametrize("planted", [b"\xff\xda", b"\xff\xc2", encode(make_pixels(16, 16))])
@pytest.mark.parametrize("place", ["comment", "exif"])
def test_marker_inside_a_segment_hides_no_zeroed_stretch(place, planted):
    content = b"Exif\0\0" + planted if place == "exif" else planted
    whole = encode(make_pixels(256, 512), quality=90, **{place: content})
    assert decode_grey(whole).shape == (256, 512)
    damaged = bytearray(whole)
    start = int(len(whole) * 0.6)
    damaged[start : start + 128] = bytes(128)
    with pytest.raises(ImageError, match="a stretch of the image data is zero bytes"):
        decode_grey(bytes(damaged))


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}])
def test_zero_bytes_behind_the_end_or_in_a_segment_are_no_damage(options):
    data = encode(make_pixels(), quality=90, comment=bytes(600), **options)
    assert np.array_equal(decode_grey(data + bytes(4096)), decode_grey(data))


def test_zeroed_stretch_of_a_progressive_jpeg_is_refused_but_in_its_dc_refinement():
    data = encode(make_pixels(256, 512), quality=90, progressive=True)
    scans = [match.start() for match in re.finditer(rb"\xff\xda", data)]
    refused = []
    for scan in scans:
        end = re.compile(rb"\xff[^\0]").search(data, scan + 10).start()
        if end - scan < 200:
            continue
        damaged = bytearray(data)
        damaged[end - 150 : end - 10] = bytes(140)
        try:
            decode_grey(bytes(damaged))
        except ImageError:
            refused.append(scan)
        else:
            assert data[scan + 7] == 0
            assert data[scan + 9] >> 4 > 0
    assert len(refused) >= 4


def test_zeroed_stretch_of_a_progressive_jpeg_that_libjpeg_passes_over_is_refused():
    data = encode(make_pixels(256, 512), quality=90, progressive=True)
    passed_over = 0
    for start in range(len(data) // 2, len(data) - 600, 997):
        damaged = data[:start] + bytes(512) + data[start + 512 :]
        with suppress(ValueError):
            simplejpeg.decode_jpeg(damaged, colorspace="GRAY", strict=True)
            passed_over += 1
        with pytest.raises(ImageError):
            decode_grey(damaged)
    assert passed_over > 0


def test_progressive_strip_with_a_black_border_is_no_damage():
    pixels = make_pixels(256, 1600)
    pixels[:, 300:] = 0
    for quality in (50, 75, 95):
        data = encode(pixels, quality=quality, progressive=True)
        assert decode_grey(data)[:, 320:].max() <= 8


@pytest.mark.real_data
def test_progressive_copies_of_real_strips_are_accepted(real_data):
    for path in sorted((real_data / "severstal_sample" / "train_images").glob("*.jpg"))[:20]:
        pixels = read_grey(path)
        for mode in ("L", "RGB"):
            decode_grey(encode(pixels, mode=mode, quality=75, progressive=True))


def test_png_with_a_wrong_checksum_or_without_its_end_is_refused():
    data = bytearray(encode(make_pixels(), "PNG"))
    with pytest.raises(ImageError, match="cut off"):
        decode_grey(bytes(data[:-12]))
    data[-13] ^= 1
    with pytest.raises(ImageError, match="chunk 'IDAT' has changed"):
        decode_grey(bytes(data))


def pack_png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*c) for c in (*chunks, (b"IEND", b"")))


def grey_header(width, height, depth=8):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)


RAW = b"".join(b"\0" + row.tobytes() for row in make_pixels(20, 30))
PACKED = zlib.compress(RAW)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (zlib.compress(RAW[:310]), "310 bytes of pixels, its header means 620"),
        (zlib.compress(RAW[:-1]), "619 bytes"),
        (zlib.compress(RAW + b"\0"), "more bytes of pixels, its header means 620"),
        (zlib.compress(bytes(10**8)), "more bytes"),
        (zlib.compress(b""), "0 bytes"),
        (PACKED[:-4], "the end of its pixel data is missing"),
        (PACKED[:-4] + b"abcd", "incorrect data check"),
        (PACKED[:200], "bytes of pixels"),
    ],
)
def test_png_whose_pixel_data_do_not_fit_its_header_is_refused(packed, message):
    with pytest.raises(ImageError, match=message):
        decode_grey(make_png(30, 20, 8, 0, packed))


@pytest.mark.parametrize("size", [(30, 20), (300, 200), (16_000, 4_000)])
def test_png_with_a_second_header_is_refused(size):
    data = pack_png(grey_header(30, 20), grey_header(*size), (b"IDAT", PACKED))
    with pytest.raises(ImageError, match="must begin with its header and have only one"):
        decode_grey(data)


def test_png_whose_header_is_not_first_is_refused():
    data = pack_png((b"tEXt", b"a\0b"), grey_header(30, 20), (b"IDAT", PACKED))
    with pytest.raises(ImageError, match="begin with its header"):
        decode_grey(data)


def test_png_in_many_pieces_and_with_bytes_behind_its_stream_is_whole():
    pieces = [(b"IDAT", PACKED[i : i + 7]) for i in range(0, len(PACKED), 7)]
    whole = pack_png(grey_header(30, 20), *pieces, (b"IDAT", b""), (b"IDAT", b"behind"))
    assert np.array_equal(decode_grey(whole + bytes(99)), make_pixels(20, 30))


def pack_interlaced(pixels, depth):
    """Adam7 by its table in PNG 8.2, as one string of pass numbers a row of 8 by 8."""
    table = [
        "16462646",
        "77777777",
        "56565656",
        "77777777",
        "36463646",
        "77777777",
        "56565656",
        "77777777",
    ]
    height, width = pixels.shape
    raw = b""
    for number in "1234567":
        for y in range(height):
            row = [pixels[y, x] for x in range(width) if table[y % 8][x % 8] == number]
            if row:
                bits = "".join(f"{value:0{depth}b}" for value in row)
                bits += "0" * (-len(bits) % 8)
                raw += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 1)
    return header, raw


@settings(max_examples=60)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 2, 4, 8]))
def test_interlaced_png_is_accepted_whole_and_refused_otherwise(height, width, depth):
    pixels = np.random.default_rng(0).integers(0, 2**depth, (height, width))
    header, raw = pack_interlaced(pixels, depth)
    grey = decode_grey(pack_png((b"IHDR", header), (b"IDAT", zlib.compress(raw))))
    assert np.array_equal(grey, pixels * 255 // (2**depth - 1))
    for wrong in (raw[:-1], raw + b"\0"):
        with pytest.raises(ImageError, match="bytes of pixels"):
            decode_grey(pack_png((b"IHDR", header), (b"IDAT", zlib.compress(wrong))))


def test_png_over_several_blocks_of_inflating_is_whole():
    for value in (np.zeros((1024, 1024), np.uint8), make_pixels(700, 900)):
        assert np.array_equal(decode_grey(encode(value, "PNG")), value)


def test_flat_jpeg_with_runs_of_zero_bits_is_no_damage():
    flat = np.full((512, 2048), 127, dtype=np.uint8)
    assert np.ptp(decode_grey(encode(flat, optimize=True))) == 0
    assert np.ptp(decode_grey(encode(flat))) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(33, 2000), st.integers(1, 255))
def test_any_flipped_byte_of_a_png_is_refused(position, change):
    data = bytearray(encode(make_pixels(), "PNG"))
    data[min(position, len(data) - 1)] ^= change
    with pytest.raises(ImageError):
        decode_grey(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.integers(0, 2000), st.sampled_from(["JPEG", "PNG"]))
def test_arbitrary_damage_gives_pixels_or_an_image_error(junk, position, form):
    data = bytearray(encode(make_pixels(), form))
    data[position : position + len(junk)] = junk
    with suppress(ImageError):
        assert decode_grey(bytes(data), limits=ImageLimits(max_pixels=10**6)).ndim == 2


def test_bytes_and_sides_over_the_limits_are_refused():
    data = encode(make_pixels(64, 96))
    for limits in (
        ImageLimits(max_bytes=len(data) - 1),
        ImageLimits(max_side=95),
        ImageLimits(max_pixels=64 * 96 - 1),
    ):
        with pytest.raises(ImageError, match="limit"):
            read_header(data, limits=limits)


def test_jpeg_header_of_65000_squared_is_refused_by_its_header():
    data = bytearray(encode(make_pixels()))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 65000, 65000)
    with pytest.raises(ImageError, match="65000x65000 pixels"):
        decode_grey(bytes(data))


_MEMORY_PROBE = """
import resource, struct, sys, zlib
from stripsight.errors import ImageError
from stripsight.imaging import decode_grey
decode_grey(open(sys.argv[1], "rb").read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = open(sys.argv[2], "rb").read()
try:
    decode_grey(data)
except ImageError as error:
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(len(data), round(grown), error)
"""


def test_400_megapixel_png_of_48_kb_costs_no_memory(tmp_path):
    (tmp_path / "good.png").write_bytes(encode(make_pixels(), "PNG"))
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(20_000 // 8)
    packed = b"".join(packer.compress(row) for _ in range(20_000)) + packer.flush()
    bomb = make_png(20_000, 20_000, 1, 0, packed)
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert 40_000 < len(bomb) < 60_000
    probe = subprocess.run(
        [sys.executable, "-c", _MEMORY_PROBE, tmp_path / "good.png", tmp_path / "bomb.png"],
        capture_output=True,
        text=True,
        check=True,
    )
    _, grown, message = probe.stdout.split(" ", 2)
    assert int(grown) < 50
    assert "20000x20000 pixels" in message


def test_reading_a_file_names_it_and_stops_at_the_limit(tmp_path):
    path = tmp_path / "strip.jpg"
    with pytest.raises(ImageError, match=r"strip\.jpg: cannot be read \(No such file"):
        read_grey(path)
    path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"strip\.jpg: the file is empty"):
        read_grey(path)
    path.write_bytes(bytes(101))
    with pytest.raises(ImageError, match="more than 100 bytes"):
        read_image_bytes(path, limits=ImageLimits(max_bytes=100))
    with pytest.raises(ImageError, match="Is a directory"):
        read_grey(tmp_path)


def test_decoding_from_many_threads_gives_the_same_pixels():
    data = [encode(make_pixels(seed=s), form) for s in range(4) for form in ("JPEG", "PNG")]
    expected = [decode_grey(d) for d in data]
    wrong = []

    def work():
        for _ in range(10):
            wrong.extend(
                i for i, d in enumerate(data) if not np.array_equal(decode_grey(d), expected[i])
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "all black"), (8, "all black"), (255, "all white"), (247, "all white"), (9, None)],
)
def test_flat_images_are_suspect_at_the_ends_of_the_scale(value, expected):
    assert find_suspicion(np.full((8, 8), value, dtype=np.uint8)) == expected


def test_half_of_the_pixels_at_full_white_is_saturated_and_black_borders_are_not_suspect():
    image = make_pixels(8, 8)
    image[:4] = 255
    assert find_suspicion(image) == "saturated"
    image[:4] = 0
    assert find_suspicion(image) is None
