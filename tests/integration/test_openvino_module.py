"""Engines that come and go leave the process able to hear a signal."""

import ctypes
import gc
import threading
from collections.abc import Callable
from pathlib import Path

from stripsight.bundle.folder import open_bundle
from stripsight.scoring.engine import EngineSettings, load_engine


class _Stack(ctypes.Structure):
    """`stack_t` of sigaltstack(2)."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def is_signal_stack_there() -> bool:
    """Whether this thread's stack for signal handlers is memory of the process, or it has none."""
    stack = _Stack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    if not stack.start:
        return True
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split()[0].split("-") for line in lines]
    return any(int(low, 16) <= stack.start < int(high, 16) for low, high in ranges)


def test_engines_freed_in_turn_or_elsewhere_leave_a_stack_for_signals(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    engines = [load_engine(bundle, EngineSettings(engine="openvino")) for _ in range(3)]
    assert is_signal_stack_there()
    while engines:
        engines.pop(0)  # as when a new bundle takes the place of the old one
        gc.collect()
        assert is_signal_stack_there()
    engines = [load_engine(bundle, EngineSettings(engine="openvino"))]
    other = threading.Thread(target=engines.clear)
    other.start()
    other.join()
    assert is_signal_stack_there()
