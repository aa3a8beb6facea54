"""What every command says on a terminal: progress bars, tables, JSON.

Bars and colours only where somebody looks; plain lines elsewhere.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer


def is_terminal() -> bool:
    """Whether stderr, where progress goes, is a terminal."""
    return typer.get_text_stream("stderr").isatty()


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(content, indent=2))


def print_table(table: Any) -> None:
    """A rich table on stdout, never cut off at the edge of what is no terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    console.print(table)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Gives (title, total) to a function that advances; plain lines where nobody looks."""
    if not is_terminal():

        def announce(title: str, total: int) -> Callable[[int], None]:
            typer.echo(f"{title}: {total:,} images", err=True)
            return lambda count: None

        yield announce
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def add(title: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(title, total=total)
            return lambda count: bars.advance(task, count)

        yield add
