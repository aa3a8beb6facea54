"""Checkpoints that are whole or refused: written atomically, sealed by a hash, plain data only.

A checkpoint is torch's own zip file, so `torch.load(path, weights_only=True)` reads it anywhere.
Its seal is the zip's comment, `stripsight-sha256:<hex>`, over every byte before the comment: a
truncated file or a flipped bit is refused before anything is unpickled, and a pickle payload is
never run.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins import CheckpointIO

from stripsight.atomic import open_atomically
from stripsight.errors import CheckpointError

_PREFIX = b"stripsight-sha256:"
_COMMENT_SIZE = len(_PREFIX) + 64
_BLOCK = 1 << 20


def write_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Save plain data (tensors, numbers, strings, lists, dicts) as a sealed checkpoint.

    Raises:
        OSError: the disk is full or read-only; an older file at `path` is intact.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getbuffer()
    # The last record of a zip without a comment ends in two zero bytes, the comment's length.
    body[-2:] = _COMMENT_SIZE.to_bytes(2, "little")
    with open_atomically(path) as file:
        file.write(body)
        file.write(_PREFIX + hashlib.sha256(body).hexdigest().encode())


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a sealed checkpoint.

    Raises:
        CheckpointError: missing, truncated, changed, without a seal, or more than plain data.
    """
    try:
        with path.open("rb") as file:
            _check_seal(file, path)
            file.seek(0)
            content = torch.load(file, map_location=map_location, weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path} holds more than plain data, or is damaged: refused"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no checkpoint")
    return content


def read_description(path: Path, *, run_id: str) -> dict[str, Any]:
    """What a checkpoint of run `run_id` says of itself: network, classes, configuration.

    Raises:
        CheckpointError: see `read_checkpoint`, or a checkpoint of another run.
    """
    description = read_checkpoint(path).get("stripsight")
    if not isinstance(description, dict) or description.get("run_id") != run_id:
        raise CheckpointError(f"{path} belongs to another run: put this run's own back")
    return description


def hash_checkpoint(path: Path) -> str:
    """sha256 of the file, for provenance."""
    with path.open("rb") as file:
        return _hash(file, path.stat().st_size)


class SealedCheckpointIO(CheckpointIO):
    """Lets Lightning save and load through this module."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """See `write_checkpoint`; `storage_options` is None or names the only keys to keep."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        keys = checkpoint.keys() if storage_options is None else storage_options
        write_checkpoint({key: checkpoint[key] for key in keys}, Path(path))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """See `read_checkpoint`."""
        return read_checkpoint(Path(path), map_location=map_location or "cpu")

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint that Lightning no longer wants."""
        Path(path).unlink(missing_ok=True)


def is_sealed(path: Path) -> bool:
    """Whether a file claims to be a StripSight checkpoint; `read_checkpoint` sees if it is one.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(file.seek(0, 2) - _COMMENT_SIZE, 0))
        return file.read(len(_PREFIX)) == _PREFIX


def _check_seal(file: BinaryIO, path: Path) -> None:
    size = file.seek(0, 2)
    body = size - _COMMENT_SIZE
    file.seek(max(body, 0))
    comment = file.read()
    if body <= 0 or not comment.startswith(_PREFIX):
        raise CheckpointError(
            f"{path} is truncated or no StripSight checkpoint: use another, or train again"
        )
    if comment[len(_PREFIX) :].decode("ascii", "replace") != _hash(file, body):
        raise CheckpointError(
            f"{path} is damaged (its hash does not match): use another, or train again"
        )


def _hash(file: BinaryIO, size: int) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0:
        block = file.read(min(_BLOCK, size))
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
