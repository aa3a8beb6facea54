"""`decisions.json`: calibration and policy of a run, as one checked document.

    schema_version  2
    classes         names, in column order
    calibration     one entry a class, see `calibration.py`
    policy          name, settings, and clean_below and defect_from of each class (null: undecided)
    fitted_on       part, images, and the hashes of data_set, split and checkpoint
    positives       of the fitted part, one count a class
    promises        what the policy guarantees, and what it could not; plain JSON

What reads it applies it: logits go in, decision codes come out, and nothing else is needed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.atomic import write_atomically
from stripsight.decision.calibration import Calibration
from stripsight.decision.policy import ClassPolicy, Codes, Policy, decide
from stripsight.documents import describe_other_schema, parse_json
from stripsight.errors import DecisionError

SCHEMA_VERSION = 2

_KEYS = ("calibration", "classes", "fitted_on", "policy", "positives", "promises", "schema_version")


@dataclass(frozen=True, slots=True)
class FittedOn:
    """What a decision rule was fitted on: the part, its number of images, and sha256 hashes."""

    part: str
    images: int
    data_set: str
    split: str
    checkpoint: str


@dataclass(frozen=True)
class Decisions:
    """The whole decision rule of a run.

    Attributes:
        class_names: C names, in column order.
        calibration: logits to probabilities.
        policy: probabilities to decision codes.
        fitted_on: never anything but validation.
        positives: of validation, one count a class.
        promises: what the policy guarantees, as plain JSON.

    Raises:
        DecisionError: parts of different numbers of classes, or fitted on anything but validation.
    """

    class_names: tuple[str, ...]
    calibration: Calibration
    policy: Policy
    fitted_on: FittedOn
    positives: tuple[int, ...]
    promises: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        counts = {
            "classes": len(self.class_names),
            "calibrations": len(self.calibration.classes),
            "thresholds": len(self.policy.classes),
            "positives": len(self.positives),
        }
        if len(set(counts.values())) != 1:
            given = ", ".join(f"{count} {what}" for what, count in counts.items())
            raise DecisionError(f"the parts of the decisions do not fit each other: {given}")
        if self.fitted_on.part != "validation":
            raise DecisionError(
                f"the decisions were fitted on {self.fitted_on.part!r}: validation alone may be"
                " used, or the figures of test mean nothing"
            )


def apply_decisions(decisions: Decisions, logits: npt.NDArray[np.floating]) -> Codes:
    """Decision codes int8 `[N, C]` of logits `[N, C]`: calibrate, then decide."""
    return decide(decisions.policy, decisions.calibration.apply(logits))


def save_decisions(decisions: Decisions, path: Path) -> None:
    """Write `decisions.json` in one step.

    Raises:
        OSError: see `write_atomically`.
    """
    record = to_record(decisions)
    write_atomically(path, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def to_record(decisions: Decisions) -> dict[str, Any]:
    """The document as plain data; a bundle's manifest holds the same."""
    return {
        "schema_version": SCHEMA_VERSION,
        "classes": list(decisions.class_names),
        "calibration": decisions.calibration.to_json(),
        "policy": {
            "name": decisions.policy.name,
            "settings": decisions.policy.settings,
            "classes": [asdict(thresholds) for thresholds in decisions.policy.classes],
        },
        "fitted_on": asdict(decisions.fitted_on),
        "positives": list(decisions.positives),
        "promises": list(decisions.promises),
    }


def load_decisions(path: Path, class_names: tuple[str, ...]) -> Decisions:
    """Read what `save_decisions` wrote, for a network of the classes `class_names`.

    Raises:
        DecisionError: missing, damaged, of another schema, or of other classes or another order.
    """
    try:
        record = parse_json(path.read_bytes())
    except OSError as error:
        raise DecisionError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DecisionError(f"{path} is damaged: {error}") from error
    if other := describe_other_schema(record, SCHEMA_VERSION, "evaluate the run again"):
        raise DecisionError(f"{path} {other}")
    try:
        decisions = read_record(record)
    except (DecisionError, ValueError, TypeError, OverflowError) as error:
        raise DecisionError(f"{path} is damaged: {error}") from error
    if decisions.class_names != tuple(class_names):
        raise DecisionError(
            f"{path} decides on the classes {', '.join(decisions.class_names)}; the network knows"
            f" {', '.join(class_names)}"
        )
    return decisions


def read_record(record: Any) -> Decisions:
    """Read what `to_record` made.

    Raises:
        DecisionError: damaged, or parts that do not fit each other; ValueError, TypeError or
            OverflowError where a value is of another kind.
    """
    _check(isinstance(record, dict), "it is no object")
    _check(tuple(sorted(record)) == _KEYS, f"it must have the keys {', '.join(_KEYS)}")
    _check(type(record["schema_version"]) is int, "its schema version is no number")
    names, policy, fitted = record["classes"], record["policy"], record["fitted_on"]
    positives, promises = record["positives"], record["promises"]
    _check(_is_list_of(names, str) and len(names) > 0, "classes is no list of names")
    _check(len(set(names)) == len(names), "it names a class twice")
    _check(
        isinstance(policy, dict) and sorted(policy) == ["classes", "name", "settings"],
        "policy has no name, settings and classes",
    )
    _check(
        isinstance(policy["name"], str) and isinstance(policy["settings"], dict),
        "policy has no name or no settings",
    )
    _check(_is_list_of(policy["classes"], dict), "policy.classes is no list of thresholds")
    _check(
        isinstance(fitted, dict) and sorted(fitted) == sorted(FittedOn.__dataclass_fields__),
        f"fitted_on has no {', '.join(FittedOn.__dataclass_fields__)}",
    )
    _check(_is_count(fitted["images"]), "fitted_on.images is no count")
    _check(
        all(isinstance(fitted[key], str) for key in ("part", "data_set", "split", "checkpoint")),
        "fitted_on has something other than text",
    )
    _check(
        isinstance(positives, list) and all(map(_is_count, positives)), "positives are no counts"
    )
    _check(_is_list_of(promises, dict), "promises is no list of objects")
    return Decisions(
        class_names=tuple(names),
        calibration=Calibration.from_json(record["calibration"]),
        policy=Policy(
            policy["name"], policy["settings"], tuple(map(_read_thresholds, policy["classes"]))
        ),
        fitted_on=FittedOn(**fitted),
        positives=tuple(positives),
        promises=tuple(promises),
    )


def _read_thresholds(entry: dict[str, Any]) -> ClassPolicy:
    _check(sorted(entry) == ["clean_below", "defect_from"], "a class has other than two thresholds")
    for name, value in entry.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _check(value is None or number, f"{name} is {value!r}, which is no number")
    low, high = entry["clean_below"], entry["defect_from"]
    return ClassPolicy(None if low is None else float(low), None if high is None else float(high))


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _check(right: bool, fault: str) -> None:
    if not right:
        raise DecisionError(fault)
