"""What commands print: a sign of life at the start; tables for people, JSON for programs."""

import json
import sys
from typing import Any

import typer


def say_loading() -> None:
    """On a terminal, fill the seconds that PyTorch takes to load; elsewhere stderr stays clean."""
    if sys.stderr.isatty():
        typer.echo("loading ...", err=True)


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
