"""What an earlier `evaluate` judged and this one was not asked for, while it is still true.

Corrupted images and Grad-CAM cost more than all the rest, so they are judged where they are asked
for. What stands in the run keeps standing in its report: a stress test as long as rule, checkpoint,
data and images are those of now, Grad-CAM, which rests on no rule, whatever the rule. The rest is
left out, and said.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.localisation.agreement import Agreement
from stripsight.evaluation.stress.stored_test import read_stress_test
from stripsight.evaluation.stress.stress_test import SCHEMA_VERSION, StressTest


def keep_earlier(evaluation: Evaluation, *, stress: bool, gradcam: bool) -> Evaluation:
    """With what the run folder holds of the same part, or sentences why not in `left_out`.

    Args:
        evaluation: of now, with neither.
        stress: whether to look for a stress test.
        gradcam: whether to look for what Grad-CAM said.
    """
    run = evaluation.opened.folder
    ending = "" if evaluation.part == "test" else f"_{evaluation.part}"
    left_out: list[str] = []
    kept_stress: StressTest | None = None
    kept_agreement: tuple[Agreement, ...] | None = None
    path = run / f"stress{ending}.json"
    if stress and path.is_file():
        record = _read(path)
        reason = _refuse_stress(record, evaluation)
        if reason is None:
            kept_stress = read_stress_test(record)
        if kept_stress is None:
            left_out.append(
                f"the report leaves out {path.name}, which {reason or 'is damaged'}: --stress"
                " judges corrupted images again"
            )
    record = _read(run / f"metrics{ending}.json") if gradcam else {}
    if record.get("gradcam"):
        if _is_of_these_images(record, evaluation):
            kept_agreement = _read_agreement(record["gradcam"], evaluation)
        if kept_agreement is None:
            left_out.append(
                "the report leaves out what Grad-CAM said of another checkpoint or other images:"
                " --grad-cam asks it again"
            )
    return replace(
        evaluation, stress=kept_stress, agreement=kept_agreement, left_out=tuple(left_out)
    )


def _read(path: Path) -> dict[str, Any]:
    """The JSON of `path`; nothing where it is damaged or not there."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _refuse_stress(record: dict[str, Any], evaluation: Evaluation) -> str | None:
    """Why a stress test is not of now."""
    if record.get("schema_version") != SCHEMA_VERSION:
        return "another version wrote"
    if record.get("rule") != name_rule(evaluation.fitted.decisions):
        return "is of another decision rule"
    is_same = record.get("source") == evaluation.predictions.source and (
        (record.get("part_images"), record.get("part_groups"))
        == (evaluation.judgement.images, evaluation.judgement.groups)
    )
    return None if is_same else "is of another checkpoint or of other images"


def _is_of_these_images(record: dict[str, Any], evaluation: Evaluation) -> bool:
    return (record.get("source"), record.get("images")) == (
        evaluation.predictions.source,
        evaluation.judgement.images,
    )


def _read_agreement(rows: Any, evaluation: Evaluation) -> tuple[Agreement, ...] | None:
    """None where they are not one of each class."""
    try:
        agreement = tuple(
            Agreement(
                str(row["name"]),
                int(row["images"]),
                None if row["correlation"] is None else float(row["correlation"]),
            )
            for row in rows
        )
    except (KeyError, TypeError, ValueError):
        return None
    names = tuple(one.name for one in agreement)
    return agreement if names == evaluation.predictions.class_names else None
