"""A stress test as `stress.json` holds it, back as an object."""

from collections.abc import Mapping
from typing import Any

from stripsight.evaluation.stress.stress_test import (
    COMPARED,
    Measured,
    StressCurve,
    StressLevel,
    StressTest,
)


def read_stress_test(record: Mapping[str, Any]) -> StressTest | None:
    """What `StressTest.to_json` wrote; other keys are left aside, and None is "damaged"."""
    try:
        return StressTest(
            part=str(record["part"]),
            images=int(record["images"]),
            part_images=int(record["part_images"]),
            class_names=tuple(map(str, record["class_names"])),
            positives=tuple(map(int, record["positives"])),
            seed=int(record["seed"]),
            rounds=int(record["rounds"]),
            curves=tuple(map(_read_curve, record["curves"])),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _read_curve(record: Mapping[str, Any]) -> StressCurve:
    words = {key: str(record[key]) for key in ("name", "title", "unit", "note")}
    return StressCurve(levels=tuple(map(_read_level, record["levels"])), **words)


def _read_level(record: Mapping[str, Any]) -> StressLevel:
    return StressLevel(
        level=int(record["level"]),
        strength=_read_number(record["strength"]),
        figures={name: _read_measured(value) for name, value in record["figures"].items()},
        changes={name: _read_measured(value) for name, value in record["changes"].items()},
        bounds={name: _read_number(record["bounds"][name]) for name in COMPARED},
        average_precisions=tuple(map(_read_measured, record["average_precisions"])),
    )


def _read_measured(record: Mapping[str, Any] | None) -> Measured | None:
    if record is None:
        return None
    return Measured(*(float(record[key]) for key in ("value", "low", "high")))


def _read_number(value: Any) -> float | None:
    return None if value is None else float(value)
