"""From logits to probabilities that mean what they say; applied here, fitted in `evaluation`.

| kind | parameters | probability of a logit z |
| --- | --- | --- |
| none | | sigmoid(z) |
| temperature | T > 0 | sigmoid(z / T) |
| platt | slope > 0, intercept | sigmoid(slope z + intercept) |
| isotonic | k rising logits, then k non-falling values | linear between them, level beyond |

None of them turns the order of two images round; isotonic makes ties.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from stripsight.errors import DecisionError

Kind = Literal["none", "temperature", "platt", "isotonic"]

Probabilities = npt.NDArray[np.float64]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""From the simplest to the freest."""


@dataclass(frozen=True)
class ClassCalibration:
    """How the logits of one class become probabilities; the module's table gives `parameters`.

    Raises:
        DecisionError: parameters that are no such curve.
    """

    kind: Kind = "none"
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if fault := self._find_fault():
            raise DecisionError(f"{fault}: evaluate the run again")

    def _find_fault(self) -> str | None:
        if self.kind not in KINDS:
            return f"no calibration is called {str(self.kind)[:40]!r} (known: {', '.join(KINDS)})"
        values = self.parameters
        wanted = {"none": "0", "temperature": "1", "platt": "2", "isotonic": "an even number of"}
        fits = {
            "none": not values,
            "temperature": len(values) == 1,
            "platt": len(values) == 2,
            "isotonic": len(values) >= 2 and len(values) % 2 == 0,
        }
        if not fits[self.kind]:
            return f"{self.kind} calibration has {len(values)} parameters, not {wanted[self.kind]}"
        if not all(math.isfinite(value) for value in values):
            return f"{self.kind} calibration has a parameter that is not finite"
        if self.kind in ("temperature", "platt") and values[0] <= 0:
            return f"{self.kind} calibration with {values[0]:g}, which must be above 0"
        if self.kind == "isotonic":
            knots, levels = self.knots, self.levels
            if any(right <= left for left, right in pairwise(knots)):
                return "isotonic calibration with logits that do not rise"
            if any(right < left for left, right in pairwise(levels)):
                return "isotonic calibration with probabilities that fall"
            if levels[0] < 0 or levels[-1] > 1:
                return "isotonic calibration with a probability outside 0 to 1"
        return None

    @property
    def knots(self) -> tuple[float, ...]:
        """The logits of an isotonic curve."""
        return self.parameters[: len(self.parameters) // 2]

    @property
    def levels(self) -> tuple[float, ...]:
        """The probabilities at `knots`."""
        return self.parameters[len(self.parameters) // 2 :]

    def apply(self, logits: npt.NDArray[np.floating]) -> Probabilities:
        """float64, of any shape, as `logits`; NaN where a logit is not finite.

        An infinite logit is a broken output, not a certain one: as a probability of 0 it would
        pass for clean.
        """
        scores = logits.astype(np.float64)
        if self.kind == "isotonic":
            probabilities = _interpolate(scores, np.array(self.knots), np.array(self.levels))
        else:
            with np.errstate(over="ignore"):  # beyond 1e308 the sigmoid is 0 or 1 all the same
                probabilities = compute_sigmoid(self._straighten(scores))
        return np.asarray(np.where(np.isfinite(scores), probabilities, np.nan))

    def _straighten(self, scores: Probabilities) -> Probabilities:
        if self.kind == "temperature":
            return scores / self.parameters[0]
        if self.kind == "platt":
            return self.parameters[0] * scores + self.parameters[1]
        return scores


@dataclass(frozen=True)
class Calibration:
    """The calibration of every class, in column order."""

    classes: tuple[ClassCalibration, ...]

    def apply(self, logits: npt.NDArray[np.floating]) -> Probabilities:
        """float64 `[N, C]` of `logits` `[N, C]`; NaN where a logit is not finite.

        Raises:
            DecisionError: logits of another number of classes.
        """
        if logits.ndim != 2 or logits.shape[1] != len(self.classes):
            raise DecisionError(
                f"logits of shape {list(logits.shape)} for a calibration of {len(self.classes)}"
                " classes: take the decisions of the same run"
            )
        columns = [curve.apply(logits[:, c]) for c, curve in enumerate(self.classes)]
        return np.stack(columns, axis=1)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain rows, one a class."""
        return [{"kind": c.kind, "parameters": list(c.parameters)} for c in self.classes]

    @classmethod
    def from_json(cls, rows: object) -> "Calibration":
        """Read what `to_json` wrote; every number comes back to the last bit.

        Raises:
            DecisionError: rows of another form, or a curve that is none.
        """
        if not isinstance(rows, list) or not rows:
            raise DecisionError("the calibration is no list of classes: evaluate the run again")
        return cls(tuple(_read_class(row) for row in rows))


def make_identity(classes: int) -> Calibration:
    """Logits as the network gives them: sigmoid alone."""
    return Calibration((ClassCalibration(),) * classes)


def compute_sigmoid(scores: npt.NDArray[np.float64]) -> Probabilities:
    """1 / (1 + exp(-z)), float64, without overflow on either side."""
    small = np.exp(-np.abs(scores))
    return np.asarray(np.where(scores >= 0, 1.0, small) / (1.0 + small))


def _interpolate(
    scores: Probabilities, knots: Probabilities, levels: Probabilities
) -> Probabilities:
    """`np.interp`, held below the next knot, which rounding lets it pass by a last bit."""
    following = np.searchsorted(knots, scores, side="right").clip(max=len(knots) - 1)
    return np.asarray(np.minimum(np.interp(scores, knots, levels), levels[following]))


def _read_class(row: object) -> ClassCalibration:
    if not isinstance(row, dict) or row.keys() != {"kind", "parameters"}:
        raise DecisionError(
            "a class of the calibration is not given by kind and parameters: evaluate the run again"
        )
    kind, values = row["kind"], row["parameters"]
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        raise DecisionError(
            "the parameters of a calibration are no list of numbers: evaluate the run again"
        )
    try:
        return ClassCalibration(kind, tuple(float(value) for value in values))
    except (TypeError, OverflowError) as error:  # an unhashable kind, an integer of 400 digits
        raise DecisionError(
            f"the calibration is damaged ({error}): evaluate the run again"
        ) from error
