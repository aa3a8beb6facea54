"""What each policy can be asked for, checked where it enters.

max_f1    nothing
cost      prices: {class: {escape, overkill}}; the class "" stands for all that are not named
recall    alpha, delta, allow_unmet
review    share
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from stripsight.errors import DecisionError
from stripsight.evaluation.policies.cost import Price

POLICIES = ("max_f1", "cost", "recall", "review")

DEFAULTS: dict[str, dict[str, Any]] = {
    "max_f1": {},
    "cost": {"prices": {}},
    "recall": {"alpha": 0.05, "delta": 0.05, "allow_unmet": False},
    "review": {"share": 0.1},
}

ALL_CLASSES = ""
"""No class can have this name."""

_PRICES = (1e-100, 1e100)
"""Beyond these, sums and ratios of prices would be infinite or nothing."""

_FINEST = 1e-6
"""No share is asked for more finely: a promise of a millionth needs millions of images."""


def complete_settings(
    name: str, settings: Mapping[str, Any], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """The settings of policy `name` with defaults filled in and a price for each class, as JSON.

    Raises:
        DecisionError: see `check_settings`; or a price for no class of the run, or none for one.
    """
    whole = check_settings(name, settings)
    if "prices" in whole:
        whole["prices"] = _spread_prices(whole["prices"], class_names)
    return whole


def check_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of policy `name` with defaults filled in, whatever the classes.

    Raises:
        DecisionError: no such policy, a setting it does not take, or a value that is none.
    """
    if name not in DEFAULTS:
        raise DecisionError(f"policy {name!r} is not known: choose {', '.join(POLICIES)}")
    defaults = DEFAULTS[name]
    for key in settings:
        if key not in defaults:
            takes = ", ".join(defaults) or "no settings"
            raise DecisionError(f"policy {name} takes {takes}: {key} is of another policy")
    whole = {**defaults, **settings}
    for key, value in whole.items():
        if key in ("alpha", "delta"):
            _check_between(key, value, zero=False)
        elif key == "share":
            _check_between(key, value, zero=True)
        elif key == "allow_unmet" and not isinstance(value, bool):
            raise DecisionError(f"allow_unmet is {value!r}: true or false")
        elif key == "prices":
            _check_prices(value)
    return whole


def read_prices(settings: Mapping[str, Any]) -> dict[str, Price]:
    """The price of every class, from completed settings of `cost`."""
    return {name: Price(**price) for name, price in settings["prices"].items()}


def is_price(value: Any) -> bool:
    """Whether a mistake can cost that: nothing, or what can still be added up and compared."""
    return _is_number(value) and (value == 0 or _PRICES[0] <= value <= _PRICES[1])


def _check_prices(prices: Any) -> None:
    if not isinstance(prices, Mapping) or not prices:
        raise DecisionError(
            "policy cost needs prices: of an escape and of an overkill, for all classes or for each"
        )
    for name, price in prices.items():
        _check_price(name, price)


def _spread_prices(
    prices: Mapping[str, Any], class_names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    for name in prices:
        if name not in (*class_names, ALL_CLASSES):
            near = get_close_matches(name, class_names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(class_names)}"
            raise DecisionError(f"a price is given for {name!r}, no class of the run; {hint}")
    spread = {}
    for name in class_names:
        price = prices.get(name, prices.get(ALL_CLASSES))
        if price is None:
            raise DecisionError(f"no price for {name!r}: give one for each class, or one for all")
        spread[name] = {"escape": float(price["escape"]), "overkill": float(price["overkill"])}
    return spread


def _check_price(name: str, price: Any) -> None:
    of = f"the price of {name!r}" if name else "the price of all classes"
    if not isinstance(price, Mapping) or sorted(price) != ["escape", "overkill"]:
        raise DecisionError(f"{of} is not given as escape and overkill")
    for mistake, value in price.items():
        if not is_price(value):
            raise DecisionError(
                f"{of} is {_shorten(value)} for an {mistake}: 0, or {_PRICES[0]:g} to"
                f" {_PRICES[1]:g}, is needed"
            )
    if not any(price.values()):
        raise DecisionError(f"{of} is 0 for both mistakes: any threshold would do")


def _check_between(key: str, value: Any, *, zero: bool) -> None:
    least = 0 if zero else _FINEST
    if not _is_number(value) or not least <= value <= 1 - _FINEST:
        raise DecisionError(f"{key} is {_shorten(value)}: choose {least:g} to {1 - _FINEST:g}")


def _shorten(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:40]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
