"""Where a run is worse than elsewhere: its images in slices, the worst first.

Of some dozen slices one always looks bad. So slices are ordered by evidence: the least by which the
slice must be worse than the rest, not how much worse it looks. The bound holds for all comparisons
at once (Bonferroni): where no slice truly differs, the chance that any is called worse is about
5 % at most.

What is compared are verdicts, not average precision, which falls by itself where positives are
rarer. Slices of different attributes overlap, and none of them says why: dark images may be those
of one coil.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stripsight.decision.policy import Codes
from stripsight.errors import EvaluationError
from stripsight.evaluation.intervals.interval import LEVEL
from stripsight.evaluation.metrics import Labels, Scores, compute_auroc, mean_of_known
from stripsight.evaluation.slices.attributes import ATTRIBUTES
from stripsight.evaluation.slices.cuts import Attribute, Cut, cut_attribute
from stripsight.evaluation.slices.fault_rates import (
    FAULTS,
    Fault,
    FaultRate,
    Rows,
    compare_rates,
    find_faults,
)
from stripsight.reporting.quantities import format_quantity, format_share

FEWEST_IMAGES = 10
"""A slice of fewer images, or one that leaves fewer outside, is none."""


@dataclass(frozen=True)
class Slice:
    """Some of the images, and how the run does on them.

    Attributes:
        attribute: column it was cut from.
        name: with bounds and units, for people.
        low: lower bound, which belongs to it; None where there is none.
        high: upper bound, which does not.
        images: how many.
        groups: how many groups of look-alikes they are.
        positives: images of it on each class, in column order.
        escape: a defect called clean; None where nothing can be compared.
        overkill: a class called that is not there; likewise.
        auroc: mean over the classes that have it both inside and outside; None without one.
        rest_auroc: outside, of the same classes.
        worst: the fault with the larger `least_gap`; None where neither has one.
    """

    attribute: str
    name: str
    low: float | None
    high: float | None
    images: int
    groups: int
    positives: tuple[int, ...]
    escape: FaultRate | None
    overkill: FaultRate | None
    auroc: float | None
    rest_auroc: float | None
    worst: Fault | None

    @property
    def worst_rate(self) -> FaultRate | None:
        """The rate of the fault that `worst` names."""
        return {"escape": self.escape, "overkill": self.overkill, None: None}[self.worst]

    @property
    def evidence(self) -> float | None:
        """The least by which it is worse than the rest, all comparisons counted."""
        return self.worst_rate.least_gap if self.worst_rate else None

    @property
    def is_worse(self) -> bool:
        """Whether it is worse than the rest beyond chance."""
        return self.evidence is not None and self.evidence > 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "evidence": self.evidence, "is_worse": self.is_worse}


def compute_slices(
    attributes: pd.DataFrame,
    codes: Codes,
    logits: Scores,
    labels: Labels,
    groups: npt.NDArray[np.integer],
    *,
    described: Sequence[Attribute] = ATTRIBUTES,
) -> tuple[Slice, ...]:
    """Every slice of the images, the worst first.

    Args:
        attributes: `[N, A]` numbers, as `build_attributes` gives them; a column that `described`
            does not name is refused, one that it names may be absent.
        codes: int8 `[N, C]` decision codes, rows as in `attributes`.
        logits: `[N, C]`, finite.
        labels: `[N, C]`.
        groups: `[N]`; look-alikes share a number.
        described: how each column is cut.

    Returns:
        By evidence, falling; slices without any come last. Empty where there are too few images, or
        all are alike.

    Raises:
        EvaluationError: arrays of other images, a column nobody described, logits that are not
            finite.
    """
    _check(attributes, codes, logits, labels, groups, described)
    values = {name: attributes[name].to_numpy(dtype=np.float64) for name in attributes.columns}
    cuts = [
        (attribute.column, cut)
        for attribute in described
        if attribute.column in values
        for cut in cut_attribute(values[attribute.column], attribute, fewest=FEWEST_IMAGES)
    ]
    confidence = 1 - (1 - LEVEL) / max(1, len(cuts) * len(FAULTS))
    faults = find_faults(codes, labels)
    slices = []
    for column, cut in cuts:
        rest = np.isfinite(values[column]) & ~cut.rows
        rates = {
            name: compare_rates(wrong, cut.rows & possible, rest & possible, groups, confidence)
            for name, (wrong, possible) in faults.items()
        }
        slices.append(_describe(column, cut, rest, rates, logits, labels, groups))
    return tuple(sorted(slices, key=_order))


def describe_slice(found: Slice) -> str:
    """One sentence: what is worse there, than what, and by how much at least."""
    rate = found.worst_rate
    if rate is None:
        return f"{found.name}: {format_quantity(found.images, 'image')}, nothing to compare"
    what = "with an escape" if found.worst == "escape" else "with an overkill"
    share = format_share(rate.rate)
    if rate.rate != rate.wrong / rate.images:
        share = f"with look-alikes counted once {share}"
    if rate.least_gap > 0:
        verdict = f"at least {rate.least_gap * 100:.1f} points worse"
    else:
        verdict = "which may be chance" if rate.gap > 0 else "no worse"
    return (
        f"{found.name}: {rate.wrong:,} of {format_quantity(rate.images, 'image')} {what}"
        f" ({share}, 95 % interval {rate.low * 100:.1f}-"
        f"{rate.high * 100:.1f}), {format_share(rate.rest_rate)} elsewhere: {verdict}"
    )


def _order(found: Slice) -> tuple[float, float, str, float]:
    rate = found.worst_rate
    return (
        -rate.least_gap if rate else np.inf,
        -rate.gap if rate else np.inf,
        found.attribute,
        -np.inf if found.low is None else found.low,
    )


def _describe(
    column: str,
    cut: Cut,
    rest: Rows,
    rates: Mapping[Fault, FaultRate | None],
    logits: Scores,
    labels: Labels,
    groups: npt.NDArray[np.integer],
) -> Slice:
    pairs = [
        (compute_auroc(logits[cut.rows, c], labels[cut.rows, c]), compute_auroc(logits[rest, c], y))
        for c, y in enumerate(labels[rest].T)
    ]
    both = [(i, o) for i, o in pairs if i is not None and o is not None]
    least = [(rate.least_gap, name) for name, rate in rates.items() if rate is not None]
    ranked = [name for _, name in sorted(least, key=lambda pair: -pair[0])]
    return Slice(
        attribute=column,
        name=cut.name,
        low=cut.low,
        high=cut.high,
        images=int(cut.rows.sum()),
        groups=len(np.unique(groups[cut.rows])),
        positives=tuple(int(n) for n in labels[cut.rows].sum(axis=0)),
        escape=rates["escape"],
        overkill=rates["overkill"],
        auroc=mean_of_known([inside for inside, _ in both]),
        rest_auroc=mean_of_known([outside for _, outside in both]),
        worst=ranked[0] if ranked else None,
    )


def _check(
    attributes: pd.DataFrame,
    codes: Codes,
    logits: Scores,
    labels: Labels,
    groups: npt.NDArray[np.integer],
    described: Sequence[Attribute],
) -> None:
    if not codes.shape == logits.shape == labels.shape or labels.ndim != 2:
        raise EvaluationError(
            f"codes {codes.shape}, logits {logits.shape} and labels {labels.shape} are not of the"
            " same images and classes"
        )
    if not len(attributes) == len(groups) == len(labels):
        raise EvaluationError(
            f"attributes of {len(attributes)} images and {len(groups)} group numbers do not fit"
            f" {len(labels)} predictions"
        )
    unknown = sorted(set(map(str, attributes.columns)) - {a.column for a in described})
    if unknown:
        raise EvaluationError(f"nobody said how to cut the attribute {unknown[0]!r} into slices")
    if not np.isfinite(logits).all():
        raise EvaluationError("a logit is not finite: run `stripsight evaluate` again")
