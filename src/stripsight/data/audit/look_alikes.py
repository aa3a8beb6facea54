"""Suspects that are look-alikes of each other: one decision often answers them all."""

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from stripsight.data.audit.confident_learning import Suspect

_NAMED = 8


def name_groups(images: pd.DataFrame) -> dict[str, int]:
    """The `duplicate_group` of each `id`."""
    return dict(zip(images["id"], images["duplicate_group"].tolist(), strict=True))


def find_look_alikes(
    suspects: Sequence[Suspect], images: pd.DataFrame
) -> tuple[tuple[int, ...], ...]:
    """For each suspect the numbers, from 1, of those whose image is a look-alike of its own.

    Args:
        suspects: in the order of the sheet.
        images: of the data set, with `id` and `duplicate_group`; the same image is no look-alike.
    """
    group_of = name_groups(images)
    members: dict[int, list[int]] = defaultdict(list)
    for number, suspect in enumerate(suspects, start=1):
        members[group_of[suspect.image]].append(number)
    return tuple(
        tuple(n for n in members[group_of[s.image]] if suspects[n - 1].image != s.image)
        for s in suspects
    )


def describe_look_alikes(numbers: Sequence[int]) -> str:
    """Their numbers in words, not so that a spreadsheet takes them for a date; empty for none."""
    if not numbers:
        return ""
    more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
    return f"look-alike of number {', '.join(map(str, numbers[:_NAMED]))}{more}"
