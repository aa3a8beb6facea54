"""Sealed checkpoints: plain data, atomic, and refused when anything is off (faults 15 and 16)."""

import os
import pickle
import resource
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripsight.errors import CheckpointError
from stripsight.training.checkpoint import hash_checkpoint, read_checkpoint, write_checkpoint

CONTENT = {"weights": torch.arange(1000.0), "epoch": 3, "names": ["a", "b"], "nested": {"x": 1.5}}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "best.ckpt"
    write_checkpoint(CONTENT, path)
    return path


def test_round_trip_and_plain_torch_load(checkpoint: Path) -> None:
    for content in (read_checkpoint(checkpoint), torch.load(checkpoint, weights_only=True)):
        assert torch.equal(content["weights"], CONTENT["weights"])
        assert content["nested"] == {"x": 1.5}
    assert os.listdir(checkpoint.parent) == ["best.ckpt"]  # noqa: PTH208
    assert len(hash_checkpoint(checkpoint)) == 64


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(checkpoint: Path, position: float, bit: int) -> None:
    data = bytearray(checkpoint.read_bytes())
    data[int(position * len(data))] ^= 1 << bit
    damaged = checkpoint.with_name("damaged.ckpt")
    damaged.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"damaged|truncated"):
        read_checkpoint(damaged)


@pytest.mark.parametrize("keep", [0, 1, 81, 100, 4000, -1])
def test_a_truncated_file_is_refused(checkpoint: Path, keep: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"truncated|damaged"):
        read_checkpoint(checkpoint)


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_pickle_payload_is_refused_and_not_run(tmp_path: Path, sealed: bool) -> None:
    path, witness = tmp_path / "evil.ckpt", tmp_path / "it-ran"
    if sealed:
        write_checkpoint({"payload": Payload(witness)}, path)
    else:
        path.write_bytes(pickle.dumps({"payload": Payload(witness)}))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert not witness.exists()


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The disk is full for real: the process may write no file beyond 64 KiB (fault 16)."""
    path = tmp_path / "last.ckpt"
    write_checkpoint(CONTENT, path)
    before = path.read_bytes()
    # Python ignores SIGXFSZ, so that what goes too far fails as on a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint({"weights": torch.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.ckpt"]  # noqa: PTH208
