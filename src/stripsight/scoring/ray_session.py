"""The one door to Ray: started on this machine, or joined, and silent either way.

Ray reports home unless it is told not to, listens on all network interfaces, prints other
machines' messages on this one's standard output, and takes SIGTERM for itself. None of that may
happen here. Ray's own log files stay as they are, for whoever looks for a fault.
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripsight.errors import ScoringError, UsageError
from stripsight.scoring.opening import ClusterOptions
from stripsight.scoring.threads import count_cores

LOCAL = "local"
_SECONDS_TO_ANSWER = 5
_OBJECT_STORE = 256 * 2**20
_LONGEST_FOLDER = 40  # the path of a socket is at most 107 bytes long, and Ray's own part takes 64

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # How long to wait for a cluster that does not answer: a minute for each of 20 tries otherwise.
    "RAY_py_gcs_connect_timeout_s": str(_SECONDS_TO_ANSWER),
    "RAY_gcs_rpc_server_connect_timeout_s": "2",
    "RAY_NUM_REDIS_GET_RETRIES": "1",
}


@dataclass
class Session:
    """Ray, ready to work.

    Attributes:
        ray: the module.
        workers: that there is room for, or as many as were asked for.
        logs: the folder of Ray's log files.
        keep_logs: of a Ray that was started here, when all is over.
    """

    ray: Any
    workers: int
    logs: Path
    keep_logs: bool = False


def check_address(address: str) -> tuple[str, int] | None:
    """Host and port of a cluster's head; None for `local`.

    Raises:
        UsageError: neither.
    """
    if address == LOCAL:
        return None
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageError(
            f"--cluster {address}: give local, or HOST:PORT of a cluster that `ray start --head`"
            " began, on one of its machines"
        )
    return host, int(port)


@contextmanager
def open_session(options: ClusterOptions, threads: int) -> Iterator[Session]:
    """Ray for the time of the block.

    Args:
        options: which machines.
        threads: cores that each worker takes.

    Raises:
        UsageError: an address that is none.
        ScoringError: nobody answers there, another Ray or Python, or no room for the workers.
        ModuleNotFoundError: Ray is not installed.
    """
    place = check_address(options.address)
    if place is None:
        workers = _count_local_workers(options, threads)
        folder = _make_folder()
        arguments = {"address": LOCAL, "num_cpus": workers * threads, **_configure(folder)}
        keep = False
        try:
            with (
                _set_environment({**_QUIET, **_describe_local_ray()}),
                _start(arguments) as (ray, logs),
            ):
                session = Session(ray, workers, logs)
                try:
                    yield session
                finally:
                    keep = session.keep_logs
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
        return
    _knock(options.address, place)
    with _set_environment(_QUIET), _start({"address": options.address}) as (ray, logs):
        yield Session(ray, _count_workers(ray, options, threads), logs)


def _describe_local_ray() -> dict[str, str]:
    return {
        # Ray's name for it; on Linux it means: the loopback interface and no other.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Whoever may talk to Ray may run programs. Without a token in the environment Ray would
        # leave one in the user's home, for all to read.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # A small /dev/shm, as containers have it, only makes it slower.
        "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
    }


def _configure(folder: Path) -> dict[str, Any]:
    return {
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE,
        "_temp_dir": str(folder),
    }


@contextmanager
def _start(arguments: dict[str, Any]) -> Iterator[tuple[Any, Path]]:
    """Ray's module and the folder of its logs."""
    # Ray takes SIGTERM, and so the command's own words when it comes.
    handler = signal.getsignal(signal.SIGTERM)
    import ray
    import ray.data

    _silence(ray)
    try:
        with _mute_stderr():
            context: Any = ray.init(
                **arguments, log_to_driver=False, logging_level=logging.CRITICAL
            )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        reason = " ".join(str(error).split())
        raise ScoringError(
            f"--cluster {arguments['address']}: {reason[:300]}; see docs/cluster.md"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)
    try:
        yield ray, Path(context.address_info["session_dir"]) / "logs"
    finally:
        ray.shutdown()


def _silence(ray: Any) -> None:
    # The one way: Ray prints what other machines say on standard output, where tables may go.
    ray._private.worker.print_to_stdstream = lambda *arguments, **more: None
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL + 1)


@contextmanager
def _mute_stderr() -> Iterator[None]:
    """While Ray's C++ begins it writes past Python."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _set_environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _make_folder() -> Path:
    """For sockets and logs."""
    base = tempfile.gettempdir()
    base = base if len(base) + len("/stripsight-12345678") <= _LONGEST_FOLDER else "/tmp"
    return Path(tempfile.mkdtemp(prefix="stripsight-", dir=base))


def _knock(address: str, place: tuple[str, int]) -> None:
    try:
        socket.create_connection(place, timeout=_SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ScoringError(
            f"--cluster {address}: nobody answers there ({error.strerror or error}): start it with"
            " `ray start --head`, see docs/cluster.md"
        ) from error


def _count_local_workers(options: ClusterOptions, threads: int) -> int:
    cores = count_cores()
    workers = max(1, cores // threads) if options.workers is None else options.workers
    if workers * threads > cores:
        raise ScoringError(
            f"--workers {workers} with {threads} threads each: this machine has {cores} cores"
        )
    return workers


def _count_workers(ray: Any, options: ClusterOptions, threads: int) -> int:
    nodes = [node for node in ray.nodes() if node["Alive"]]
    room = sum(int(node["Resources"].get("CPU", 0)) // threads for node in nodes)
    wanted = max(1, room) if options.workers is None else options.workers
    if wanted > room:
        raise ScoringError(
            f"--cluster {options.address}: {len(nodes)} nodes have room for {room} workers with"
            f" {threads} threads each, and {wanted} are wanted"
        )
    return wanted
