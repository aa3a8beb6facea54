"""What a table of scores comes to."""

from dataclasses import asdict, dataclass, field
from typing import Any

from stripsight.scoring.engine import EngineInfo
from stripsight.scoring.golden import GoldenCheck
from stripsight.scoring.rows import VERDICTS
from stripsight.scoring.tuning import Tuning

_REASONS = 5
_SUSPECTS = 3


@dataclass
class Tally:
    """Counts over rows.

    Attributes:
        class_names: in column order.
        verdicts: how many rows have each.
        classes: per class, how many rows have each decision.
        failed: rows without a score that could be believed.
        reasons: of the first failed rows, with their ids.
        suspects: rows of images that should not be believed though they were scored.
        suspect_ids: of the first of each kind.
        not_clean: rows with a score that are not clean.
        placeless: those of them without a single box.
    """

    class_names: tuple[str, ...]
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    failed: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    suspects: dict[str, int] = field(default_factory=dict)
    suspect_ids: dict[str, list[str]] = field(default_factory=dict)
    not_clean: int = 0
    placeless: int = 0

    def __post_init__(self) -> None:
        self.classes = {name: {} for name in self.class_names}

    @property
    def images(self) -> int:
        """All rows."""
        return sum(self.verdicts.values())

    def add(self, row: dict[str, Any]) -> None:
        """Count one row, as `Row.to_json` makes it."""
        self.verdicts[row["verdict"]] += 1
        for name, score in row["classes"].items():
            counts = self.classes[name]
            counts[score["decision"]] = counts.get(score["decision"], 0) + 1
        if row["reason"] is not None:
            self.failed += 1
            if len(self.reasons) < _REASONS:
                self.reasons.append((row["id"], row["reason"]))
        elif row["verdict"] != VERDICTS[0]:
            self.not_clean += 1
            self.placeless += not row["boxes"]
        if row["suspect"] is not None:
            self.suspects[row["suspect"]] = self.suspects.get(row["suspect"], 0) + 1
            ids = self.suspect_ids.setdefault(row["suspect"], [])
            if len(ids) < _SUSPECTS:
                ids.append(row["id"])


@dataclass(frozen=True, slots=True)
class NodeShare:
    """What one node of a cluster did.

    Attributes:
        node: its name.
        workers: that gave rows, those that were started anew among them.
        images: rows.
        device: the processor's name.
    """

    node: str
    workers: int
    images: int
    device: str


@dataclass(frozen=True)
class ScoreSummary:
    """One finished scoring.

    Attributes:
        out: the table.
        info: what ran.
        golden: what the bundle's own images came to beforehand.
        identity: what the rows depend on.
        tally: over all rows of the table; of a watch, over its own.
        scored_before: rows that an earlier, broken-off scoring had left.
        seconds: from the first image to the written table; of this one alone.
        nodes: of a cluster, by name; () where this process scored.
        tuning: of its streams, where they were tried.
        warnings: why nobody should use the bundle as it is: classes never found, a failed gate.
        left_out: files of folders and zips that are not called images, by suffix.
    """

    out: str
    info: EngineInfo
    golden: GoldenCheck
    identity: dict[str, Any]
    tally: Tally
    scored_before: int
    seconds: float
    nodes: tuple[NodeShare, ...] = ()
    tuning: Tuning | None = None
    warnings: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def images_per_second(self) -> float | None:
        """That got a score, of this scoring; None where none did.

        A lower bound where an earlier one left images without a score: they count as of this one.
        """
        done = max(0, self.tally.images - self.scored_before - self.tally.failed)
        return done / self.seconds if done and self.seconds > 0 else None

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        rate = self.images_per_second
        return {
            "out": self.out,
            **{key.replace(" ", "_"): value for key, value in self.identity.items()},
            "runs": asdict(self.info),
            "golden": asdict(self.golden),
            "images": self.tally.images,
            "verdicts": self.tally.verdicts,
            "classes": self.tally.classes,
            "failed": self.tally.failed,
            "reasons": [{"id": id_, "reason": reason} for id_, reason in self.tally.reasons],
            "suspects": self.tally.suspects,
            "suspect_ids": self.tally.suspect_ids,
            "not_clean": self.tally.not_clean,
            "without_boxes": self.tally.placeless,
            "warnings": list(self.warnings),
            "left_out": self.left_out,
            "scored_before": self.scored_before,
            "seconds": self.seconds,
            "images_per_second": None if rate is None else round(rate, 2),
            **({"nodes": [asdict(node) for node in self.nodes]} if self.nodes else {}),
            **({"tuning": asdict(self.tuning)} if self.tuning else {}),
        }
