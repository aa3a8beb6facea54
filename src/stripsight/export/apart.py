"""int8 by a recipe that may need more memory than there is: in a process of its own, watched.

Correcting biases layer after layer took NNCF 12 GiB for DenseNet121 at 256x1600, 9 for ResNet50.
Where there is less, that process is ended and the export goes on with the next recipe, instead of
the system ending the export. It is watched from outside: with a limit of the system's, allocations
fail wherever they happen to be, and a library that fails while it holds a lock waits forever (seen
in OpenVINO's `read_model`).
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from stripsight.errors import ModelError, StripSightError
from stripsight.export.quantise import Work, quantise

_SHARE = 0.8  # of the memory that is free
_LOOK_EVERY = 0.1  # seconds; some hundred MiB can be taken meanwhile


def quantise_apart(
    work: Work, report_image: Callable[[], None] = lambda: None, *, limit: int | None = None
) -> None:
    """`quantise` in a process of its own.

    Args:
        work: see `quantise`.
        report_image: likewise.
        limit: bytes that it may hold; None: most of what is free, or no limit where that cannot be
            told.

    Raises:
        ModelError: it needs more memory than that, or NNCF cannot quantise the network.
    """
    # Not forked: the engine's threads would not come along, their locks would.
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    most = _find_free() if limit is None else limit
    process = context.Process(target=_do, args=(work, send), daemon=True)
    process.start()
    send.close()
    fault = None
    try:
        while fault is None:
            if receive.poll(_LOOK_EVERY):
                said = receive.recv()
                if said is None:
                    report_image()
                else:
                    fault = said
            if fault is None and most is not None and _find_held(process.pid) > most:
                fault = f"it needs more memory than {most / 2**30:.1f} GiB"
    except EOFError:
        process.join()
    finally:
        process.kill()
        process.join()
        receive.close()
    if fault is not None:
        raise ModelError(fault)
    if process.exitcode:
        raise ModelError(f"it was ended, probably for want of memory (exit {process.exitcode})")


def _do(work: Work, send: Connection) -> None:
    try:
        quantise(work, lambda: send.send(None))
    except (MemoryError, RuntimeError, OSError, StripSightError) as error:
        send.send(" ".join(str(error).split())[:200] or type(error).__name__)


def _find_held(process: int | None) -> int:
    """Bytes of memory that a process holds; 0 where it has ended or that cannot be told."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGESIZE"
        )
    except (OSError, IndexError):
        return 0


def _find_free() -> int | None:
    """Bytes that Linux says can be had without swapping, less some for others."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    entries = dict(line.split(":", 1) for line in lines)
    return int(_SHARE * 1024 * int(entries["MemAvailable"].split()[0]))
