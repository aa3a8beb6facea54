"""Image files with faults, as bytes: the same for preparing a data set and for scoring."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIZE = (64, 96)
"""(height, width) in pixels of all but those of which it is the fault."""


def encode(
    pixels: np.ndarray, form: str = "JPEG", mode: str | None = None, **options: object
) -> bytes:
    """An image file of pixels."""
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, form, **options)
    return stream.getvalue()


def noise(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Grey steel, uint8."""
    return np.random.default_rng(seed).integers(60, 190, size, dtype=np.uint8)


JPEG = encode(noise(), quality=90)


def _make_huge_png() -> bytes:
    """400 megapixels of one bit, all black, in 48 kB."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(2500)
    packed = b"".join(packer.compress(row) for _ in range(20_000)) + packer.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _claim(width: int, height: int) -> bytes:
    data = bytearray(JPEG)
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _turn() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(noise(), exif=exif)


_MIDDLE = len(JPEG) // 2

REFUSED = {
    "empty.jpg": (b"", "the file is empty"),
    "truncated.jpg": (JPEG[:_MIDDLE], "damaged JPEG"),
    "zeroed.jpg": (JPEG[:_MIDDLE] + bytes(512) + JPEG[_MIDDLE + 512 :], "damaged JPEG"),
    "text.jpg": (b"I am no image\n" * 50, "not a readable JPEG or PNG"),
    "gif.jpg": (encode(noise(), "GIF"), "not a readable JPEG or PNG"),
    "claims_65000.jpg": (_claim(65000, 65000), "65000x65000 pixels"),
    "huge.png": (_make_huge_png(), "20000x20000 pixels"),
    "cmyk.jpg": (encode(noise(), mode="CMYK"), "CMYK"),
    "sixteen.png": (encode(noise().astype(np.uint16) * 99, "PNG"), "16-bit"),
    "turned.jpg": (_turn(), "EXIF orientation 6"),
    "transparent.png": (encode(np.dstack([noise()] * 4), "PNG"), "transparent"),
}
"""By name: bytes that no command takes for an image, and words of the reason."""

SUSPECT = {
    "black.jpg": (encode(np.zeros(SIZE, np.uint8)), "all black"),
    "white.jpg": (encode(np.full(SIZE, 255, np.uint8)), "all white"),
    "saturated.png": (
        encode(np.where(np.arange(96) < 60, 255, noise()).astype(np.uint8), "PNG"),
        "saturated",
    ),
}
"""Images that decode and may show no steel, and why."""
