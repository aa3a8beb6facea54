"""How strongly a JPEG was compressed, told from its quantisation table.

A camera, a video recorder and an image editor each leave their own table, so a change of quality
between two sets of images says that they came another way, whatever they show.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from stripsight.jpeg import walk_segments

# ITU-T T.81, table K.1, in the zigzag order of the file.
_LUMA = (
    *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40),
    *(26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51),
    *(56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87),
    *(95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99),
)
_DQT, _SOS = 0xDB, 0xDA
# Every start of frame but DHT, JPG and DAC, which share its range (T.81, table B.1).
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def estimate_jpeg_quality(data: bytes) -> int | None:
    """Quality 1-100 on the scale of the IJG's library (libjpeg's `jpeg_set_quality`).

    It is that of the standard luma table nearest to the image's own by the sum of absolute
    differences: exact for tables that libjpeg made, an estimate for a maker's own tables.

    Args:
        data: a file that decodes.

    Returns:
        None for another format than JPEG, or a JPEG without a table of its own.
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    tables: dict[int, tuple[int, ...]] = {}
    luma = 0
    for marker, start, end in walk_segments(data):
        if marker == _DQT:
            tables |= _parse_tables(data[start:end])
        elif marker in _SOF and end - start > 8:
            luma = data[start + 8]  # the first component's table (T.81, B.2.2)
        elif marker == _SOS:
            break
    return _nearest_quality(tables[luma]) if luma in tables else None


def _parse_tables(content: bytes) -> dict[int, tuple[int, ...]]:
    """Tables of a DQT segment by their number (T.81, B.2.4.1)."""
    tables = {}
    position = 0
    while position < len(content):
        width, number = 1 + (content[position] >> 4 > 0), content[position] & 0x0F
        values = content[position + 1 : position + 1 + 64 * width]
        if len(values) < 64 * width:
            break
        tables[number] = tuple(np.frombuffer(values, dtype=f">u{width}").tolist())
        position += 1 + 64 * width
    return tables


@lru_cache(maxsize=256)
def _nearest_quality(table: tuple[int, ...]) -> int:
    distance = np.abs(_standard_tables() - np.asarray(table)).sum(axis=1)
    # Of equals the higher: at the scale's ends several qualities share one table.
    return 100 - int(distance[::-1].argmin())


@lru_cache(maxsize=1)
def _standard_tables() -> npt.NDArray[np.int64]:
    """int64 `[100, 64]`: the luma table of each quality from 1 (libjpeg, jcparam.c)."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables: npt.NDArray[np.int64] = (np.array(_LUMA) * scale[:, None] + 50) // 100
    return tables.clip(1, 255)
