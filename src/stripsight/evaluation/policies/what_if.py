"""What if it were set otherwise? Outcomes on validation at the chosen and at nearby settings.

They are of the images the thresholds were fitted on, so all of them look better than they are; what
they show is how one mistake is paid for with another.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stripsight.decision.outcomes import Outcomes, count_outcomes
from stripsight.decision.policy import NEVER, ClassPolicy, Policy, decide
from stripsight.evaluation.groups import Groups
from stripsight.evaluation.metrics import Labels, Scores
from stripsight.evaluation.policies.fitting import fit_policy
from stripsight.evaluation.policies.settings import is_price, read_prices

_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_SHIFTS = (-2.0, -1.0, 0.0, 1.0, 2.0)


@dataclass(frozen=True)
class Scenario:
    """One setting and what it comes to.

    Attributes:
        label: the setting, for people.
        chosen: whether it is the one that was asked for.
        outcomes: on validation.
        unmet: classes whose promise too few positives carry.
        cost: of all mistakes at the chosen prices; None where there are none.
    """

    label: str
    chosen: bool
    outcomes: Outcomes
    unmet: tuple[str, ...] = ()
    cost: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "setting": self.label,
            "chosen": self.chosen,
            "unmet": list(self.unmet),
            "cost": self.cost,
            **self.outcomes.to_json(),
        }


def compute_what_if(
    chosen: Policy,
    probabilities: Scores,
    labels: Labels,
    groups: Groups,
    class_names: tuple[str, ...],
) -> tuple[Scenario, ...]:
    """Outcomes of a fitted policy and of its neighbours, the chosen one among them.

    The neighbours of `max_f1`, which has no setting, have its thresholds moved by 1 and 2 in
    log-odds; those of the others have alpha, the share of reviews or the price of an escape at a
    quarter, half, twice and four times the chosen.
    """
    scenarios = []
    for label, is_chosen, policy, unmet in _list_neighbours(
        chosen, probabilities, labels, groups, class_names
    ):
        outcomes = count_outcomes(decide(policy, probabilities), labels)
        cost = _sum_prices(outcomes, chosen, class_names)
        scenarios.append(Scenario(label, is_chosen, outcomes, unmet, cost))
    return tuple(scenarios)


def _sum_prices(outcomes: Outcomes, chosen: Policy, names: tuple[str, ...]) -> float | None:
    if chosen.name != "cost":
        return None
    prices = read_prices(chosen.settings)
    return sum(
        prices[name].escape * counts.escapes + prices[name].overkill * counts.overkills
        for name, counts in zip(names, outcomes.classes, strict=True)
        if counts is not None
    )


def _list_neighbours(
    chosen: Policy, probabilities: Scores, labels: Labels, groups: Groups, names: tuple[str, ...]
) -> list[tuple[str, bool, Policy, tuple[str, ...]]]:
    if chosen.name == "max_f1":
        return [
            ("max F1" if shift == 0 else f"{shift:+g} log-odds", shift == 0, moved, ())
            for shift in _SHIFTS
            for moved in [_shift(chosen, shift)]
        ]
    neighbours = []
    for factor in _FACTORS:
        changed = _change_settings(chosen, factor)
        if changed is None:
            continue
        label, settings = changed
        fitted = fit_policy(chosen.name, settings, probabilities, labels, groups, names)
        unmet = tuple(promise.name for promise in fitted.unmet)
        neighbours.append((label, factor == 1, fitted.policy, unmet))
    return neighbours


def _change_settings(chosen: Policy, factor: float) -> tuple[str, dict[str, Any]] | None:
    """Label and settings at `factor` times the chosen; None where there is no such setting."""
    settings = chosen.settings
    if chosen.name == "cost":
        prices = {
            name: {**price, "escape": price["escape"] * factor}
            for name, price in settings["prices"].items()
        }
        if not all(is_price(price["escape"]) for price in prices.values()):
            return None
        return f"escapes x {factor:g}", {"prices": prices}
    key = "alpha" if chosen.name == "recall" else "share"
    value = settings[key] * factor
    if value >= 1 or (value == 0 and factor != 1):
        return None
    relaxed = {"allow_unmet": True} if chosen.name == "recall" else {}
    return f"{key} {value:.3g}", {**settings, key: value, **relaxed}


def _shift(policy: Policy, log_odds: float) -> Policy:
    return Policy(
        policy.name, policy.settings, tuple(_shift_class(c, log_odds) for c in policy.classes)
    )


def _shift_class(thresholds: ClassPolicy, log_odds: float) -> ClassPolicy:
    value = thresholds.defect_from
    if value is None or not 0 < value < 1:
        return thresholds
    odds = value / (1 - value) * np.exp(log_odds)
    return ClassPolicy.at(min(float(odds / (1 + odds)), NEVER))
