"""Stress tests and slices of a run that was really trained."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from stripsight.decision.document import Decisions, apply_decisions
from stripsight.errors import EvaluationError, UsageError
from stripsight.evaluation.fitting import Choice, fit_decisions
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.opened_run import OpenedRun, open_run
from stripsight.evaluation.predictions import Predictions, predict
from stripsight.evaluation.slices.attributes import build_attributes
from stripsight.evaluation.slices.slice import compute_slices
from stripsight.evaluation.stress.corrupted_images import predict_corrupted
from stripsight.evaluation.stress.corruptions import CORRUPTIONS, LEVELS, Corruption, corrupt_image
from stripsight.evaluation.stress.stress_test import MACRO, OVERALL, stress_run

NOTHING = Corruption(
    "nothing", "nothing", "", (1, 2, 3, 4, 5), lambda image, strength, generator: image
)
NIGHT = Corruption(
    "night", "night", "", (1, 2, 3, 4, 5), lambda image, strength, generator: image * 0
)


@pytest.fixture(scope="module")
def opened(tiny_run: Path) -> OpenedRun:
    return open_run(tiny_run)


def predict_part(opened: OpenedRun, part: str) -> Predictions:
    return predict(
        opened.network,
        opened.data.loader_for(part),
        class_names=opened.data.classes.names,
        source=opened.describe_source(part),
        device=opened.device,
    )


@pytest.fixture(scope="module")
def decisions(opened: OpenedRun) -> Decisions:
    validation = predict_part(opened, "validation")
    groups = find_groups(opened.data.prepared, validation.ids)
    return fit_decisions(validation, groups, Choice()).decisions


def test_every_corruption_at_every_level_is_predicted_as_by_hand(opened: OpenedRun) -> None:
    dataset = opened.data.datasets["test"]
    progress: list[tuple[int, int]] = []
    logits = predict_corrupted(
        opened.network,
        dataset,
        CORRUPTIONS,
        seed=3,
        batch_size=16,
        num_workers=0,
        device=opened.device,
        report_progress=lambda done, total: progress.append((done, total)),
    )
    assert logits.shape == (1 + LEVELS * len(CORRUPTIONS), len(dataset), 2)
    assert progress[-1] == (41 * len(dataset), 41 * len(dataset))
    np.testing.assert_allclose(logits[0], predict_part(opened, "test").logits, atol=1e-4)
    image_id = dataset.ids[1]
    for number, corruption in enumerate(CORRUPTIONS):
        for level in range(1, LEVELS + 1):
            stored = dataset.read_stored(1)
            image = corrupt_image(stored, corruption, level, image_id=image_id, seed=3)
            with torch.inference_mode():
                expected = opened.network(torch.from_numpy(image)[None, None]).logits[0]
            variant = number * LEVELS + level
            np.testing.assert_allclose(logits[variant, 1], expected.numpy(), atol=1e-4)


def test_loader_processes_change_nothing(opened: OpenedRun) -> None:
    both = [
        predict_corrupted(
            opened.network,
            opened.data.datasets["test"],
            CORRUPTIONS[4:7],
            seed=0,
            batch_size=8,
            num_workers=workers,
            device=opened.device,
        )
        for workers in (0, 1)
    ]
    np.testing.assert_array_equal(*both)


def test_figures_are_scikit_learns_and_the_run_folder_is_left_alone(
    opened: OpenedRun, decisions: Decisions
) -> None:
    before = sorted(path.name for path in opened.folder.rglob("*"))
    stress = stress_run(opened, "test", decisions, rounds=50)
    assert sorted(path.name for path in opened.folder.rglob("*")) == before
    assert [curve.name for curve in stress.curves] == [c.name for c in CORRUPTIONS]
    assert (stress.images, stress.part_images) == (9, 9)
    assert stress.positives == tuple(opened.data.datasets["test"].labels.sum(axis=0))
    predictions = predict_part(opened, "test")
    first = stress.curves[0].levels[0]
    for figure, reference in (
        ("macro_average_precision", average_precision_score),
        ("macro_auroc", roc_auc_score),
    ):
        found = first.figures[figure]
        assert found is not None
        expected = [reference(predictions.labels[:, c], predictions.logits[:, c]) for c in range(2)]
        assert found.value == pytest.approx(np.mean(expected))
        assert found.low <= found.value <= found.high
    for curve in stress.curves:
        assert [level.level for level in curve.levels] == list(range(LEVELS + 1))
        for level in curve.levels:
            assert set(level.figures) == {*(f"macro_{name}" for name in MACRO), *OVERALL}
            for name, figure in level.figures.items():
                change, clean = level.changes[name], curve.levels[0].figures[name]
                assert (figure is None) or 0 <= figure.low <= figure.value <= figure.high <= 1
                if change is not None:
                    assert figure is not None
                    assert clean is not None
                    assert change.value == pytest.approx(figure.value - clean.value)
                    assert change.low <= change.value <= change.high
            for name, bound in level.bounds.items():
                change = level.changes[name]
                assert bound is not None
                assert change is not None
                # For all 80 comparisons at once, so beyond the limit for this one.
                assert bound > change.high or bound == change.high in (0, 1)


def test_an_image_that_nothing_happens_to_changes_no_figure(
    opened: OpenedRun, decisions: Decisions
) -> None:
    curve = stress_run(opened, "test", decisions, corruptions=(NOTHING,), rounds=50).curves[0]
    assert curve.find_fall() is None
    for level in curve.levels:
        assert level.figures == curve.levels[0].figures
        for change in level.changes.values():
            assert change is None or change.low <= change.value == 0 <= change.high
            assert change is None or level.level or change.low == change.high == 0


def test_in_the_dark_a_network_guesses_and_the_fall_is_found(
    opened: OpenedRun, decisions: Decisions
) -> None:
    stress = stress_run(opened, "train", decisions, corruptions=(NIGHT,), rounds=50)
    labels = opened.data.datasets["train"].labels
    for level in stress.curves[0].levels[1:]:
        precisions = [figure.value for figure in level.average_precisions if figure]
        np.testing.assert_allclose(precisions, labels.mean(axis=0))
        auroc = level.figures["macro_auroc"]
        assert auroc is not None
        assert auroc.value == 0.5
    fall = stress.curves[0].find_fall()
    assert fall is not None
    assert fall.level == 1


def test_a_limit_takes_some_images_and_says_of_how_many(
    opened: OpenedRun, decisions: Decisions
) -> None:
    stress, again = (
        stress_run(opened, "validation", decisions, corruptions=(NIGHT,), limit=4, rounds=9, seed=7)
        for _ in range(2)
    )
    assert (stress.images, stress.part_images, stress.part) == (4, 9, "validation")
    assert again.to_json() == stress.to_json()
    json.dumps(stress.to_json(), allow_nan=False)


def test_what_does_not_fit_is_refused(opened: OpenedRun, decisions: Decisions) -> None:
    with pytest.raises(UsageError, match="split 'val' cannot be stressed"):
        stress_run(opened, "val", decisions)
    with pytest.raises(UsageError, match="limit 0"):
        stress_run(opened, "test", decisions, limit=0)
    with pytest.raises(EvaluationError, match="'night' has 2 strengths"):
        stress_run(opened, "test", decisions, corruptions=(replace(NIGHT, strengths=(1, 2)),))
    other = replace(decisions, fitted_on=replace(decisions.fitted_on, checkpoint="0" * 64))
    with pytest.raises(EvaluationError, match="another checkpoint"):
        stress_run(opened, "test", other)


def test_an_output_that_is_not_finite_names_the_image(tiny_run: Path, decisions: Decisions) -> None:
    broken = open_run(tiny_run)
    with torch.no_grad():
        broken.network.head.bias.fill_(float("nan"))  # type: ignore[union-attr,operator]
    first = broken.data.datasets["test"].ids[0]
    with pytest.raises(
        EvaluationError, match=f"output for {first} without corruption is not finite"
    ):
        stress_run(broken, "test", decisions, corruptions=(NIGHT,))


def test_slices_of_a_run(opened: OpenedRun, decisions: Decisions) -> None:
    predictions = predict_part(opened, "train")
    attributes = build_attributes(opened.data.prepared, predictions.ids, workers=1)
    slices = compute_slices(
        attributes,
        apply_decisions(decisions, predictions.logits),
        predictions.logits,
        predictions.labels,
        find_groups(opened.data.prepared, predictions.ids),
    )
    names = {found.attribute for found in slices}
    assert {"brightness", "contrast", "smallest_defect"} <= names
    # All images have no border and no look-alike: no slice can be told from the rest.
    assert not {"border", "group_size", "checker"} & names
    evidence = [found.evidence for found in slices if found.evidence is not None]
    assert evidence == sorted(evidence, reverse=True)
