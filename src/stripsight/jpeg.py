"""Whether the bytes of a JPEG are whole, as far as libjpeg does not say.

Only stretches of zero bytes are looked for: a lost disk sector, a hole in a broken copy. Everything
else is left to libjpeg in strict mode. Bytes behind the end-of-image marker are nobody's image
content and are ignored, as in every viewer.

The limit: the refinement scans of a progressive JPEG hold bits of the coefficients themselves. A
zeroed stretch is seen from 128 bytes on in the AC scans, and not at all in the DC scan, where a
black border is as long a run of zeros; there it costs a block the last bit of its mean brightness.
Nor can a progressive file be seen to lack its last scans when it ends with EOI: it is a whole file
of lower quality.

Decoding, and every rule on what is accepted, are `imaging.py`'s business.
"""

import re
from collections.abc import Iterator

_SHORTEST_ZERO_RUN = bytes(16)
# libjpeg puts a code after at most 1000 correction bits. On 129 real strips encoded anew as
# progressive, 10 times each, the longest run in an AC refinement scan was 3 bytes.
_SHORTEST_REFINEMENT_RUN = bytes(128)

_SOF2, _DHT, _EOI, _SOS = 0xC2, 0xC4, 0xD9, 0xDA
# Without length or content: TEM and the restart markers.
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
# In entropy-coded data 0xFF is followed by a stuffed zero or a restart number (T.81, B.1.1).
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


def has_zeroed_scan(data: bytes) -> bool:
    """Whether a stretch of entropy-coded data was zeroed.

    libjpeg resynchronises after such a stretch and often reports nothing. The all-zero code is the
    first symbol of each Huffman table (ITU-T T.81, C.2): where those of a scan are not "no DC
    change" and "end of block", a long run of zero bits is no image content. Flat images with
    optimised tables do have such runs.
    """
    if _SHORTEST_ZERO_RUN not in data:
        return False
    progressive = False
    first_symbols: dict[int, int] = {}
    for marker, start, end in walk_segments(data):
        if marker == _SOF2:
            progressive = True
        elif marker == _DHT:
            first_symbols |= _first_huffman_symbols(data[start:end])
        elif marker == _SOS:
            run = _shortest_damage(data[start:end], first_symbols, progressive=progressive)
            if run and data.find(run, end, _find_scan_end(data, end)) >= 0:
                return True
    return False


def walk_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker code, start and end of the content of each segment up to EOI (T.81, B.1.1.4)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _EOI:
            return
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _STANDALONE:
            position += 2
        else:
            end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
            yield marker, position + 4, end
            position = _find_scan_end(data, end) if marker == _SOS else end


def _find_scan_end(data: bytes, start: int) -> int:
    marker = _END_OF_SCAN.search(data, start)
    return marker.start() if marker else len(data)


def _shortest_damage(
    scan_header: bytes, first_symbols: dict[int, int], *, progressive: bool
) -> bytes | None:
    """The shortest run of zero bytes that is no content, by the scan's parameters (T.81, B.2.3)."""
    count = scan_header[0] if scan_header else 0
    if len(scan_header) < 4 + 2 * count:
        return _SHORTEST_ZERO_RUN
    selectors = scan_header[2 : 2 + 2 * count : 2]
    is_dc_scan, is_refinement = scan_header[-3] == 0, scan_header[-1] >> 4 > 0
    dc = [first_symbols.get(selector >> 4, 0) for selector in selectors]
    ac = [first_symbols.get(0x10 | (selector & 0x0F), 0) for selector in selectors]
    if not progressive:
        may_be_zero = not any(dc) and not any(ac)
    elif is_refinement:
        return None if is_dc_scan else _SHORTEST_REFINEMENT_RUN
    elif is_dc_scan:
        may_be_zero = not any(dc)
    else:
        # "End of band" for one or more blocks: low nibble 0 and less than 15 above (T.81, G.1.2.2).
        may_be_zero = all(symbol < 0xF0 and symbol & 0x0F == 0 for symbol in ac)
    return None if may_be_zero else _SHORTEST_ZERO_RUN


def _first_huffman_symbols(tables: bytes) -> dict[int, int]:
    """First symbol of each table of a DHT segment by its class and number (T.81, B.2.4.2)."""
    symbols = {}
    position = 0
    while position + 17 < len(tables):
        symbols[tables[position]] = tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])
    return symbols
