"""Run-length encoding of masks, as Kaggle's Severstal competition writes it.

"start length start length ...", 1-based, counted down the columns (column-major). Runs are
ascending, do not touch or overlap, and never leave the image. It is also the form in which a
prepared data set stores its masks.
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stripsight.errors import RunLengthError

Mask = npt.NDArray[np.uint8]
"""`[H, W]`, uint8, 0 or 1."""

Runs = npt.NDArray[np.int64]
"""`[R, 2]`, int64: 0-based first pixel in column-major order, and length."""

_NUMBERS = re.compile(r"\s*[0-9]{1,18}(\s+[0-9]{1,18})*\s*", re.ASCII)


def parse_runs(text: str, height: int, width: int, *, repair: bool = False) -> tuple[Runs, bool]:
    """Parse and check a run-length string.

    Args:
        text: "start length ..." with 1-based starts.
        height: of the image, in pixels.
        width: of the image, in pixels.
        repair: sort runs and merge those that overlap, instead of refusing them.

    Returns:
        The runs, and whether `repair` changed anything.

    Raises:
        RunLengthError: anything but a clean list of runs inside the image.
    """
    if not _NUMBERS.fullmatch(text):
        raise RunLengthError(_why_not_numbers(text))
    values = np.array(text.split(), dtype=np.int64)
    if len(values) % 2:
        raise RunLengthError(f"{len(values)} values: starts and lengths must come in pairs")
    starts, lengths = values[0::2] - 1, values[1::2]
    if (lengths == 0).any():
        raise RunLengthError(f"run {int(np.argmax(lengths == 0)) + 1} has length 0")
    if (starts < 0).any():
        raise RunLengthError(
            f"run {int(np.argmax(starts < 0)) + 1} starts at 0: counting starts at 1"
        )
    ends = starts + lengths
    beyond = ends > height * width
    if beyond.any():
        first = int(np.argmax(beyond))
        raise RunLengthError(
            f"run {first + 1} ends at pixel {int(ends[first]):,}, but a {width}x{height} image"
            f" has {height * width:,}"
        )
    wrong = starts[1:] < ends[:-1]
    if not wrong.any():
        return np.stack([starts, lengths], axis=1), False
    if not repair:
        raise RunLengthError(
            f"run {int(np.argmax(wrong)) + 2} starts before the one ahead of it ends"
            " (unsorted or overlapping; --repair sorts and merges)"
        )
    return union_runs([np.stack([starts, lengths], axis=1)]), True


def union_runs(parts: Sequence[Runs]) -> Runs:
    """All pixels of several lists of runs as one list: sorted, no two touching or overlapping."""
    runs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *parts])
    if len(runs) < 2:
        return runs
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    starts, ends = runs[:, 0], np.maximum.accumulate(runs.sum(axis=1))
    opens = np.concatenate([[True], starts[1:] > ends[:-1]])
    last_of_group = np.concatenate([np.flatnonzero(opens)[1:] - 1, [len(starts) - 1]])
    return np.stack([starts[opens], ends[last_of_group] - starts[opens]], axis=1)


def format_runs(runs: Runs) -> str:
    """The string form of runs (1-based starts)."""
    return " ".join(f"{start + 1} {length}" for start, length in runs.tolist())


def encode_mask(mask: npt.NDArray[np.bool_] | Mask) -> str:
    """Encode a mask `[H, W]` (non-zero is defect); an empty mask gives an empty string."""
    return format_runs(encode_runs(mask))


def encode_runs(mask: npt.NDArray[np.bool_] | Mask) -> Runs:
    """The runs of a mask `[H, W]` (non-zero is defect)."""
    pixels = np.concatenate([[False], np.asarray(mask).astype(bool).ravel(order="F"), [False]])
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    return np.stack([edges[0::2], edges[1::2] - edges[0::2]], axis=1)


def decode_mask(text: str, height: int, width: int) -> Mask:
    """Decode a run-length string to uint8 `[H, W]` of 0 and 1; an empty string is an empty mask.

    Raises:
        RunLengthError: see `parse_runs`.
    """
    mask = np.zeros(height * width, dtype=np.uint8)
    if text.strip():
        runs, _ = parse_runs(text, height, width)
        for start, length in runs.tolist():
            mask[start : start + length] = 1
    return mask.reshape(width, height).T


def encode_box(left: int, top: int, right: int, bottom: int, height: int) -> str:
    """Encode the filled box of columns `[left, right)` and rows `[top, bottom)`."""
    return " ".join(f"{column * height + top + 1} {bottom - top}" for column in range(left, right))


def _why_not_numbers(text: str) -> str:
    for word in text.split():
        if not re.fullmatch(r"[0-9]+", word, re.ASCII):
            return f"{_shorten(word)!r} is not a positive whole number"
        if len(word) > 18:
            return f"{_shorten(word)} lies beyond any image"
    return "no run at all"


def _shorten(word: str) -> str:
    return word if len(word) <= 24 else word[:21] + "..."
