"""Which files of a run hold figures of another decision rule than the one it has now.

Every file that `evaluate` writes names the rule that it was judged by. `decide` makes all of them
old; `evaluate` renews those of one part, and `stress.json` only where it is asked to.
"""

import hashlib
import json
from pathlib import Path

from stripsight.decision.document import Decisions, to_record

JUDGED = (
    "MODEL_CARD.md",
    "metrics.json",
    "metrics_validation.json",
    "report.html",
    "report_validation.html",
    "stress.json",
    "stress_validation.json",
)
"""All that `evaluate` can write of a rule; predictions and `decisions.json` are of none."""


def name_rule(decisions: Decisions) -> str:
    """16 hexadecimal digits, equal for equal rules fitted on the same checkpoint and images."""
    record = json.dumps(to_record(decisions), sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()[:16]


def is_judged(run: Path, part: str, decisions: Decisions) -> bool:
    """Whether `evaluate` has judged `part` of `run` by the rule `decisions`."""
    path = run / ("metrics.json" if part == "test" else f"metrics_{part}.json")
    return path.is_file() and name_rule(decisions).encode() in path.read_bytes()


def find_stale_files(run: Path, decisions: Decisions) -> tuple[str, ...]:
    """Those of `JUDGED` that lie in `run` and do not name the rule `decisions`."""
    rule = name_rule(decisions).encode()
    paths = [run / name for name in JUDGED]
    return tuple(path.name for path in paths if path.is_file() and rule not in path.read_bytes())
