"""Progress off a terminal: silent for short work, a line now and then for long work."""

import pytest

from stripsight.cli import progress


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
