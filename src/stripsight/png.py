"""Whether the bytes of a PNG are whole, as far as Pillow does not say.

Decoding, and every rule on what is accepted, are `imaging.py`'s business.
"""

import zlib

from stripsight.errors import ImageError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def check_png_chunks(data: bytes) -> None:
    """Hold every chunk against its CRC (PNG 5.3) up to IEND: Pillow skips those of the pixels."""
    position = len(PNG_MAGIC)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if end > len(data):
            break
        if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end], "big"
        ):
            raise ImageError(f"damaged PNG: chunk {kind.decode('ascii', 'replace')!r} has changed")
        if kind == b"IEND":
            return
        position = end
    raise ImageError("damaged PNG: it is cut off")
