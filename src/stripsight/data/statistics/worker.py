"""What a worker process does with one image: read, decode and measure it, once.

It imports numpy and the decoder and nothing heavier, so that a worker starts in a moment and stays
small; torch, pandas and the command line stay in the process that started it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stripsight.data.source import read_file
from stripsight.data.statistics.measurement import ImageStatistics, measure_image
from stripsight.errors import ImageError
from stripsight.imaging import DEFAULT_LIMITS, decode_grey

if TYPE_CHECKING:
    from stripsight.data.lookalikes.fingerprint import Fingerprint


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken of every image besides its statistics."""

    fingerprint: bool = False
    texture: bool = False


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file to measure; `key` comes back with the result, `sha256` it must have where known."""

    key: str
    path: Path
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class MeasuredImage:
    """An image that decodes."""

    key: str
    sha256: str
    statistics: ImageStatistics
    fingerprint: "Fingerprint | None" = None
    texture: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class UnmeasuredImage:
    """An image that does not, and why."""

    key: str
    reason: str


Measured = MeasuredImage | UnmeasuredImage


def measure_file(file: ImageFile, wanted: Wanted) -> Measured:
    """Measure one image; an image that cannot be read is a result, not an error."""
    try:
        data = read_file(file.path, DEFAULT_LIMITS.max_bytes)
    except OSError as error:
        return UnmeasuredImage(file.key, f"cannot be read ({error.strerror})")
    sha256 = hashlib.sha256(data).hexdigest()
    if file.sha256 not in (None, sha256):
        return UnmeasuredImage(file.key, "its bytes are not those that were prepared")
    try:
        image = decode_grey(data)
    except ImageError as error:
        return UnmeasuredImage(file.key, str(error))
    fingerprint = texture = None
    if wanted.fingerprint:
        from stripsight.data.lookalikes.fingerprint import compute_fingerprint

        fingerprint = compute_fingerprint(image)
    if wanted.texture:
        from stripsight.data.shift.texture import compute_texture

        texture = compute_texture(image)
    return MeasuredImage(file.key, sha256, measure_image(image, data), fingerprint, texture)


def measure_files(files: Sequence[ImageFile], wanted: Wanted) -> list[Measured]:
    """Measure several, in order."""
    return [measure_file(file, wanted) for file in files]


def serve(connection: Connection) -> None:
    """Answer requests (files and what is wanted) until the other end is closed."""
    with connection:
        try:
            while True:
                files, wanted = connection.recv()
                connection.send(measure_files(files, wanted))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the process that asked has gone
