"""A sign of life for people alone: what is piped or logged holds nothing but what it is for."""

import re
import sys

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stripsight.cli.terminal import print_table, say_loading


@pytest.mark.parametrize(("terminal", "said"), [(True, "loading ...\n"), (False, "")])
def test_loading_is_said_on_a_terminal_alone(terminal, said, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    say_loading()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)


NAME = "scratch_" * 8  # of 64 characters
FIGURES = ["1,234", "0.873 (0.78-0.94)", "0.912 (0.88-0.95)", "12 / 3 / 4", "5,678 of 9,012"]


def build_table(no_wrap: bool, columns: int) -> Table:
    table = Table()
    table.add_column("class", no_wrap=no_wrap)
    for number in range(columns):
        table.add_column(f"setting no. {number}", justify="right", no_wrap=no_wrap)
    for name in (NAME, "b"):
        table.add_row(Text(name), *(FIGURES * 3)[:columns])
    return table


@pytest.mark.parametrize("no_wrap", [True, False])
@pytest.mark.parametrize("columns", [1, 5, 11])
@pytest.mark.parametrize("terminal", [None, 20, 80, 200])
def test_figures_are_never_cut_off(terminal, columns, no_wrap, monkeypatch, capsys):
    if terminal:
        monkeypatch.setenv("COLUMNS", str(terminal))
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
    print_table(Group(build_table(no_wrap, columns), Text("note: below")))
    printed = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    for figure in set((FIGURES * 3)[:columns]):
        assert printed.count(figure) == 2 * (FIGURES * 3)[:columns].count(figure)
    # The name is whole, in one line or more.
    rows = [line.split("\u2502") for line in printed.splitlines() if line.startswith("\u2502")]
    assert NAME in "".join(row[1].strip() for row in rows)
    assert "note: below" in printed
    if terminal == 80 and columns == 1:
        assert max(map(len, printed.splitlines())) <= 80
