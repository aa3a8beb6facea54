"""One row of a score: what is said of one image, as docs/score.md tells programs to read it."""

import json
from dataclasses import dataclass
from typing import Any

VERDICTS = ("clean", "review", "defect")
"""Words for the decision codes 0, 1 and 2."""

UNDECIDED = "undecided"

KEYS = frozenset(
    {"id", "verdict", "reason", "suspect", "classes", "boxes"}
    | {"bundle_id", "variant", "precision", "engine", "scored_at"}
)
"""Of the line of every row."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Probability of a class, None where it is no number; clean, review, defect or undecided."""

    name: str
    probability: float | None
    decision: str


@dataclass(frozen=True, slots=True)
class Place:
    """A box of a class, in pixels of the stored image; see `decision.places.Box`."""

    class_name: str
    left: int
    top: int
    right: int
    bottom: int
    area: int
    score: float


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a score: the same in every row of one scoring."""

    bundle_id: str
    variant: str
    precision: str
    engine: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of one image.

    Attributes:
        id: of the input.
        verdict: clean, review or defect.
        reason: why there is no score that could be believed; None where there is one.
        suspect: why the image itself should not be believed though it was scored.
        classes: in column order; none where the image could not be read.
        places: of the classes that are not clean, the highest score of each class first.
        origin: what made the score.
        scored_at: ISO 8601, UTC.
    """

    id: str
    verdict: str
    reason: str | None
    suspect: str | None
    classes: tuple[ClassScore, ...]
    places: tuple[Place, ...]
    origin: Origin
    scored_at: str

    def to_json(self) -> dict[str, Any]:
        """The line of a JSONL file."""
        return {
            "id": self.id,
            "verdict": self.verdict,
            "reason": self.reason,
            "suspect": self.suspect,
            "classes": {
                c.name: {"probability": c.probability, "decision": c.decision} for c in self.classes
            },
            "boxes": [
                {
                    "class": place.class_name,
                    "left": place.left,
                    "top": place.top,
                    "right": place.right,
                    "bottom": place.bottom,
                    "area": place.area,
                    "score": place.score,
                }
                for place in self.places
            ],
            "bundle_id": self.origin.bundle_id,
            "variant": self.origin.variant,
            "precision": self.origin.precision,
            "engine": self.origin.engine,
            "scored_at": self.scored_at,
        }

    def to_line(self) -> str:
        """The same as text, without the line's end."""
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False)
