"""Measure many images on all cores, in processes of our own.

Processes, not threads: numpy's small operations hold the interpreter's lock. Started as plain
`python -c`, not through multiprocessing: that would import the user's script, and torch with it,
into every worker, or copy a process whose other threads hold locks. A worker that dies is an error
that says so; an interrupt ends them all at once; and when this process is killed they read the end
of their socket and stop.
"""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from stripsight.data.statistics.worker import ImageFile, Measured, Wanted, measure_files
from stripsight.errors import DataError

_CHUNK = 16
# Fewer images than this do not repay the start of another process.
_IMAGES_PER_PROCESS = 200
# One thread each. And memory that glibc gives back after every image must be fetched, page by page,
# for the next: a third of the time of decoding.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}

# The path comes first: what is imported next must be found as this process finds it.
_PROGRAM = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
from stripsight.data.statistics.worker import serve
serve(connection)
"""


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    in_hand: deque[Sequence[ImageFile]] = field(default_factory=deque)


def measure_in_processes(
    files: Sequence[ImageFile], wanted: Wanted, *, workers: int | None = None
) -> Iterator[Measured]:
    """Measure images, in any order, as they come.

    Args:
        files: keys need not be unique.
        wanted: what to take besides the statistics.
        workers: processes; if None one a core, fewer for few images. 1 works in this process.

    Raises:
        DataError: a worker died.
    """
    if workers is None:
        cores = len(os.sched_getaffinity(0))
        workers = min(cores, 1 + len(files) // _IMAGES_PER_PROCESS)
    chunks = deque(files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK))
    if min(workers, len(chunks)) <= 1:
        for chunk in chunks:
            yield from measure_files(chunk, wanted)
        return
    running: list[_Worker] = []
    try:
        for _ in range(min(workers, len(chunks))):
            running.append(_start_worker())
        yield from _share_out(chunks, wanted, running)
    finally:
        # Also when the caller stops half-way or is interrupted: nothing that they do is worth
        # waiting for.
        for worker in running:
            worker.process.kill()
            worker.process.wait()
            worker.connection.close()


def _share_out(
    chunks: deque[Sequence[ImageFile]], wanted: Wanted, running: list[_Worker]
) -> Iterator[Measured]:
    worker_of = {worker.connection: worker for worker in running}
    for worker in running:
        # Two chunks each, so that none waits while the answer to its first is read.
        for _ in range(2):
            _hand_over(worker, chunks, wanted)
    while any(worker.in_hand for worker in running):
        for connection in wait(list(worker_of)):
            assert isinstance(connection, Connection)
            worker = worker_of[connection]
            try:
                answer: list[Measured] = connection.recv()
            except (EOFError, OSError) as error:
                raise DataError(_describe_death(worker)) from error
            worker.in_hand.popleft()
            _hand_over(worker, chunks, wanted)
            yield from answer


def _hand_over(worker: _Worker, chunks: deque[Sequence[ImageFile]], wanted: Wanted) -> None:
    if chunks:
        chunk = chunks.popleft()
        worker.in_hand.append(chunk)
        _send(worker, (chunk, wanted))


def _send(worker: _Worker, message: object) -> None:
    try:
        worker.connection.send(message)
    except OSError as error:
        raise DataError(_describe_death(worker)) from error


def _start_worker() -> _Worker:
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            # -P: a file of the working directory must not stand in for a module.
            [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            # A group of its own: an interrupt from the terminal is for this process to handle.
            process_group=0,
            env=os.environ | _ENVIRONMENT,
        )
    worker = _Worker(process, ours)
    _send(worker, sys.path)
    return worker


def _describe_death(worker: _Worker) -> str:
    code = worker.process.wait()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    where = ""
    if worker.in_hand:
        chunk = worker.in_hand[0]
        where = f" at {chunk[0].path.name} or one of the {len(chunk) - 1} images after it"
    return (
        f"a process that measures images {how}{where}: if memory is short, free some;"
        " then run the command again"
    )
