"""From a policy's name and settings to its thresholds: the one place that knows all policies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.errors import DecisionError
from stripsight.evaluation.groups import Groups
from stripsight.evaluation.metrics import Labels, Scores
from stripsight.evaluation.policies.cost import find_cheapest_threshold
from stripsight.evaluation.policies.max_f1 import find_max_f1_threshold
from stripsight.evaluation.policies.recall_guarantee import (
    RecallPromise,
    find_promised_alpha,
    fit_recall,
)
from stripsight.evaluation.policies.review_band import fit_review_band
from stripsight.evaluation.policies.settings import complete_settings, read_prices


@dataclass(frozen=True)
class FittedPolicy:
    """A policy, and what it promises of each class (only `recall` does)."""

    policy: Policy
    promises: tuple[RecallPromise, ...] = ()

    @property
    def unmet(self) -> tuple[RecallPromise, ...]:
        """The promises that are not kept."""
        return tuple(promise for promise in self.promises if not promise.met)


def fit_policy(
    name: str,
    settings: Mapping[str, Any],
    probabilities: Scores,
    labels: Labels,
    groups: Groups,
    class_names: tuple[str, ...],
) -> FittedPolicy:
    """Fit policy `name` on validation.

    Args:
        name: one of `settings.POLICIES`.
        settings: see `settings`.
        probabilities: calibrated, `[N, C]`.
        labels: `[N, C]`.
        groups: `[N]`.
        class_names: C names, in column order.

    Raises:
        DecisionError: settings that are none, probabilities that are none, arrays that do not fit
            each other, or a promise that too few positives carry (unless `allow_unmet`).
    """
    whole = complete_settings(name, settings, class_names)
    _check_arrays(probabilities, labels, groups, class_names)
    columns = range(len(class_names))
    if name == "recall":
        promises = tuple(
            fit_recall(
                probabilities[:, column],
                labels[:, column],
                groups,
                name=class_names[column],
                alpha=whole["alpha"],
                delta=whole["delta"],
            )
            for column in columns
        )
        classes = tuple(ClassPolicy.at(promise.threshold) for promise in promises)
        fitted = FittedPolicy(Policy(name, whole, classes), promises)
        if fitted.unmet and not whole["allow_unmet"]:
            raise DecisionError(_refuse_unmet(fitted.unmet))
        return fitted
    if name == "cost":
        prices = read_prices(whole)
        thresholds = tuple(
            find_cheapest_threshold(
                probabilities[:, column], labels[:, column], prices[class_names[column]]
            )
            for column in columns
        )
    else:
        thresholds = tuple(
            find_max_f1_threshold(probabilities[:, column], labels[:, column]) for column in columns
        )
    if name == "review":
        band = fit_review_band(probabilities, thresholds, whole["share"])
        return FittedPolicy(Policy(name, whole, band))
    return FittedPolicy(Policy(name, whole, tuple(map(ClassPolicy.at, thresholds))))


def _refuse_unmet(unmet: tuple[RecallPromise, ...]) -> str:
    first = unmet[0]
    have = ", ".join(f"{promise.name} has {promise.groups:,}" for promise in unmet)
    alpha = find_promised_alpha(
        max(1.0 if promise.bound is None else promise.bound for promise in unmet)
    )
    way = (
        ""
        if alpha is None
        else f"`stripsight decide RUN --policy recall --alpha {alpha:g} --delta {first.delta:g}`"
        " can be promised; "
    )
    return (
        f"alpha {first.alpha:g} at delta {first.delta:g} needs {first.groups_needed:,} validation"
        f" images of each class, look-alikes counted once, but {have}; {way}with --allow-unmet"
        " `stripsight decide` promises nothing of these classes and calls all their validation"
        " positives"
    )


def _check_arrays(
    probabilities: Scores, labels: Labels, groups: Groups, class_names: tuple[str, ...]
) -> None:
    shape = (len(groups), len(class_names))
    if probabilities.shape != shape or labels.shape != shape or not len(groups):
        raise DecisionError(
            f"probabilities {list(probabilities.shape)} and labels {list(labels.shape)} do not fit"
            f" {shape[0]} images of {shape[1]} classes"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise DecisionError("a probability is not in 0 to 1: nothing can be fitted on it")
