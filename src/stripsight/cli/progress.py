"""Progress of long work: a bar on a terminal, a plain line each tenth elsewhere; both on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

Report = Callable[[int, int], None]
"""Takes (done, in all)."""


@contextmanager
def show_progress(what: str) -> Iterator[Report]:
    """Show how far `what` has come while the block runs."""
    if not sys.stderr.isatty():
        yield lambda done, total: _print_tenth(what, done, total)
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


def _print_tenth(what: str, done: int, total: int) -> None:
    if done == total or done * 10 // total > (done - 1) * 10 // total:
        typer.echo(f"{what}: {done}/{total}", err=True)
