"""Which splits lie beside a data set, by name alone, and what a new one may be called.

Nothing is checked here: that is `splits/store.py`'s business.
"""

from pathlib import Path

from stripsight.data.analysis.finding import name_folder
from stripsight.data.splits.files import find_set
from stripsight.data.splits.partition import Split


def list_splits(root: Path) -> list[str]:
    """Names of the stored splits, folds too, sorted."""
    return sorted(path.stem for path in (root / "splits").glob("*.csv"))


def list_folds(root: Path) -> dict[str, list[str]]:
    """Names of the folds of each stored set, by the set's name."""
    sets: dict[str, list[str]] = {}
    for name in list_splits(root):
        of = find_set(root / "splits" / f"{name}.json")
        if of is not None:
            sets.setdefault(of, []).append(name)
    for folds in sets.values():
        folds.sort(key=lambda name: (len(name), name))
    return sets


def describe_absence(root: Path, name: str) -> str | None:
    """Why there is no split of that name, and which there are; None where it is there."""
    names = list_splits(root)
    if name in names:
        return None
    folds = list_folds(root).get(name)
    if folds:
        return f"{name!r} is a set of {len(folds)} folds: name one of {', '.join(folds)}"
    stored = f"stored are {', '.join(names)}" if names else "none is stored"
    return f"split {name!r} does not exist ({stored}): `stripsight data split` makes one"


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
        return f"Judge over the stored folds {', '.join(folds)}, so that every image is tested once"
    return (
        "Judge over folds, so that every image is tested once (`stripsight data split"
        f" {name_folder(root)} --name folds --scheme kfold`)"
    )
