"""Decode every image once, on all cores, and note what the prepared data set needs to know of it.

Threads do it: reading, hashing and libjpeg all release the interpreter's lock.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from stripsight.errors import ImageError
from stripsight.imaging import DEFAULT_LIMITS, decode_grey, find_suspicion

_CHUNK = 8


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image that decodes: size in pixels, sha256 of its file, and what is odd about it."""

    file: str
    height: int
    width: int
    sha256: str
    suspicion: str | None


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """One image that does not; `sha256` where at least its bytes could be read."""

    file: str
    reason: str
    sha256: str | None = None


ReadBytes = Callable[[str, int], bytes]
"""File name and limit to bytes, at most one more than the limit."""


def inspect_images(
    files: Sequence[str], read: ReadBytes, *, workers: int | None = None
) -> Iterator[ImageFacts | UnreadableImage]:
    """Inspect images, in the order given, as they come.

    Args:
        files: names to hand to `read`.
        read: safe to call from several threads.
        workers: threads; one per core if None.
    """
    workers = workers or len(os.sched_getaffinity(0))
    pending: deque[Future[list[ImageFacts | UnreadableImage]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = files[start : start + _CHUNK]
            pending.append(pool.submit(_inspect_chunk, chunk, read))
            # Few in flight, so that an interrupt or a slow consumer leaves no long queue behind.
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def inspect_image(file: str, read: ReadBytes) -> ImageFacts | UnreadableImage:
    """Inspect one image."""
    if not file.isprintable():
        return UnreadableImage(ascii(file), "the file name holds control or undecodable characters")
    try:
        data = read(file, DEFAULT_LIMITS.max_bytes)
    except OSError as error:
        return UnreadableImage(file, f"cannot be read ({error.strerror})")
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        image = decode_grey(data)
    except ImageError as error:
        return UnreadableImage(file, str(error), sha256)
    return ImageFacts(file, image.shape[0], image.shape[1], sha256, find_suspicion(image))


def _inspect_chunk(files: Sequence[str], read: ReadBytes) -> list[ImageFacts | UnreadableImage]:
    return [inspect_image(file, read) for file in files]
