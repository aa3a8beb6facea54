"""What commands print: a sign of life at the start; tables for people, JSON for programs."""

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH_OF_FILES = 120
_WIDEST = 10_000
_SHORTEST_NAME = 12
"""So much of a name stands in one line."""


def say_loading() -> None:
    """On a terminal, fill the seconds that PyTorch takes to load; elsewhere stderr stays clean."""
    if sys.stderr.isatty():
        typer.echo("loading ...", err=True)


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(content, indent=2))


def print_table(table: Any) -> None:
    """A rich table, or a group of tables and lines, on stdout.

    Figures stand right in their columns and are never cut off: where room is short, headings and
    names are wrapped, and where there is too little for that, the table is wider than the terminal.
    """
    from rich.console import Console, Group
    from rich.table import Table

    for item in table.renderables if isinstance(table, Group) else [table]:
        console = Console(highlight=False)
        width = console.width if console.is_terminal else _WIDTH_OF_FILES
        if isinstance(item, Table) and _measure(item) > width:
            width = max(width, _keep_figures_whole(item))
        # Without a height, a dumb terminal would make the width 80 again.
        Console(highlight=False, width=width, height=console.height).print(item)


def _keep_figures_whole(table: "Table") -> int:
    """Let names and headings alone give way; returns the width that the table needs at least."""
    from rich.cells import cell_len

    spare = 0
    for column in table.columns:
        cells = max((cell_len(str(cell)) for cell in column.cells), default=0)
        words = max((cell_len(word) for word in str(column.header).split()), default=0)
        column.no_wrap = False
        column.overflow = "fold"
        if column.justify == "right":
            column.width = max(cells, words)
        else:
            spare += max(0, cells - max(words, _SHORTEST_NAME))
    return _measure(table) - spare


def _measure(table: "Table") -> int:
    """Its width where there is room for everything."""
    from rich.console import Console

    return Console(width=_WIDEST, height=1).measure(table).maximum
