"""Whether the bytes of a PNG are whole, as far as Pillow does not say.

Pillow skips the checksums of the pixels, leaves missing rows black and takes the last of two
headers. What stands behind IEND, or behind the end of the compressed stream, is ignored.

Decoding, and every rule on what is accepted, are `imaging.py`'s business.
"""

import struct
import zlib
from collections.abc import Iterator

from stripsight.errors import ImageError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"

_INDEXED = 3
_CHANNELS = {0: 1, 2: 3, _INDEXED: 1, 4: 2, 6: 4}
# First row and column, and steps, of Adam7's passes (PNG 8.2); without interlace there is one.
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
_PASSES = (*_ADAM7, (1, 0, 2, 1))
_BLOCK = 2**18


def check_png(data: bytes) -> None:
    """Hold chunks against their CRC, and the pixel data against the header.

    Raises:
        ImageError: a chunk has changed, IEND or the palette is missing, the header is not the first
            chunk or not the only one, or the pixel data are not as long as the header says.
    """
    header: memoryview | None = None
    has_palette = False
    packed: list[memoryview] = []
    for kind, content in _walk_chunks(data):
        if (kind == b"IHDR") != (header is None):
            raise ImageError("damaged PNG: it must begin with its header and have only one")
        if kind == b"IHDR":
            header = content
        elif kind == b"PLTE":
            has_palette = True
        elif kind == b"IDAT":
            packed.append(content)
    if header is None or len(header) != 13 or header[9] not in _CHANNELS:
        raise ImageError("damaged PNG: its header cannot be read")
    if header[9] == _INDEXED and not has_palette:
        raise ImageError("damaged PNG: its palette is missing")
    _check_pixel_data(packed, _raw_length(header))


def _walk_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of each chunk before IEND (PNG 5.3)."""
    view = memoryview(data)
    position = len(PNG_MAGIC)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if end > len(data):
            break
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageError(f"damaged PNG: chunk {kind.decode('ascii', 'replace')!r} has changed")
        if kind == b"IEND":
            return
        yield kind, view[position + 8 : end - 4]
        position = end
    raise ImageError("damaged PNG: it is cut off")


def _raw_length(header: memoryview) -> int:
    """Bytes that the pixel data of a header inflate to: filter byte and pixels of every row."""
    width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", header)
    length = 0
    for top, left, down, right in _PASSES if interlace else ((0, 0, 1, 1),):
        rows, columns = -(-(height - top) // down), -(-(width - left) // right)
        if rows > 0 and columns > 0:
            length += rows * (1 + (columns * depth * _CHANNELS[color] + 7) // 8)
    return length


def _check_pixel_data(packed: list[memoryview], expected: int) -> None:
    # In blocks and never past what is expected: a bomb costs neither memory nor time.
    stream = zlib.decompressobj()
    length = 0
    try:
        for part in (*packed, memoryview(b"")):
            rest: bytes | memoryview = part
            while not stream.eof and length <= expected:
                block = stream.decompress(rest, _BLOCK)
                length += len(block)
                rest = stream.unconsumed_tail
                if not rest and len(block) < _BLOCK:
                    break
    except zlib.error as error:
        raise ImageError(f"damaged PNG: {error}") from error
    if length != expected:
        amount = f"{length:,}" if length < expected else "more"
        raise ImageError(f"damaged PNG: {amount} bytes of pixels, its header means {expected:,}")
    if not stream.eof:
        raise ImageError("damaged PNG: the end of its pixel data is missing")
