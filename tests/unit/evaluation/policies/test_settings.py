"""What a policy may be asked for: everything else is refused in one line."""

import math
from typing import Any

import pytest

from stripsight.errors import DecisionError
from stripsight.evaluation.policies.cost import Price
from stripsight.evaluation.policies.settings import complete_settings, read_prices

NAMES = ("bar", "blob")


def price(escape: Any, overkill: Any) -> dict[str, Any]:
    return {"escape": escape, "overkill": overkill}


def test_defaults_are_filled_in() -> None:
    assert complete_settings("max_f1", {}, NAMES) == {}
    assert complete_settings("review", {}, NAMES) == {"share": 0.1}
    assert complete_settings("recall", {"alpha": 0.2}, NAMES) == {
        "alpha": 0.2,
        "delta": 0.05,
        "allow_unmet": False,
    }


def test_one_price_stands_for_the_classes_that_have_none() -> None:
    whole = complete_settings("cost", {"prices": {"": price(50, 1), "blob": price(5, 2)}}, NAMES)
    assert read_prices(whole) == {"bar": Price(50, 1), "blob": Price(5, 2)}
    assert complete_settings("cost", whole, NAMES) == whole


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("best", {}, "choose max_f1, cost, recall, review"),
        ("max_f1", {"alpha": 0.1}, "takes no settings"),
        ("review", {"alpha": 0.1}, "takes share: alpha"),
        ("recall", {"alpha": 0}, "alpha is 0"),
        ("recall", {"alpha": 1}, "alpha is 1"),
        ("recall", {"alpha": math.nan}, "alpha is nan"),
        ("recall", {"alpha": "0.1"}, "alpha is 0.1"),
        ("recall", {"alpha": True}, "alpha is True"),
        ("recall", {"delta": -0.1}, "delta is -0.1"),
        ("recall", {"allow_unmet": 1}, "allow_unmet is 1"),
        ("review", {"share": 1}, "share is 1"),
        ("review", {"share": -0.01}, "share is -0.01"),
        ("cost", {}, "needs prices"),
        ("cost", {"prices": [1, 2]}, "needs prices"),
        ("cost", {"prices": {"": [1, 2]}}, "not given as escape and overkill"),
        ("cost", {"prices": {"": price(-1, 1)}}, "-1 for an escape"),
        ("cost", {"prices": {"": price(1, math.nan)}}, "nan for an overkill"),
        ("cost", {"prices": {"": price(math.inf, 1)}}, "inf for an escape"),
        ("cost", {"prices": {"": price("1", 1)}}, "1 for an escape"),
        (
            "cost",
            {"prices": {"": price(1e308, 1)}},
            r"1e\+308 for an escape: 0, or 1e-100",
        ),
        ("cost", {"prices": {"": price(1, 10**400)}}, "is 10{39} for an overkill"),
        ("cost", {"prices": {"": price(5e-324, 0)}}, "4.941e-324 for an escape"),
        ("cost", {"prices": {"": price(0, 0)}}, "0 for both"),
        ("cost", {"prices": {"bar": price(1, 1)}}, "no price for 'blob'"),
        ("cost", {"prices": {"": price(1, 1), "barr": price(1, 1)}}, "did you mean 'bar'"),
    ],
)
def test_what_is_no_setting_is_refused(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(DecisionError, match=words) as caught:
        complete_settings(name, settings, NAMES)
    assert "\n" not in str(caught.value)
