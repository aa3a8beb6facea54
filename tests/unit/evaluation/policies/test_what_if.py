"""What if: the chosen setting is what was fitted, its neighbours are what fitting them gives."""

import json
from typing import Any

import numpy as np
import pytest

from stripsight.decision.outcomes import count_outcomes
from stripsight.decision.policy import DEFECT, decide
from stripsight.evaluation.policies.fitting import fit_policy
from stripsight.evaluation.policies.what_if import Scenario, compute_what_if

NAMES = ("bar", "never seen")
GROUPS = np.arange(300)


def draw() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels = (rng.random((300, 2)) < [0.4, 0.0]).astype(np.uint8)
    return 1 / (1 + np.exp(-rng.normal(2 * labels - 1.0, 1.0))), labels


def ask(name: str, settings: dict[str, Any]) -> tuple[Scenario, ...]:
    probabilities, labels = draw()
    policy = fit_policy(name, settings, probabilities, labels, GROUPS, NAMES).policy
    scenarios = compute_what_if(policy, probabilities, labels, GROUPS, NAMES)
    (chosen,) = [scenario for scenario in scenarios if scenario.chosen]
    assert chosen.outcomes == count_outcomes(decide(policy, probabilities), labels)
    assert "NaN" not in json.dumps([scenario.to_json() for scenario in scenarios])
    return scenarios


def escapes(scenarios: tuple[Scenario, ...]) -> list[int]:
    counts = [scenario.outcomes.classes[0] for scenario in scenarios]
    return [c.escapes for c in counts if c is not None]


def reviews(scenarios: tuple[Scenario, ...]) -> list[int]:
    return [scenario.outcomes.images.reviews for scenario in scenarios]


def test_thresholds_of_max_f1_are_moved_in_log_odds() -> None:
    scenarios = ask("max_f1", {})
    assert [s.label for s in scenarios][2] == "max F1"
    assert escapes(scenarios) == sorted(escapes(scenarios))
    probabilities, labels = draw()
    policy = fit_policy("max_f1", {}, probabilities, labels, GROUPS, NAMES).policy
    log_odds = np.log(probabilities[:, 0] / (1 - probabilities[:, 0]))
    at = policy.classes[0].defect_from
    assert at is not None
    called = log_odds >= np.log(at / (1 - at)) + 1
    outcome = scenarios[3].outcomes.classes[0]
    assert outcome is not None
    assert outcome.escapes == (~called & (labels[:, 0] == 1)).sum()
    assert scenarios[3].outcomes.classes[1] is None


def test_dearer_escapes_become_fewer_and_the_chosen_is_the_cheapest() -> None:
    scenarios = ask("cost", {"prices": {"": {"escape": 3, "overkill": 1}}})
    assert len(scenarios) == 5
    assert escapes(scenarios) == sorted(escapes(scenarios), reverse=True)
    assert escapes(scenarios)[0] > escapes(scenarios)[2] > escapes(scenarios)[4]
    costs = [scenario.cost for scenario in scenarios]
    assert costs[2] == min(cost for cost in costs if cost is not None)
    outcome = scenarios[0].outcomes.classes[0]
    assert outcome is not None
    assert costs[0] == 3 * outcome.escapes + outcome.overkills


def test_promises_that_are_not_kept_are_marked() -> None:
    scenarios = ask("recall", {"alpha": 0.05, "allow_unmet": True})
    assert [s.label for s in scenarios] == [
        f"alpha {alpha}" for alpha in ("0.0125", "0.025", "0.05", "0.1", "0.2")
    ]
    assert scenarios[0].unmet == NAMES
    assert scenarios[4].unmet == ("never seen",)
    assert escapes(scenarios) == sorted(escapes(scenarios))


@pytest.mark.parametrize(("share", "labels"), [(0.3, 4), (0.0, 1), (0.1, 5)])
def test_shares_that_are_none_are_left_out(share: float, labels: int) -> None:
    scenarios = ask("review", {"share": share})
    assert len(scenarios) == labels
    assert reviews(scenarios) == sorted(reviews(scenarios))


def test_nothing_is_defect_of_a_class_that_was_never_seen() -> None:
    probabilities, labels = draw()
    policy = fit_policy("max_f1", {}, probabilities, labels, GROUPS, NAMES).policy
    assert not (decide(policy, probabilities)[:, 1] == DEFECT).any()
