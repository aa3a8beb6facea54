"""The demo takes the steps of the README, in their order."""

from pathlib import Path

import pytest

from stripsight.cli import app
from stripsight.config.compose import compose_config


def test_look_alikes_are_searched_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[list[str]] = []
    run = app.run_command

    def record(words: list[str]) -> int:
        steps.append(words)
        return 0

    monkeypatch.setattr(app, "run_command", record)
    assert run(["demo", str(tmp_path / "demo"), "--seed", "3"]) == 0
    split = next(words for words in steps if words[:2] == ["data", "split"])
    train = next(words for words in steps if words[0] == "train")
    assert steps.index(split) < steps.index(train)
    config = compose_config([word for word in train[1:] if "=" in word])
    # The very split that the training takes, of the look-alikes that `data split` searches.
    assert split[3:] == ["--name", config.data.split, "--seed", str(config.data.split_seed)]
    assert config.data.root == split[2]
