"""Measure the places of one part of a run: tally, fit levels on validation, figures and words.

Class maps of a whole split may be in memory (12 MB for 1,885 strips of four classes); heatmaps are
made one at a time.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from stripsight.data.datamodule import StripDataModule
from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.evaluation.groups import find_groups
from stripsight.evaluation.localisation.figures import (
    average_classes,
    compare,
    fit_steps,
    measure_class,
)
from stripsight.evaluation.localisation.measures import FloatArray, Scale
from stripsight.evaluation.localisation.places import ClassPlaces, Places, describe_gaps
from stripsight.evaluation.localisation.priors import build_centre_prior, build_mean_masks
from stripsight.evaluation.localisation.tally import ClassMaps, ClassTally, tally_part

FITTED_ON = "validation"


def measure_places(
    data: StripDataModule,
    class_maps: Mapping[str, ClassMaps],
    part: str,
    *,
    rounds: int = 1000,
    seed: int = 0,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Places:
    """Measure the class maps of `part` against its masks, or boxes where there are only those.

    Args:
        data: set up; whether its batches hold masks does not matter.
        class_maps: of validation and of `part`, float32 `[N, C, h, w]` in data-set order.
        part: that is judged.
        rounds: random weightings of the groups behind each interval.
        seed: of them.
        report_progress: takes (images done, images in all).

    Raises:
        DataError: a stored mask is damaged.
    """
    # Validation first: its mean masks are a guess that the part is judged beside.
    datasets = {name: open_masked(data, name) for name in dict.fromkeys((FITTED_ON, part))}
    total = sum(int(dataset.labels.any(axis=1).sum()) for dataset in datasets.values())
    done = 0

    def report_image() -> None:
        nonlocal done
        done += 1
        report_progress(done, total)

    columns = range(len(data.classes))
    scales = [_find_scale([class_maps[name][:, c] for name in datasets]) for c in columns]
    centre = build_centre_prior(data.image_size)
    mean_masks = build_mean_masks(datasets[FITTED_ON])
    tallies = {
        name: tally_part(
            dataset, class_maps[name], scales, centre, mean_masks, report_image=report_image
        )
        for name, dataset in datasets.items()
    }
    judged, fitted = tallies[part], [fit_steps(tally) for tally in tallies[FITTED_ON]]
    groups = find_groups(data.prepared, datasets[part].ids)
    weights = _draw_weights(groups, rounds, seed)
    figures = [
        measure_class(judged[column], fitted[column], weights[:, judged[column].rows])
        for column in columns
    ]
    boxed = _find_boxed(data, datasets[part].ids)
    classes = tuple(
        ClassPlaces(
            name=data.classes.names[column],
            images=len(judged[column].rows),
            groups=len(np.unique(groups[judged[column].rows])),
            **_count_kinds(judged[column], column, boxed),
            level=scales[column].heat(fitted[column]["maps"]) if fitted[column] else None,
            found={measure: compare(values) for measure, values in figures[column].items()},
        )
        for column in columns
    )
    return Places(
        part=part,
        fitted_on=FITTED_ON,
        image_size=data.image_size,
        map_size=(class_maps[part].shape[2], class_maps[part].shape[3]),
        classes=classes,
        macro={name: compare(values) for name, values in average_classes(figures).items()},
        notes=describe_gaps(classes, tuple(tally.vanished for tally in judged), part, FITTED_ON),
    )


def open_masked(data: StripDataModule, part: str) -> SeverstalFullImageDataset:
    """The images of a part with their masks, in the size that the network takes."""
    return SeverstalFullImageDataset(
        data.prepared, ids=data.datasets[part].ids, masks=True, image_size=data.image_size
    )


def _find_scale(maps: list[ClassMaps]) -> Scale:
    return Scale(min(float(m.min()) for m in maps), max(float(m.max()) for m in maps))


def _draw_weights(groups: np.ndarray, rounds: int, seed: int) -> FloatArray:
    """Exponential weights of the groups (Rubin 1981), spread over their images: `[R, N]`."""
    unique, of_image = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).standard_exponential((rounds, len(unique)))
    return np.asarray(drawn[:, of_image])


def _find_boxed(data: StripDataModule, ids: list[str]) -> set[tuple[int, int]]:
    """(row, column) of the classes that have a box and no mask on an image."""
    annotations = data.prepared.annotations
    row_of = {name: row for row, name in enumerate(ids)}
    pairs = zip(annotations["image_id"], annotations["class_id"], annotations["kind"], strict=True)
    return {
        (row_of[image_id], data.classes.column_of[int(class_id)])
        for image_id, class_id, kind in pairs
        if kind == "box" and image_id in row_of
    }


def _count_kinds(
    tally: ClassTally, column: int, boxed: Collection[tuple[int, int]]
) -> dict[str, int]:
    boxes = sum((row, column) in boxed for row in tally.rows.tolist())
    return {"masks": len(tally.rows) - boxes, "boxes": boxes}
