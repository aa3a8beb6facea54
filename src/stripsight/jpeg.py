"""Whether the bytes of a JPEG are whole, as far as libjpeg does not say.

Decoding, and every rule on what is accepted, are `imaging.py`'s business.
"""

_SHORTEST_ZERO_RUN = 16


def has_zeroed_scan(data: bytes) -> bool:
    """Whether a stretch of entropy-coded data was zeroed (a lost disk sector, a broken copy).

    libjpeg resynchronises after such a stretch and often reports nothing. In a sequential JPEG the
    all-zero code is the first symbol of each Huffman table (ITU-T T.81, C.2): where those are not
    "no DC change" and "end of block", a long run of zero bits is no image content. Flat images with
    optimised tables do have such runs.
    """
    start = data.find(b"\xff\xda")
    if start < 0 or b"\xff\xc2" in data[:start]:
        return False
    if data.find(bytes(_SHORTEST_ZERO_RUN), start) < 0:
        return False
    return not all(first == 0 for first in _first_huffman_symbols(data[:start]))


def _first_huffman_symbols(header: bytes) -> list[int]:
    symbols = []
    position = 2
    while position + 4 <= len(header) and header[position] == 0xFF:
        length = int.from_bytes(header[position + 2 : position + 4], "big")
        if header[position + 1] == 0xC4:
            cursor, end = position + 4, position + 2 + length
            while cursor + 17 <= min(end, len(header)):
                symbols.append(header[cursor + 17] if cursor + 17 < len(header) else 0)
                cursor += 17 + sum(header[cursor + 1 : cursor + 17])
        position += 2 + length
    return symbols
