"""Evaluations made by hand: real figures of hand-made predictions, no network and no training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from stripsight.data.lookalikes.links import save_links
from stripsight.data.prepared import (
    ANNOTATION_COLUMNS,
    IMAGE_COLUMNS,
    PreparedDataset,
    save_prepared,
)
from stripsight.decision.calibration import make_identity
from stripsight.decision.document import Decisions, FittedOn, apply_decisions
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.evaluation.calibration.choice import ClassFit, FittedCalibration
from stripsight.evaluation.calibration.reliability import compute_quality
from stripsight.evaluation.evaluation import CalibrationEffect, Evaluation
from stripsight.evaluation.fitting import FittedDecisions
from stripsight.evaluation.judgement import judge
from stripsight.evaluation.localisation.places import Places
from stripsight.evaluation.policies.fitting import FittedPolicy
from stripsight.evaluation.predictions import Predictions
from stripsight.labels import ClassList

Evaluate = Callable[..., Evaluation]


def save_dataset(root: Path, ids: Sequence[str], classes: ClassList) -> PreparedDataset:
    rows = [(i, i, 64, 256, f"{n:064x}", True, n) for n, i in enumerate(ids)]
    prepared = PreparedDataset(
        root=root,
        name="strips",
        source_format="test",
        classes=classes,
        image_root=root,
        images=pd.DataFrame(rows, columns=list(IMAGE_COLUMNS)).astype(IMAGE_COLUMNS),
        annotations=pd.DataFrame([], columns=list(ANNOTATION_COLUMNS)).astype(ANNOTATION_COLUMNS),
    )
    save_prepared(prepared)
    return prepared


def open_run(
    root: Path, ids: Sequence[str], names: Sequence[str], leaks: tuple[Any, ...], is_searched: bool
) -> Any:
    """What a report reads of a run; the report reads no network and no image here."""
    classes = ClassList.from_names(names)
    prepared = save_dataset(root, ids, classes)
    if is_searched:
        prepared = save_links(prepared, ())
    record = {
        "data_set": {"name": "strips", "images_used": {"train": 9, "test": len(ids)}},
        "finished": "2026-01-02T03:04:05",
        "seed": 3,
        "git_commit": None,
        "packages": {"torch": "2"},
        "hardware": {"gpu": None, "processor": "a processor", "cores": 2},
    }
    return SimpleNamespace(
        folder=root / "run",
        record=record,
        config=SimpleNamespace(model=SimpleNamespace(backbone="resnet18", pooling="avg")),
        data=SimpleNamespace(
            classes=classes,
            prepared=prepared,
            image_size=(64, 256),
            split=SimpleNamespace(title="holdout (by group)"),
        ),
        leaks=leaks,
    )


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Judge `scores` `[N, C]` (probabilities) against `labels` `[N, C]` at `thresholds`."""

    def build(
        labels: Any,
        scores: Any,
        thresholds: Sequence[ClassPolicy | float | None],
        *,
        names: Sequence[str] | None = None,
        part: str = "test",
        split_by: str = "group",
        leaks: tuple[Any, ...] = (),
        is_searched: bool = True,
        promises: tuple[Any, ...] = (),
        notes: tuple[str, ...] = (),
        **fields: Any,
    ) -> Evaluation:
        labels = np.asarray(labels, np.uint8)
        logits = logit(np.asarray(scores, np.float64)).astype(np.float32)
        count, width = labels.shape
        names = tuple(names or (f"kind_{column}" for column in range(width)))
        ids = [f"{row}.png" for row in range(count)]
        source = {
            "part": part,
            "data_set": "d" * 64,
            "split": "e" * 64,
            "split_by": split_by,
            "checkpoint": "f" * 64,
        }
        predictions = Predictions(ids, names, labels, logits, source)
        policy = Policy(
            "max_f1",
            {},
            tuple(t if isinstance(t, ClassPolicy) else ClassPolicy.at(t) for t in thresholds),
        )
        decisions = Decisions(
            class_names=names,
            calibration=make_identity(width),
            policy=policy,
            fitted_on=FittedOn("validation", count, "d" * 64, "e" * 64, "f" * 64),
            positives=tuple(int(n) for n in labels.sum(axis=0)),
        )
        groups = np.arange(count)
        probabilities = decisions.calibration.apply(logits)
        qualities = [compute_quality(probabilities[:, c], labels[:, c]) for c in range(width)]
        fits = tuple(ClassFit(name, 9, 9, (), "none", "because of that") for name in names)
        return Evaluation(
            opened=open_run(tmp_path / "data", ids, names, leaks, is_searched),
            predictions=predictions,
            validation=predictions,
            groups=groups,
            fitted=FittedDecisions(
                decisions,
                FittedCalibration(decisions.calibration, fits),
                FittedPolicy(policy, promises),
                probabilities,
            ),
            probabilities=probabilities,
            codes=apply_decisions(decisions, logits),
            judgement=judge(
                predictions, decisions, groups, part=part, split="holdout (by group)", notes=notes
            ),
            calibration=tuple(CalibrationEffect(quality, quality) for quality in qualities),
            **{
                "slices": (),
                "places": Places(part, "validation", (64, 256), (2, 8), (), {}, ()),
                **fields,
            },
        )

    return build


@pytest.fixture
def good(evaluate: Evaluate) -> Evaluate:
    """Nothing to say against: 40 clean images, 40 of the class, all called rightly and surely."""

    def build(**changes: Any) -> Evaluation:
        labels = np.repeat([[0], [1]], 40, axis=0)
        return evaluate(labels, np.where(labels, 0.995, 0.005), [0.5], **changes)

    return build
