"""decisions.json: what is written comes back; what was not written by us does not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripsight.decision.calibration import Calibration, ClassCalibration
from stripsight.decision.document import (
    Decisions,
    FittedOn,
    apply_decisions,
    load_decisions,
    save_decisions,
)
from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, UNDECIDED, ClassPolicy, Policy
from stripsight.errors import DecisionError

NAMES = ("bar", "blob", "never seen")


def make_decisions(**changes: Any) -> Decisions:
    fields: dict[str, Any] = {
        "class_names": NAMES,
        "calibration": Calibration(
            (
                ClassCalibration("temperature", (2.0,)),
                ClassCalibration("isotonic", (-1.0, 1.0, 0.1, 0.7)),
                ClassCalibration(),
            )
        ),
        "policy": Policy(
            "review",
            {"share": 0.1},
            (ClassPolicy(0.1 + 0.2, 0.9), ClassPolicy.at(1 / 3), ClassPolicy(None, None)),
        ),
        "fitted_on": FittedOn("validation", 12, "d" * 64, "s" * 64, "c" * 64),
        "positives": (4, 5, 0),
        "promises": ({"kind": "escape_rate", "bound": None},),
    }
    return Decisions(**{**fields, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_decisions(make_decisions(), tmp_path / "decisions.json")
    return tmp_path / "decisions.json"


def test_it_comes_back_to_the_last_bit(path: Path) -> None:
    assert load_decisions(path, NAMES) == make_decisions()


def test_logits_are_calibrated_and_then_decided() -> None:
    # 2 / T = 1, sigmoid 0.73: review. -4 / T = -2, sigmoid 0.12: clean. 0 lies half-way between the
    # knots: 0.4.
    logits = np.array([[2.0, 0.0, 9.0], [-4.0, -9.0, 0.0], [9.0, np.nan, np.inf]], np.float32)
    assert apply_decisions(make_decisions(), logits).tolist() == [
        [REVIEW, DEFECT, UNDECIDED],
        [CLEAN, CLEAN, UNDECIDED],
        [DEFECT, REVIEW, REVIEW],
    ]


@pytest.mark.parametrize(
    "names", [("bar", "blob"), ("blob", "bar", "never seen"), ("bar", "blob", "other")]
)
def test_other_classes_or_another_order_are_refused(path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(DecisionError, match="the network knows"):
        load_decisions(path, names)


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(DecisionError, match="is damaged"):
            load_decisions(path, NAMES)


@pytest.mark.parametrize(("version", "words"), [(1, "an older"), (3, "a newer"), (99, "a newer")])
def test_another_schema_is_refused(path: Path, version: int, words: str) -> None:
    path.write_text(json.dumps({"schema_version": version}))
    with pytest.raises(DecisionError, match=words):
        load_decisions(path, NAMES)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DecisionError, match="cannot be read"):
        load_decisions(tmp_path / "decisions.json", NAMES)


THRESHOLDS = ("policy", "classes", 0, "clean_below")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema_version",), "2"),
        (("schema_version",), 2.0),
        (("schema_version",), True),
        (("classes",), ["bar", "bar", "never seen"]),
        (("classes",), ["bar", "blob"]),
        (("classes",), []),
        (("classes",), "bar"),
        (("classes", 0), 7),
        (("calibration",), []),
        (("calibration", 0, "parameters"), [-1.0]),
        (("calibration", 0, "kind"), "magic"),
        (("policy",), None),
        (("policy", "name"), 3),
        (("policy", "settings"), []),
        (("policy", "classes"), []),
        (("policy", "classes", 1), {"clean_below": 0.5}),
        (THRESHOLDS, "0.5"),
        (THRESHOLDS, True),
        (THRESHOLDS, 0.95),
        (THRESHOLDS, -1),
        (THRESHOLDS, None),
        (THRESHOLDS, 10**400),
        (THRESHOLDS, float("nan")),
        (THRESHOLDS, float("inf")),
        (("fitted_on", "part"), "test"),
        (("fitted_on", "part"), None),
        (("fitted_on", "images"), -1),
        (("fitted_on", "images"), 1.5),
        (("fitted_on",), {"part": "validation"}),
        (("positives", 0), -1),
        (("positives", 0), True),
        (("positives",), [1, 2]),
        (("promises",), {}),
        (("promises", 0), "all of them"),
        (("more",), 1),
    ],
)
def test_a_tampered_document_is_refused(path: Path, place: tuple[Any, ...], value: Any) -> None:
    record = json.loads(path.read_text())
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(record))
    with pytest.raises(DecisionError, match="is damaged") as caught:
        load_decisions(path, NAMES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"[1]", b"null", b"NaN"])
def test_what_is_no_document_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DecisionError, match="is damaged"):
        load_decisions(path, NAMES)


@pytest.mark.parametrize(
    "change",
    [
        {"positives": (1, 2)},
        {"calibration": Calibration((ClassCalibration(),))},
        {"policy": Policy("max_f1", {}, (ClassPolicy.at(0.5),))},
        {"fitted_on": FittedOn("test", 1, "", "", "")},
    ],
)
def test_parts_that_do_not_fit_make_no_decisions(change: dict[str, Any]) -> None:
    with pytest.raises(DecisionError):
        make_decisions(**change)
