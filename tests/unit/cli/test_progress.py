"""Progress off a terminal: silent for short work, a line now and then for long work."""

import errno
import io
import logging
import sys

import pytest

from stripsight.cli import progress
from stripsight.log import configure_logging


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show_progress("decoding") as report:
        report(10, 10)
    assert capsys.readouterr().err == ""


def test_long_work_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.show_progress("decoding") as report:
        report(10, 1200)
    assert capsys.readouterr().err == "decoding: 10/1,200\n"


class Full(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_work_goes_on_where_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(progress._Rate, "describe", lambda *_: "1 image/s")
    monkeypatch.setattr(sys, "stderr", Full())
    with progress.show_progress("decoding") as report:
        report(1, 2)
    with progress.show_rate("scoring", "images") as report:
        report(1, 2)
    progress.print_count("scored", "images")(1)
    logger = logging.getLogger("stripsight")
    before = logger.handlers[:], logger.level, logger.propagate
    configure_logging()
    logger.warning("a share is away")
    logger.handlers[:], logger.level, logger.propagate = before
