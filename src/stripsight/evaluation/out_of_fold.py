"""Predictions of several files as one table of images that no network trained on.

With the parts of a k-fold split each image is in `test` once, so the files of all runs together
cover a whole data set. What is refused: files of other labels, of training images, of other
classes, an image twice, and scores that are not finite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stripsight.data.prepared import PreparedDataset
from stripsight.errors import EvaluationError
from stripsight.evaluation.predictions import Predictions, load_predictions
from stripsight.evaluation.stored_predictions import find_fault_of_labels, find_fault_of_rows

_PARTS = ("validation", "test")
_FILE_OF_RUN = "predictions_test.parquet"


@dataclass(frozen=True)
class OutOfFold:
    """One prediction an image.

    Attributes:
        ids: N image ids, sorted.
        labels: as given, uint8 `[N, C]`.
        probabilities: float64 `[N, C]`.
        images_of_part: how many come from validation and from test.
    """

    ids: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float64]
    images_of_part: dict[str, int]


def find_predictions(path: Path) -> Path:
    """The prediction file of a run folder, or the file itself.

    Raises:
        EvaluationError: neither is there.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise EvaluationError(f"{path} does not exist: give run folders or prediction files")
    file = path / _FILE_OF_RUN
    if file.is_file():
        return file
    if (path / "provenance.json").is_file():
        raise EvaluationError(
            f"{path} has no {_FILE_OF_RUN}: run `stripsight evaluate {path}` first"
        )
    raise EvaluationError(f"{path} is no run folder and has no {_FILE_OF_RUN}: give a run")


def gather_out_of_fold(dataset: PreparedDataset, files: Sequence[Path]) -> OutOfFold:
    """Read prediction files, as `find_predictions` names them, and check that they may judge the
    labels of `dataset`.

    Raises:
        EvaluationError: see the module.
    """
    file_of: dict[str, Path] = {}
    labels, probabilities = [], []
    images_of_part = dict.fromkeys(_PARTS, 0)
    content_hash = dataset.content_hash()
    for path in files:
        predictions = load_predictions(path)
        try:
            part = _check_source(predictions, dataset, content_hash)
            if fault := (
                find_fault_of_rows(predictions, dataset.classes.names)
                or find_fault_of_labels(predictions, dataset, content_hash)
            ):
                raise EvaluationError(f"{fault}: evaluate the run again")
            for image_id in predictions.ids:
                if image_id in file_of:
                    raise EvaluationError(
                        f"image {image_id!r} is in {file_of[image_id]} too: give one prediction an"
                        " image, as the test parts of a k-fold split do"
                    )
                file_of[image_id] = path
        except EvaluationError as error:
            raise EvaluationError(f"{path}: {error}") from error
        images_of_part[part] += len(predictions.ids)
        labels.append(predictions.labels)
        probabilities.append(predictions.probabilities)
    ids = np.array(list(file_of), dtype=object)
    order = np.argsort(ids, kind="stable")
    return OutOfFold(
        ids=tuple(str(name) for name in ids[order]),
        labels=np.concatenate(labels)[order],
        probabilities=np.concatenate(probabilities)[order],
        images_of_part=images_of_part,
    )


def _check_source(predictions: Predictions, dataset: PreparedDataset, content_hash: str) -> str:
    source: object = predictions.source  # plain JSON, of any kind in a file that was tampered with
    if not isinstance(source, dict):
        raise EvaluationError("it does not say what its predictions are of: evaluate again")
    if source.get("data_set") != content_hash:
        since = [r for r in dataset.reviews if r.before == source.get("data_set")]
        why = (
            f"made before reviews/{since[0].number:04d}.json changed the labels: train again"
            if since
            else f"made on another data set, or on other labels, than {dataset.root}"
        )
        raise EvaluationError(why)
    part = source.get("part")
    if part not in _PARTS:
        raise EvaluationError(
            f"predictions of the part {part!r}: a network confirms the labels it was trained on;"
            " give those of test (or validation)"
        )
    return str(part)
