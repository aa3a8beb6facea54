"""Where heatmaps point: measured on runs that learnt with and without masks."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from stripsight.cli.app import run_command
from stripsight.data.datamodule import StripDataModule
from stripsight.data.prepared import load_prepared, save_prepared
from stripsight.decision.places import compute_heatmap
from stripsight.errors import DataError
from stripsight.evaluation.gradcam import compute_gradcam
from stripsight.evaluation.localisation.agreement import measure_agreement
from stripsight.evaluation.localisation.measure import measure_places
from stripsight.evaluation.localisation.places import Places
from stripsight.evaluation.localisation.tally import ClassMaps
from stripsight.evaluation.opened_run import open_run
from stripsight.training.trained_network import load_network

PARTS = ("validation", "test")


def load_data(root: Path) -> StripDataModule:
    data = StripDataModule(root, masks=True)
    data.setup()
    return data


def perfect_maps(
    data: StripDataModule, *, cell: int = 1, wrong: bool = False
) -> dict[str, ClassMaps]:
    """Logits that are +10 in the mask's cells and -10 elsewhere, or the other way round."""
    maps = {}
    for part in PARTS:
        masks = torch.stack([sample["mask"] for sample in data.datasets[part]]).float()
        cells = torch.nn.functional.max_pool2d(masks, cell)
        maps[part] = ((20 * cells - 10) * (-1 if wrong else 1)).numpy()
    return maps


def test_perfect_maps_are_perfect_and_their_opposites_are_not(tiny_dataset: Path) -> None:
    data = load_data(tiny_dataset)
    places = measure_places(data, perfect_maps(data), "test", rounds=50)
    for entry in places.classes:
        assert entry.images == entry.masks == int(data.datasets["test"].labels[:, 0].sum())
        assert entry.against == "masks"
        for measure, found in entry.found.items():
            assert found.value == pytest.approx(1, abs=0.01 if measure == "energy" else 1e-9)
            assert found.centre is not None
            assert found.interval.low < found.value  # one group's 1 is not certainty
            assert found.lead == pytest.approx(
                found.value - max(found.centre, found.mean_mask or 0)
            )
    worst = measure_places(data, perfect_maps(data, wrong=True), "test", rounds=50)
    assert worst.macro["pointing"].value == 0
    assert worst.macro["energy"].value < 0.01
    assert worst.macro["pixel_ap"].lead < 0


def test_figures_are_scikit_learns_on_full_heatmaps(tiny_dataset: Path) -> None:
    data = load_data(tiny_dataset)
    rng = np.random.default_rng(3)
    maps = {
        part: (perfect + rng.normal(0, 4, perfect.shape)).astype(np.float32)
        for part, perfect in perfect_maps(data, cell=8).items()
    }
    places = measure_places(data, maps, "test", rounds=20)
    dataset = data.datasets["test"]
    for column, entry in enumerate(places.classes):
        rows = np.flatnonzero(dataset.labels[:, column])
        heat = np.stack([compute_heatmap(maps["test"][row, column], (64, 96)) for row in rows])
        masks = np.stack([dataset[row]["mask"][column].numpy() for row in rows.tolist()])
        exact = average_precision_score(masks.ravel(), heat.ravel())
        assert entry.found["pixel_ap"].value == pytest.approx(exact, abs=2e-3)
        energy = [h[m > 0].sum() / h.sum() for h, m in zip(heat, masks, strict=True)]
        assert entry.found["energy"].value == pytest.approx(np.mean(energy), rel=1e-4)
        hits = [m.ravel()[h.argmax()] for h, m in zip(heat, masks, strict=True)]
        assert entry.found["pointing"].value == pytest.approx(np.mean(hits))
        assert entry.level is not None
        dice = [
            f1_score(m.ravel(), h.ravel() >= entry.level) for h, m in zip(heat, masks, strict=True)
        ]
        assert entry.found["dice"].value == pytest.approx(np.mean(dice), abs=2e-3)


def test_the_level_is_fitted_on_validation_alone(tiny_dataset: Path) -> None:
    data = load_data(tiny_dataset)
    maps = perfect_maps(data, cell=8)
    first = measure_places(data, maps, "test", rounds=5)
    # Test maps that lie within the old range but are otherwise others.
    other = {**maps, "test": np.ascontiguousarray(maps["test"][::-1])}
    second = measure_places(data, other, "test", rounds=5)
    assert [c.level for c in first.classes] == [c.level for c in second.classes]
    assert first.macro["dice"].value > second.macro["dice"].value
    on_itself = measure_places(data, maps, "validation", rounds=5)
    assert "fitted on the very validation images" in on_itself.notes[-1]


def relabel(root: Path, folder: Path, **columns: object) -> StripDataModule:
    dataset = load_prepared(root)
    changed = dataset.annotations.assign(**columns)
    save_prepared(replace(dataset, root=folder, annotations=changed))
    return load_data(folder)


def test_boxes_are_named_as_what_was_measured_against(tiny_dataset: Path, tmp_path: Path) -> None:
    data = relabel(tiny_dataset, tmp_path / "boxes", kind="box")
    places = measure_places(data, perfect_maps(data), "test", rounds=5)
    assert [entry.against for entry in places.classes] == ["boxes", "boxes"]
    assert "bar, blob: measured against boxes" in places.notes[0]
    assert json.loads(json.dumps(places.to_json()))["classes"][0]["against"] == "boxes"


def test_presence_alone_has_no_figure_and_says_so(tiny_dataset: Path, tmp_path: Path) -> None:
    data = relabel(tiny_dataset, tmp_path / "bare", kind="presence", rle=None, area=None)
    places = measure_places(data, perfect_maps(data), "test", rounds=5)
    assert places.macro == {}
    assert all(entry.level is None and not entry.found for entry in places.classes)
    assert places.notes == (
        "no test image says where its defects are, only which there are: whether the heatmaps"
        " point at them was not measured",
    )
    record = json.loads(json.dumps(places.to_json(), allow_nan=False))
    assert record["classes"][0]["found"]["pixel_ap"] is None


def test_one_class_without_places_leaves_the_other_its_figures(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    kinds = [
        "presence" if c == 1 else "mask"
        for c in load_prepared(tiny_dataset).annotations["class_id"]
    ]
    rle = load_prepared(tiny_dataset).annotations["rle"]
    data = relabel(
        tiny_dataset,
        tmp_path / "half",
        kind=kinds,
        rle=[None if kind == "presence" else text for kind, text in zip(kinds, rle, strict=True)],
    )
    places = measure_places(data, perfect_maps(data), "test", rounds=5)
    assert places.classes[0].found == {}
    assert places.classes[1].found["pixel_ap"].value == pytest.approx(1)
    assert places.macro["pixel_ap"].value == pytest.approx(1)
    assert "bar: no test image says where, so no figure" in places.notes


def test_masks_are_read_only_where_they_were_asked_for(tiny_dataset: Path) -> None:
    data = StripDataModule(tiny_dataset)
    data.setup()
    with pytest.raises(DataError, match="masks=True"):
        data.datasets["test"].read_masks(0)
    with_masks = load_data(tiny_dataset).datasets["test"]
    mask, known = with_masks.read_masks(3)
    assert np.array_equal(mask, with_masks[3]["mask"].numpy())
    assert np.array_equal(known, with_masks[3]["mask_known"].numpy())


def measure_last(run: Path) -> Places:
    """Of the last epoch: the tiny set is classified without a fault after two."""
    data = open_run(run).data
    network, _ = load_network(run / "checkpoints" / "last.ckpt")
    network.eval()
    with torch.inference_mode():
        maps = {
            part: np.concatenate(
                [network(batch["image"]).class_maps.numpy() for batch in data.loader_for(part)]
            )
            for part in PARTS
        }
    return measure_places(data, maps, "test", rounds=20)


def test_masks_while_training_make_heatmaps_point_at_defects(
    tiny_overrides: list[str], tmp_path: Path
) -> None:
    found = {}
    for weight in (0, 1):
        run = tmp_path / str(weight)
        words = [
            *tiny_overrides,
            "model.pooling=lse",
            "training.num_epochs=5",
            "data.image_size=[192,288]",
            "training.ema_decay=0.8",
        ]
        words += ["augmentation=none", "training.learning_rate=0.01"]
        words += [f"loss.localisation_weight={weight}", "--run", str(run)]
        assert run_command(["train", *words]) == 0
        found[weight] = measure_last(run).macro
    # Such plain defects are pointed at without masks as well; masks teach to be cold beside them.
    assert found[0]["pointing"].lead > 0.5
    assert found[1]["energy"].value > 1.5 * found[0]["energy"].value
    assert found[1]["dice"].value > found[0]["dice"].value - 0.05


def test_grad_cam_agrees_with_class_maps_and_not_with_others(tiny_run: Path) -> None:
    opened = open_run(tiny_run)
    dataset = opened.data.datasets["test"]
    maps = np.concatenate(
        [
            compute_gradcam(opened.network, batch["image"])
            for batch in opened.data.loader_for("test")
        ]
    )
    measure = partial(measure_agreement, opened.network, dataset, device=opened.device)
    for agreement, count in zip(measure(maps), dataset.labels.sum(axis=0), strict=True):
        assert agreement.images == count
        assert agreement.correlation == pytest.approx(1)
    assert all(agreement.correlation == pytest.approx(-1) for agreement in measure(-maps))
    assert [agreement.images for agreement in measure(maps, most=1)] == [1, 1]
    dataset.labels[:] = 0
    assert [agreement.correlation for agreement in measure(maps)] == [None, None]
