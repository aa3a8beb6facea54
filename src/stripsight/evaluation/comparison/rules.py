"""Whether compared runs decide alike: by the same policy with the same settings."""

from typing import Any

from stripsight.decision.policy import Policy
from stripsight.evaluation.comparison.comparison import Comparison


def note_rules(comparison: Comparison) -> list[str]:
    """That configurations decide by different rules, as one note; none where they do not."""
    rules = {
        configuration.name: " and ".join(
            sorted({write_rule(run.decisions.policy) for run in configuration.runs})
        )
        for configuration in comparison.configurations
    }
    if len(set(rules.values())) < 2:
        return []
    said = "; ".join(f"{name} by {rule}" for name, rule in rules.items())
    return [
        f"they decide by different rules ({said}): F1, exact match, escapes, overkills and reviews"
        " compare these rules as much as the networks, macro AP does not: `stripsight decide` alike"
    ]


def write_rule(policy: Policy) -> str:
    """`max_f1`, `review (share 0.1)`, `cost (pits 50:1, scratches 5:1)`."""
    settings = ", ".join(
        _write_setting(key, value)
        for key, value in sorted(policy.settings.items())
        if key != "allow_unmet"
    )
    return f"{policy.name} ({settings})" if settings else policy.name


def _write_setting(key: str, value: Any) -> str:
    if key == "prices":
        return ", ".join(f"{n} {p['escape']:g}:{p['overkill']:g}" for n, p in value.items())
    return f"{key} {value:g}"
