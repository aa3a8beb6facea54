"""Look-alikes on two sides of a split, found and named: figures look better than they are.

A group (`duplicate_group` of the data set) whose labelled images lie in more than one part leaks.
"""

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from stripsight.data.lookalikes.links import IDENTICAL, Link, load_links
from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.partition import Split
from stripsight.reporting.quantities import format_quantity


@dataclass(frozen=True, slots=True)
class Leak:
    """Two images of one group on two sides; `kind` says how alike the two are."""

    first: str
    second: str
    first_part: str
    second_part: str
    kind: str

    def __str__(self) -> str:
        return (
            f"{self.first!r} in {self.first_part} and {self.second!r} in {self.second_part} are"
            f" look-alikes ({self.kind})"
        )


def find_leaks(dataset: PreparedDataset, split: Split) -> tuple[Leak, ...]:
    """One leak for each group that crosses the split, in the order of the groups' first images.

    Raises:
        DatasetError: the stored links are damaged.
    """
    table = dataset.labelled_images
    members: dict[int, list[str]] = {}
    for name, group in zip(table["id"], table["duplicate_group"], strict=True):
        if group >= 0:
            members.setdefault(int(group), []).append(str(name))
    part_of = split.assignment
    crossing = [names for names in members.values() if len({part_of[n] for n in names}) > 1]
    if not crossing:
        return ()
    apart = [
        link
        for link in load_links(dataset) or ()
        if link.first in part_of
        and link.second in part_of
        and part_of[link.first] != part_of[link.second]
    ]
    sha256_of = dict(zip(dataset.images["id"], dataset.images["sha256"], strict=True))
    return tuple(_describe_leak(names, part_of, apart, sha256_of) for names in crossing)


def summarise_leaks(dataset: PreparedDataset, split: Split, leaks: Sequence[Leak]) -> str:
    """One line: the first leak, how many there are, and the command that makes a split without."""
    more = f"; {len(leaks):,} groups cross it" if len(leaks) > 1 else ""
    name, words = _name_successor(dataset, split), []
    if split.fold:
        words = ["--scheme", "kfold", "--folds", str(split.fold.count)]
    command = shlex.join(["stripsight", "data", "split", str(dataset.root), "--name", name, *words])
    stored = f"{name}-{split.fold.number}" if split.fold else name
    return (
        f"split {split.name!r} leaks: {leaks[0]}{more}. `{command}` makes one that does not, for"
        f" data.split={stored}"
    )


def describe_leaks(dataset: PreparedDataset, split: Split, leaks: Sequence[Leak]) -> str:
    """One line as `summarise_leaks`; of a split by random, what it is for and how to be rid of it.

    There is no command that deletes a split: it is two files.
    """
    if split.by != "random":
        return summarise_leaks(dataset, split, leaks)
    of = split.fold.of if split.fold else split.name
    names = [f"{of}-{i}" for i in range(1, split.fold.count + 1)] if split.fold else [of]
    files = ", ".join(f"splits/{name}.csv and splits/{name}.json" for name in names)
    return (
        f"split {split.title}: {format_quantity(len(leaks), 'group')} of look-alikes on two sides,"
        f" the first: {leaks[0]}. It is for comparison only: once that is done, delete"
        f" {files}"
    )


def _describe_leak(
    names: list[str], part_of: dict[str, str], apart: list[Link], sha256_of: dict[str, str]
) -> Leak:
    """The leak of one group, by a link between the sides where there is one."""
    inside = set(names)
    link = next((link for link in apart if link.first in inside), None)
    if link is not None:
        first, second, kind = link.first, link.second, link.kind
    else:
        first = names[0]
        second = next(name for name in names if part_of[name] != part_of[first])
        same = sha256_of[first] == sha256_of[second]
        kind = IDENTICAL if same else "one group"
    return Leak(first, second, part_of[first], part_of[second], kind)


def _name_successor(dataset: PreparedDataset, split: Split) -> str:
    """A name that no stored split has: a run on the old split must still find it."""
    base = f"{split.fold.of if split.fold else split.name}"[:80] + "-regrouped"
    names = itertools.chain([base], (f"{base}{number}" for number in itertools.count(2)))
    folder = dataset.root / "splits"
    return next(name for name in names if not any(folder.glob(f"{name}[.-]*")))
