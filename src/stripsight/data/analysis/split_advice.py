"""What the analysis advises about splits: commands with names that are free, and stored folds."""

from pathlib import Path

from stripsight.data.analysis.finding import name_folder
from stripsight.data.splits.files import find_set
from stripsight.data.splits.listing import list_folds, list_splits
from stripsight.data.splits.partition import Split


def remake_split(root: Path, name: str | None) -> str:
    """The command that makes a stored split again in its own place, a fold with its whole set."""
    of = find_set(root / "splits" / f"{name}.json")
    what = f"{of} --scheme kfold" if of is not None else name
    return f"`stripsight data split {name_folder(root)} --name {what} --force`"


def suggest_split(root: Path, split: Split | None = None) -> str:
    """The command that makes a split, with another name and seed than `split`, if one is given."""
    command = f"stripsight data split {name_folder(root)} --name"
    if split is None:
        return f"`{command} holdout`"
    of = split.fold.of if split.fold else split.name
    taken = {*list_splits(root), *list_folds(root)}
    seed = (split.seed or 0) + 1
    while f"{of}-seed{seed}" in taken:
        seed += 1
    folds = " --scheme kfold" if split.fold else ""
    return f"`{command} {of}-seed{seed} --seed {seed}{folds}`"


def advise_folds(root: Path) -> str:
    """To judge over folds: the stored ones, or how to make some; without its full stop."""
    for folds in list_folds(root).values():
        return (
            f"Judge over the stored folds {', '.join(folds)}, so that every image is tested once"
            " (`stripsight folds RUN RUN...` judges a run of each together)"
        )
    return (
        "Judge over folds, so that every image is tested once (`stripsight data split"
        f" {name_folder(root)} --name folds --scheme kfold`, a run of each, then `stripsight folds"
        " RUN RUN...`)"
    )
