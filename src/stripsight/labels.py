"""The class list of a data set: ids, names, titles, colours.

Nothing but `SEVERSTAL` knows the number four. The order of a class list is the order of the columns
of every label matrix, logit vector and class map made from it.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from stripsight.errors import DataError, UnknownClassError

# Okabe and Ito's palette without black: apart for the colour-blind, and of different grey in print.
_COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")

_LONGEST_NAME = 64
# Control characters, surrogates, and what breaks a line: no table, file or terminal takes them.
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class DefectClass:
    """One kind of defect: `id` as its source numbers it, `name` for files, `title` for people."""

    id: int
    name: str
    title: str


@dataclass(frozen=True)
class ClassList:
    """The classes of one data set, in column order.

    Raises:
        DataError: no class, an id or name twice, or a name that is none.
    """

    classes: tuple[DefectClass, ...]

    def __post_init__(self) -> None:
        if not self.classes:
            raise DataError("the class list is empty: name at least one class")
        for name in self.names:
            if fault := find_fault_of_class_name(name):
                raise DataError(fault)
        for c in self.classes:
            if not is_line(c.title):
                raise DataError(f"the title {c.title!a} of class {c.name!r} is no line of text")
        for what in ("id", "name"):
            values = [getattr(c, what) for c in self.classes]
            twice = sorted({str(v) for v in values if values.count(v) > 1})
            if twice:
                raise DataError(f"the class list has the {what} {twice[0]!r} twice")

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "ClassList":
        """Number `names` from 1 as given; titles are the names with blanks for underscores."""
        return cls(
            tuple(DefectClass(i, n, n.replace("_", " ")) for i, n in enumerate(names, start=1))
        )

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> "ClassList":
        """Read what `to_json` wrote.

        Raises:
            DataError: a row without id, name or title.
        """
        try:
            return cls(
                tuple(DefectClass(int(r["id"]), str(r["name"]), str(r["title"])) for r in rows)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the class list is damaged: {error!r}") from error

    def to_json(self) -> list[dict[str, Any]]:
        """Plain rows for a JSON file."""
        return [{"id": c.id, "name": c.name, "title": c.title} for c in self.classes]

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[DefectClass]:
        return iter(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in column order."""
        return tuple(c.name for c in self.classes)

    @cached_property
    def column_of(self) -> dict[int, int]:
        """Column of each class id."""
        return {c.id: column for column, c in enumerate(self.classes)}

    def find(self, key: str) -> DefectClass:
        """The class whose name or else id is `key`, as it stands in an annotation file.

        Where a name is a number, ids are not tried: `4` must not mean the fourth of 0, 1, 2, 3.

        Raises:
            UnknownClassError: none has; the message names the nearest.
        """
        for c in self.classes:
            if key == c.name:
                return c
        if not any(name.isdecimal() for name in self.names):
            for c in self.classes:
                if key == str(c.id):
                    return c
        near = get_close_matches(key, self.names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self.names)}"
        raise UnknownClassError(f"class {key!r} is not in the class list; {hint}")

    def color(self, column: int) -> str:
        """Colour of a column as `#RRGGBB`; repeats after seven classes."""
        return _COLORS[column % len(_COLORS)]


def find_fault_of_class_name(name: str) -> str | None:
    """Why no class may have that name; None where one may."""
    if not name.strip():
        return "a class name is blank"
    if len(name) > _LONGEST_NAME:
        return (
            f"the class name {name[:20]!a}... has {len(name):,} characters: at most {_LONGEST_NAME}"
        )
    if not is_line(name):
        return f"the class name {name!a} holds control characters"
    return None


def is_line(text: str) -> bool:
    """Whether it is one line that any table, file and terminal takes."""
    return all(unicodedata.category(c) not in _UNWRITABLE for c in text)


SEVERSTAL = ClassList(
    (
        DefectClass(1, "defect_1", "scratches/cracks"),
        DefectClass(2, "defect_2", "surface defects"),
        DefectClass(3, "defect_3", "inclusions"),
        DefectClass(4, "defect_4", "spots"),
    )
)
"""Severstal's four classes (Kaggle 2019). Kaggle itself gives no names; these are the usual."""

SEVERSTAL_NOTE = (
    "What stands behind the names is common usage and not the data owner's: Kaggle gives the"
    " classes numbers only."
)
"""To be said wherever the titles of `SEVERSTAL` are first shown."""
