"""Which splits lie beside a data set, by name alone; nothing of them is checked."""

import difflib
import shlex
from collections.abc import Collection
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


def is_listed(root: Path, name: str) -> bool:
    """Whether a split of that name lies there, whole or not.

    Raises:
        SplitError: an unusable name.
    """
    check_name(name)
    return any((root / "splits" / f"{name}{suffix}").exists() for suffix in (".csv", ".json"))


def describe_absence(root: Path, name: str, *, also: Collection[str] = ()) -> str:
    """Why there is no split of that name, and which there are.

    Args:
        root: the data set's folder.
        name: that is not listed.
        also: names besides the stored ones that may have been meant.
    """
    folds = list_folds(root).get(name)
    if folds:
        return f"{name!r} is a set of {len(folds)} folds: name one of {', '.join(folds)}"
    names = list_splits(root)
    nearest = difflib.get_close_matches(name, {*names, *also})
    if nearest:
        hint = f"did you mean {' or '.join(nearest)}?"
    else:
        hint = f"stored: {', '.join(names)}" if names else "none is stored"
    command = shlex.join(["stripsight", "data", "split", str(root), "--name", name])
    return f"split {name!r} is not stored ({hint}): `{command}` makes it"
