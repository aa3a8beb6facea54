"""Progress of long work on stderr: a bar on a terminal, else a plain line every few seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import typer

_SECONDS_BETWEEN_LINES = 5.0

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
            typer.echo(f"{what}: {done:,}/{total:,}", err=True)

    return report
