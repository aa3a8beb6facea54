"""Bytes to a uint8 grey image: the one decoder for training, evaluation, scoring and serving.

Why one: a picture that decodes to other pixels in training than beside the line is a silent loss of
accuracy, and a damaged file must be refused everywhere or nowhere. JPEG goes through libjpeg-turbo
in strict mode (Pillow decodes a half-zeroed JPEG without a word), PNG and all headers through
Pillow.

The rules:

    8-bit grey                      accepted
    8-bit colour                    accepted, ITU-R BT.601 luma (equal channels stay what they were)
    palette, 1-bit                  accepted, through RGB to luma
    alpha, fully opaque             accepted, alpha dropped; any transparency is refused
    16-bit, float, CMYK             refused: no scale to grey is the right one by itself
    EXIF orientation other than 1   refused: masks and boxes refer to the stored pixels
    EXIF that cannot be read        accepted: no viewer can have turned the image by it
    another size than the contract  refused (`expected_size`)
    other formats                   refused, whatever the file is called
    damaged                         refused as far as it shows (`jpeg.py`, `png.py` say how far)
    bytes behind the end            ignored

Normalisation is not done here; it is the network's. Resizing is a step of its own, and one for all.
"""

import io
import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from stripsight.errors import ImageError
from stripsight.jpeg import has_zeroed_scan
from stripsight.png import PNG_MAGIC, check_png

GreyImage = npt.NDArray[np.uint8]
"""`[H, W]`, uint8."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

_EXIF_ORIENTATION = 0x0112
# What Pillow is known to raise on bytes that are not as their header says.
_BAD_VALUE_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, struct.error)
_PILLOW_ERRORS = (OSError, SyntaxError, EOFError, zlib.error, *_BAD_VALUE_ERRORS)
_BLACK, _WHITE = 8, 247
_ACCEPTED_MODES = {"L", "RGB", "P", "1", "LA", "PA", "RGBA"}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is refused before a pixel is decoded: bytes of file, pixels a side and in all."""

    max_bytes: int = 64 * 2**20
    max_side: int = 16_384
    max_pixels: int = 64 * 10**6


DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header claims; nothing has been decoded."""

    format: str
    height: int
    width: int
    mode: str


def read_header(data: bytes, *, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """Read format, size and mode of an encoded image and apply every rule that needs no pixels.

    Raises:
        ImageError: not a JPEG or PNG, over the limits, or a mode or orientation that is refused.
    """
    if not data:
        raise ImageError("the file is empty")
    if len(data) > limits.max_bytes:
        raise ImageError(f"{len(data):,} bytes: the limit is {limits.max_bytes:,}")
    with _open(data) as image:
        width, height = image.size
        header = ImageHeader(str(image.format), height, width, image.mode)
        if max(height, width) > limits.max_side or height * width > limits.max_pixels:
            raise ImageError(
                f"{width}x{height} pixels: the limit is {limits.max_side:,} a side"
                f" and {limits.max_pixels:,} in all"
            )
        if image.mode not in _ACCEPTED_MODES or _png_bit_depth(data) == 16:
            raise ImageError(
                f"{_mode_title(data, image.mode)} image: convert it to 8-bit grey first"
            )
        _check_orientation(image)
    return header


def decode_grey(
    data: bytes,
    *,
    expected_size: tuple[int, int] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> GreyImage:
    """Decode a JPEG or PNG to grey.

    Args:
        data: the encoded file.
        expected_size: (height, width) in pixels that the image must have.
        limits: what is refused by the header alone.

    Returns:
        uint8 `[H, W]`, a fresh contiguous array.

    Raises:
        ImageError: by any rule of this module.
    """
    header = read_header(data, limits=limits)
    if expected_size is not None and (header.height, header.width) != expected_size:
        raise ImageError(
            f"{header.width}x{header.height} pixels:"
            f" {expected_size[1]}x{expected_size[0]} is expected"
        )
    return _decode_jpeg(data, header) if header.format == "JPEG" else _decode_png(data)


def read_grey(
    path: Path,
    *,
    expected_size: tuple[int, int] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> GreyImage:
    """`decode_grey` of a file; the error names the file.

    Raises:
        ImageError: the file cannot be read, or by any rule of this module.
    """
    try:
        return decode_grey(
            read_image_bytes(path, limits=limits), expected_size=expected_size, limits=limits
        )
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def resize_grey(image: GreyImage, size: tuple[int, int]) -> GreyImage:
    """To (height, width) in pixels by Pillow's bilinear filter, which averages where it shrinks.

    The one way for training and for the line; an image of that size comes back as it is.
    """
    if image.shape == size:
        return image
    height, width = size
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.uint8)


def read_image_bytes(path: Path, *, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an image file, never more than the limit.

    Raises:
        ImageError: the file cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            # Not read(limit): that would reserve the limit, however small the file.
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, limits.max_bytes) + 1)
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from error
    if len(data) > limits.max_bytes:
        raise ImageError(f"more than {limits.max_bytes:,} bytes, the limit")
    return data


def find_suspicion(image: GreyImage) -> str | None:
    """Why an image that decodes may still show no steel; None where nothing is odd.

    Black borders are usual (the strip's edge), so only a wholly black image is suspect, while half
    the pixels at full white are a camera out of its range.
    """
    sample = image[::16, ::16]  # nearly always enough to refute two of the three
    if sample.max() <= _BLACK and image.max() <= _BLACK:
        return "all black"
    if sample.min() >= _WHITE and image.min() >= _WHITE:
        return "all white"
    return "saturated" if _is_saturated(image) else None


def _is_saturated(image: GreyImage) -> bool:
    """Whether half the pixels are at full white; mostly refuted after half of them."""
    # In blocks that the allocator keeps: fresh pages for the comparison cost more than it does.
    rows = max(1, 2**17 // image.shape[1])
    others = 0
    for top in range(0, image.shape[0], rows):
        others += int(np.count_nonzero(image[top : top + rows] != 255))
        if others * 2 > image.size:
            return False
    return True


def _open(data: bytes) -> JpegImageFile | PngImageFile:
    # Not Image.open: it warns of large sizes through the warnings module, whose state is shared by
    # all threads; our own limit, in our own words, comes before any pixel is decoded.
    try:
        if data.startswith(PNG_MAGIC):
            return PngImageFile(io.BytesIO(data))
        return JpegImageFile(io.BytesIO(data))
    except _PILLOW_ERRORS as error:
        raise ImageError("not a readable JPEG or PNG") from error


def _check_orientation(image: JpegImageFile | PngImageFile) -> None:
    # Image.Image's, for PngImageFile's own would decode the pixels to look behind them.
    try:
        orientation = Image.Image.getexif(image).get(_EXIF_ORIENTATION, 1)
    except _PILLOW_ERRORS:
        return  # as in every viewer, EXIF that cannot be read turns nothing
    if orientation != 1:
        raise ImageError(
            f"EXIF orientation {orientation}: turn the pixels and remove the tag first"
        )


def _png_bit_depth(data: bytes) -> int:
    # Pillow opens 16-bit colour PNG as 8-bit RGB; the header alone tells.
    return data[24] if data.startswith(PNG_MAGIC) and len(data) > 24 else 8


def _mode_title(data: bytes, mode: str) -> str:
    return "16-bit" if _png_bit_depth(data) == 16 or mode.startswith("I") else mode


def _decode_jpeg(data: bytes, header: ImageHeader) -> GreyImage:
    if has_zeroed_scan(data):
        raise ImageError("damaged JPEG: a stretch of the image data is zero bytes")
    try:
        # Its own header once more: what sizes the output must be what the limits were held against.
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=True)
        if (height, width) != (header.height, header.width):
            raise ImageError("damaged JPEG: it has two headers that disagree")
        pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    except ValueError as error:
        reason = re.sub(r"\s+", " ", str(error)).strip().rstrip(".")
        raise ImageError(f"damaged JPEG: {reason}") from error
    return np.ascontiguousarray(pixels[..., 0])


def _decode_png(data: bytes) -> GreyImage:
    check_png(data)
    try:
        with _open(data) as image:
            image.load()
            _check_orientation(image)  # EXIF may stand behind the pixels
            if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
                lowest_alpha, _ = image.convert("RGBA").getchannel("A").getextrema()
                if lowest_alpha != 255:
                    raise ImageError("transparent image: flatten it to grey first")
            pixels = image if image.mode == "L" else image.convert("RGB").convert("L")
            return np.array(pixels, dtype=np.uint8)
    except _PILLOW_ERRORS as error:
        raise ImageError(f"damaged PNG: {error}") from error
