"""Progress of long work on stderr: a bar on a terminal, else a plain line every few seconds."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import typer

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_POINTS = 0.5
_SECONDS_OF_PACE = 30.0

Report = Callable[[int, int], None]
"""Takes (done, in all)."""


@contextmanager
def show_progress(what: str) -> Iterator[Report]:
    """Show how far `what` has come while the block runs."""
    if not sys.stderr.isatty():
        yield _print_now_and_then(what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def show_rate(what: str, unit: str) -> Iterator[Report]:
    """Show how far `what` has come, how many `unit` a second, and the time left.

    The first report says what was done before; it counts for no rate.
    """
    rate = _Rate()
    if not sys.stderr.isatty():
        yield lambda done, total: rate.print_now_and_then(what, unit, done, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None, pace="")

        def report(done: int, total: int) -> None:
            pace = rate.describe(unit, done, total)
            progress.update(task, completed=done, total=total, pace=pace)

        yield report


def print_count(what: str, unit: str) -> Callable[[int], None]:
    """For work without an end: a plain line every few seconds in which something was done."""
    last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _say(f"{what} {done:,} {unit}")

    return report


class _Rate:
    """Pace over the last seconds, by reports of (done, in all)."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()
        self._printed = time.monotonic()

    def describe(self, unit: str, done: int, total: int) -> str:
        """`12.3 images/s, 4:05 left`; empty before anything was done."""
        now = time.monotonic()
        if not self._points or now - self._points[-1][0] >= _SECONDS_BETWEEN_POINTS:
            self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[0][0] > _SECONDS_OF_PACE:
            self._points.popleft()
        begun, first = self._points[0]
        if done == first or now <= begun:
            return ""
        pace = (done - first) / (now - begun)
        left = round((total - done) / pace)
        clock = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        return f"{pace:.1f} {unit}/s, {clock.removeprefix('0:')} left"

    def print_now_and_then(self, what: str, unit: str, done: int, total: int) -> None:
        """A plain line every few seconds."""
        pace = self.describe(unit, done, total)
        now = time.monotonic()
        if pace and now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            _say(f"{what}: {done:,}/{total:,}, {pace}")


class Stages(ExitStack):
    """Progress of one stage after the other, each under its own name."""

    def __init__(self) -> None:
        super().__init__()
        self._what = ""
        self._report: Report = lambda done, total: None

    def report(self, what: str, done: int, total: int) -> None:
        """Show how far stage `what` is; the one before it has ended."""
        if what != self._what:
            self.close()
            self._what, self._report = what, self.enter_context(show_progress(what))
        self._report(done, total)


def _print_now_and_then(what: str) -> Report:
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _say(f"{what}: {done:,}/{total:,}")

    return report


def _say(line: str) -> None:
    # Where stderr is a full disk or a closed pipe, the work goes on unseen.
    with suppress(OSError):
        typer.echo(line, err=True)
