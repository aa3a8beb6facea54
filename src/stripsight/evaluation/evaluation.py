"""What judging a run on one part came to: everything that tables, JSON and the report say."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import Codes
from stripsight.evaluation.calibration.reliability import CalibrationQuality
from stripsight.evaluation.fitting import FittedDecisions
from stripsight.evaluation.groups import Groups
from stripsight.evaluation.judged_files import name_rule
from stripsight.evaluation.judgement import Judgement
from stripsight.evaluation.localisation.agreement import Agreement
from stripsight.evaluation.localisation.places import Places
from stripsight.evaluation.opened_run import OpenedRun
from stripsight.evaluation.predictions import Predictions
from stripsight.evaluation.slices.slice import Slice
from stripsight.evaluation.stress.stress_test import StressTest


@dataclass(frozen=True)
class CalibrationEffect:
    """How good the probabilities of one class are, as the network gives them and calibrated."""

    before: CalibrationQuality
    after: CalibrationQuality


@dataclass(frozen=True)
class Evaluation:
    """One run on one part.

    Attributes:
        opened: the run.
        predictions: of the part.
        validation: of validation, which everything was fitted on.
        groups: int64 `[N]`, of the part's images.
        fitted: calibration and policy.
        probabilities: calibrated, float64 `[N, C]`.
        codes: decision codes, int8 `[N, C]`.
        judgement: every figure.
        calibration: of each class.
        slices: the worst first.
        places: whether the heatmaps point at the defects.
        agreement: of heatmaps and Grad-CAM, a class each, where it was ever asked for.
        stress: where it was ever asked for.
        left_out: what was asked for once and is no longer true, each with how to get it back.
    """

    opened: OpenedRun
    predictions: Predictions
    validation: Predictions
    groups: Groups
    fitted: FittedDecisions
    probabilities: npt.NDArray[np.float64]
    codes: Codes
    judgement: Judgement
    calibration: tuple[CalibrationEffect, ...]
    slices: tuple[Slice, ...]
    places: Places
    agreement: tuple[Agreement, ...] | None = None
    stress: StressTest | None = None
    left_out: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """Of the split."""
        return self.judgement.part

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        fits = self.fitted.calibration.classes
        return {
            **self.judgement.to_json(),
            "settings": dict(self.fitted.decisions.policy.settings),
            "promises": list(self.fitted.decisions.promises),
            "calibration": [
                {
                    "name": fit.name,
                    "kind": fit.chosen,
                    "reason": fit.reason,
                    "candidates": [asdict(candidate) for candidate in fit.candidates],
                    **asdict(effect),
                }
                for fit, effect in zip(fits, self.calibration, strict=True)
            ],
            "slices": [part.to_json() for part in self.slices],
            "places": self.places.to_json(),
            "gradcam": None
            if self.agreement is None
            else [asdict(agreement) for agreement in self.agreement],
            "rule": name_rule(self.fitted.decisions),
            "source": self.predictions.source,
        }
