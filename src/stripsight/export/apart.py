"""int8 by a recipe that may need more memory than there is: in a process of its own, with a limit.

Correcting biases layer after layer took NNCF 12 GiB for DenseNet121 at 256x1600, 9 for ResNet50.
Where there is less, that process ends and the export goes on with the next recipe, instead of the
system ending the export.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from stripsight.errors import ModelError, StripSightError
from stripsight.export.quantise import Work, import_nncf, quantise

_SHARE = 0.8  # of the memory that is free


def quantise_apart(
    work: Work, report_image: Callable[[], None] = lambda: None, *, limit: int | None = None
) -> None:
    """`quantise` in a process of its own.

    Args:
        work: see `quantise`.
        report_image: likewise.
        limit: bytes that it may take; None: most of what is free, or no limit where that cannot be
            told.

    Raises:
        ModelError: it needs more memory than that, or NNCF cannot quantise the network.
    """
    # Not forked: the engine's threads would not come along, their locks would.
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    most = _find_free() if limit is None else limit
    process = context.Process(target=_do, args=(work, send, most), daemon=True)
    process.start()
    send.close()
    fault = None
    try:
        while True:
            said = receive.recv()
            if said is None:
                report_image()
            else:
                fault = said
    except EOFError:
        process.join()
    finally:
        process.terminate()
        receive.close()
    if fault is not None:
        raise ModelError(fault)
    if process.exitcode:
        raise ModelError(f"it was ended, probably for want of memory (exit {process.exitcode})")


def _do(work: Work, send: Connection, limit: int | None) -> None:
    import_nncf()  # now: for want of memory it would look as if it were not installed
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        quantise(work, lambda: send.send(None))
    except (MemoryError, RuntimeError, OSError, StripSightError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        most = "what is free" if limit is None else f"{limit / 2**30:.1f} GiB"
        send.send(f"{reason} (in a process that may take {most} of memory)")


def _find_free() -> int | None:
    """Bytes that Linux says can be had without swapping, less some for others."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    entries = dict(line.split(":", 1) for line in lines)
    return int(_SHARE * 1024 * int(entries["MemAvailable"].split()[0]))
