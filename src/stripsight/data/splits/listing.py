"""Which splits lie beside a data set, by name alone; nothing of them is checked."""

from pathlib import Path

from stripsight.data.splits.files import find_set
from stripsight.data.splits.partition import check_name


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
    """Why there is no split of that name, and which there are; None where it is there.

    Raises:
        SplitError: an unusable name.
    """
    check_name(name)
    names = list_splits(root)
    if name in names or (root / "splits" / f"{name}.json").exists():
        return None
    folds = list_folds(root).get(name)
    if folds:
        return f"{name!r} is a set of {len(folds)} folds: name one of {', '.join(folds)}"
    stored = f"stored are {', '.join(names)}" if names else "none is stored"
    return f"split {name!r} does not exist ({stored}): `stripsight data split` makes one"
