"""What is advised about folds is a command that there is."""

import re

import typer

from stripsight.cli.app import app
from stripsight.data.analysis.split_advice import advise_folds
from stripsight.data.splits.store import make_folds, save_splits


def test_folds_are_judged_by_a_command_that_exists(make_prepared):
    dataset = make_prepared([{1: "box"}, {}] * 6)
    before = advise_folds(dataset.root)
    assert "--scheme kfold" in before
    save_splits(dataset, make_folds(dataset, "cv", folds=3, seed=0))
    after = advise_folds(dataset.root)
    assert "cv-1, cv-2, cv-3" in after
    commands = typer.main.get_command(app).commands
    for advice in (before, after):
        assert "folds" in re.findall(r"`stripsight (\w+)", advice)
        assert set(re.findall(r"`stripsight (\w+)", advice)) <= commands.keys()
