"""One finding: how serious it is, its number, what it means, what to do; and how sure an F1 can be.

The findings themselves are in `label_findings.py` (what the tables say) and `image_findings.py`
(what the pixels say); `findings.py` puts them in order.
"""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stripsight.data.analysis.counts import ClassCounts, name_in_full
from stripsight.reporting.page import Level
from stripsight.reporting.quantities import format_count

ASSUMED_F1 = 0.8
ASSUMED_TEST_SHARE = 0.15
_NAMED = 6


@dataclass(frozen=True)
class Finding:
    """What somebody should know before training.

    Attributes:
        level: `serious`, `look` or `note`.
        kind: a word for programs.
        title: a sentence without its full stop.
        number: the figure behind it.
        unit: of the number.
        text: what it means.
        action: what to do.
        details: item by item.
        images: ids of all images it speaks of, for analysis.json.
        weight: orders findings of one level, the highest first.
    """

    level: Level
    kind: str
    title: str
    number: str
    unit: str
    text: str
    action: str
    details: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    weight: float = 0.0


def compute_f1_half_width(positives: float, f1: float = ASSUMED_F1) -> float:
    """Half the width of the 95 % interval of an F1 that rests on so many positives.

    With as many escapes as overkills, so that precision = recall = F1 = p. True positives and both
    kinds of error are Poisson counts around np and n(1 - p); the delta method then gives the
    variance (p (1 - p)^2 + p^2 (1 - p) / 2) / n of 2TP / (2TP + FP + FN). 43 positives at p = 0.8
    give 0.09.

    Returns:
        At most 0.5; 0.5 where there is no positive.
    """
    if positives <= 0:
        return 0.5
    variance = (f1 * (1 - f1) ** 2 + f1**2 * (1 - f1) / 2) / positives
    return min(0.5, 1.96 * math.sqrt(variance))


def name_class(counts: ClassCounts) -> str:
    """A class in a sentence: `defect_4 (spots)`; the name alone where the title says no more."""
    return name_in_full(counts.name, counts.title)


def cut_list(items: Sequence[str], most: int = _NAMED) -> tuple[str, ...]:
    """The first few items, and how many more there are."""
    if len(items) <= most:
        return tuple(items)
    return (*items[:most], f"and {format_count(len(items) - most)} more, see analysis.json")


def name_images(ids: Sequence[str], most: int = 3) -> tuple[str, ...]:
    """The first images by id, and where the others are named, as one detail."""
    rest = len(ids) - most
    named = ", ".join(ids[:most])
    return (f"{named}, and {format_count(rest)} more in analysis.json" if rest > 0 else named,)


def name_folder(root: Path) -> str:
    """A data set's folder as a word of a command line."""
    return shlex.quote(str(root))
