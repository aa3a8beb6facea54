"""A sign of life for people alone: what is piped or logged holds nothing but what it is for."""

import sys

import pytest

from stripsight.cli.terminal import say_loading


@pytest.mark.parametrize(("terminal", "said"), [(True, "loading ...\n"), (False, "")])
def test_loading_is_said_on_a_terminal_alone(terminal, said, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    say_loading()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)
