"""A DataLoader whose workers write batches into shared memory that is used again and again.

PyTorch's own makes a new shared file for every batch, whose pages are zeroed and mapped one by one:
measured, a quarter of the time that decoding a strip takes. Here each worker has a few slots made
once an epoch; the main process copies a batch out before the worker can come round to its slot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

from stripsight.data.dataset import StripSample
from stripsight.errors import DataError, StripSightError

Pool = dict[str, torch.Tensor]
"""Per key uint8 `[workers * slots, B, ...]` in shared memory."""


class PooledLoader(DataLoader[StripSample]):
    """A DataLoader of `StripSample`s; the batches are those of its base class.

    Attributes:
        pooled_shapes: shape of one sample's uint8 tensor under each key that is worth a pool. Set
            after construction; None, or no workers, leaves everything to the base class.
    """

    pooled_shapes: dict[str, tuple[int, ...]] | None = None

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            return super().__iter__()
        if self.pooled_shapes is None or self.batch_size is None:
            return _explain_faults(super().__iter__())
        # Batches are handed to the workers in turn, so one is at most `prefetch_factor` batches
        # ahead of the batch of its own that is being copied out.
        slots = (self.prefetch_factor or 2) + 1
        _keep_freed_memory()
        pool = {
            key: _share((self.num_workers * slots, self.batch_size, *shape))
            for key, shape in self.pooled_shapes.items()
        }
        # One pool for each iterator: two at a time must not write to the same slots.
        collate = self.collate_fn
        self.collate_fn = _PooledCollate(collate, pool, slots)
        try:
            batches = super().__iter__()
        finally:
            self.collate_fn = collate
        return _copy_out(_explain_faults(batches), pool, pin=self.pin_memory)


@dataclass(frozen=True)
class _Slot:
    """Where a worker put the first `count` entries of a batch."""

    index: int
    count: int


class _PooledCollate:
    """Runs in a worker: large tensors into the next slot, small ones as arrays, the rest as is."""

    def __init__(self, collate: Any, pool: Pool, slots: int) -> None:
        self.collate = collate
        self.pool = pool
        self.slots = slots
        self.batches = 0

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        worker = get_worker_info()
        assert worker is not None
        if not self.batches:
            _keep_freed_memory()
        slot = _Slot(worker.id * self.slots + self.batches % self.slots, len(samples))
        self.batches += 1
        fitting = [
            key
            for key, memory in self.pool.items()
            if all(
                s[key].shape == memory.shape[2:] and s[key].dtype == memory.dtype for s in samples
            )
        ]
        for key in fitting:
            target = self.pool[key][slot.index, : slot.count]
            torch.stack([sample[key] for sample in samples], out=target)
        small = self.collate([{k: v for k, v in s.items() if k not in fitting} for s in samples])
        # Arrays travel in the message itself; a tensor would need a shared file of its own.
        arrays = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in small.items()}
        return {key: slot if key in fitting else arrays[key] for key in samples[0]}


def _keep_freed_memory() -> None:
    # Once a block this large was freed, glibc no longer gives freed images back to the system only
    # to map and zero the same pages for the next batch. The block is never written: it costs none.
    block = np.empty(30 * 2**20, dtype=np.uint8)
    del block


def _share(shape: tuple[int, ...]) -> torch.Tensor:
    shared: torch.Tensor = torch.empty(shape, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
    return shared


def _copy_out(batches: Iterator[Any], pool: Pool, *, pin: bool) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield {key: _as_tensor(value, pool.get(key), pin) for key, value in batch.items()}


def _explain_faults(batches: Iterator[Any]) -> Iterator[Any]:
    """Give a worker's error back as it was raised; PyTorch wraps it in the worker's traceback."""
    try:
        yield from batches
    except Exception as error:  # noqa: BLE001 - raised again below
        # Its traceback ties PyTorch's iterator into a reference cycle. Freed by the garbage
        # collector, that closes its queues first and then waits five seconds for each worker.
        raise _explain(error.with_traceback(None)) from None


def _explain(error: Exception) -> Exception:
    if isinstance(error, StripSightError):
        line = str(error).strip().rsplit("\n", 1)[-1]
        return type(error)(line.partition(": ")[2])
    if isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker (pid"):
        return DataError(
            "a loader process was killed (out of memory, or /dev/shm too small): lower"
            " data.num_workers or training.batch_size"
        )
    return error


def _as_tensor(value: Any, memory: torch.Tensor | None, pin: bool) -> Any:
    if isinstance(value, _Slot) and memory is not None:
        stored = memory[value.index, : value.count]
        return stored.pin_memory() if pin else stored.clone()
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value)
        return tensor.pin_memory() if pin else tensor
    return value
