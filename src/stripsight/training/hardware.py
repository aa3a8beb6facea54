"""What the machine can do, and what it is, for the run's record."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

_LIGHTNING_NAMES = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
PRECISIONS = frozenset(_LIGHTNING_NAMES.values())


def choose_precision(wanted: str, *, on_gpu: bool) -> Any:
    """Lightning's precision for `auto`, `32`, `bf16` or `16`.

    `auto` is bf16 where the machine computes in it and 32 elsewhere: on a CPU without such
    instructions bf16 is emulated and slower than 32.
    """
    if wanted == "auto":
        if on_gpu:
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        wanted = "bf16" if fast else "32"
    return _LIGHTNING_NAMES[wanted]


def choose_workers(wanted: int | None, *, on_gpu: bool) -> int:
    """Loader processes: as asked; else at most 8, one a core beside a GPU, else one for four cores.

    Where the network itself computes on the CPU, loaders take the cores from it: on two cores an
    epoch with two of them took 24 s, with none 21 s (EXPERIMENTS.md).
    """
    if wanted is not None:
        return wanted
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if not on_gpu:
        return min(cores // 4, 8)
    return min(cores, 8) if cores > 1 else 0


def describe_hardware() -> dict[str, Any]:
    """Processor, cores and GPU, as plain data."""
    return {
        "platform": platform.platform(),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
    }


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
