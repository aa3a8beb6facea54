"""Predictions of one part of a split: made by a network, kept as a Parquet table.

    predictions_<part>.parquet    id, label_<class>..., logit_<class>..., probability_<class>...

Logits are kept beside the calibrated probabilities because calibration is fitted on them. The
file's metadata names the part, the data set's content hash, the split's hash and the checkpoint's,
and seals all that is read again with a sha256: Parquet would read a flipped bit as another logit.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader

from stripsight.atomic import open_atomically
from stripsight.errors import EvaluationError
from stripsight.models.network import DefectNetwork

_METADATA_KEY = b"stripsight"
_SEAL_KEY = b"stripsight-sha256"


@dataclass(frozen=True)
class Predictions:
    """What a network said of the images of one part.

    Attributes:
        ids: N image ids.
        class_names: C names, in column order.
        labels: uint8 `[N, C]`.
        logits: float32 `[N, C]`.
        source: plain data: part, hashes of data set, split and checkpoint.
        class_maps: float32 `[N, C, h, w]` of logits; they are not stored.
    """

    ids: list[str]
    class_names: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    logits: npt.NDArray[np.float32]
    source: dict[str, Any]
    class_maps: npt.NDArray[np.float32] | None = None

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """float64 `[N, C]`: the logistic function of the logits, not calibrated."""
        return np.asarray(torch.from_numpy(self.logits).double().sigmoid())


def predict(
    network: DefectNetwork,
    loader: DataLoader[Any],
    *,
    class_names: tuple[str, ...],
    source: dict[str, Any],
    device: torch.device,
    report_batch: Callable[[int], None] = lambda images: None,
) -> Predictions:
    """Run a network over a loader in 32-bit precision: the reference for every faster engine.

    Args:
        network: in any mode; it is put into evaluation mode.
        loader: yields batches of `StripSample`.
        class_names: in column order.
        source: see `Predictions`.
        device: where the network lies.
        report_batch: called with the number of images of each batch.

    Raises:
        EvaluationError: a logit is not finite; it names the image.
    """
    network.eval()
    ids: list[str] = []
    labels, logits, class_maps = [], [], []
    with torch.inference_mode():
        for batch in loader:
            said = network(batch["image"].to(device))
            batch_logits = said.logits.float().cpu()
            if not torch.isfinite(batch_logits).all():
                row = int((~torch.isfinite(batch_logits)).any(dim=1).nonzero()[0])
                raise EvaluationError(
                    f"the network's output for {batch['id'][row]} is not finite: the weights are"
                    " damaged; evaluate another checkpoint"
                )
            ids += batch["id"]
            labels.append(batch["target"].numpy().astype(np.uint8))
            logits.append(batch_logits.numpy())
            class_maps.append(said.class_maps.float().cpu().numpy())
            report_batch(len(batch["id"]))
    return Predictions(
        ids,
        class_names,
        np.concatenate(labels),
        np.concatenate(logits),
        source,
        np.concatenate(class_maps),
    )


def save_predictions(
    predictions: Predictions,
    path: Path,
    *,
    probabilities: npt.NDArray[np.float64] | None = None,
) -> None:
    """Write the Parquet table in one step; `probabilities` are calibrated, `[N, C]`, if given."""
    columns: dict[str, Any] = {"id": pa.array(predictions.ids, pa.string())}
    for prefix, values in (
        ("label", predictions.labels),
        ("logit", predictions.logits),
        ("probability", predictions.probabilities if probabilities is None else probabilities),
    ):
        for column, name in enumerate(predictions.class_names):
            columns[f"{prefix}_{name}"] = values[:, column]
    table = pa.table(columns).replace_schema_metadata(
        {
            _METADATA_KEY: json.dumps(predictions.source).encode(),
            _SEAL_KEY: _hash_content(predictions),
        }
    )
    with open_atomically(path) as file:
        pq.write_table(table, file)


def load_predictions(path: Path) -> Predictions:
    """Read what `save_predictions` wrote.

    Raises:
        EvaluationError: missing, damaged, or not written by StripSight.
    """
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        source = json.loads(metadata[_METADATA_KEY])
        if table.schema.field("id").type not in (pa.string(), pa.large_string()):
            raise ValueError("its ids are no text")
        names = tuple(
            name.removeprefix("logit_") for name in table.column_names if name.startswith("logit_")
        )
        labels = _matrix(table, "label", names)
        if not np.isin(labels, (0, 1)).all():
            raise ValueError("a label is neither 0 nor 1")
        predictions = Predictions(
            ids=table["id"].to_pylist(),
            class_names=names,
            labels=labels.astype(np.uint8),
            logits=_narrow(_matrix(table, "logit", names)),
            source=source,
        )
        seal = metadata.get(_SEAL_KEY)
        # Older files have none.
        if seal is not None and seal != _hash_content(predictions):
            raise ValueError("it was changed since it was written: evaluate the run again")
        return predictions
    except (
        OSError,
        LookupError,
        ValueError,
        TypeError,
        RecursionError,
        pa.ArrowException,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise EvaluationError(f"{path} holds no predictions: {reason}") from error


def _narrow(logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, which every reader refuses
        return logits.astype(np.float32)


def _hash_content(predictions: Predictions) -> bytes:
    described = [predictions.source, predictions.class_names, predictions.ids]
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update(predictions.labels.astype(np.uint8).tobytes())
    digest.update(predictions.logits.astype(np.float32).tobytes())
    return digest.hexdigest().encode()


def _matrix(table: pa.Table, prefix: str, names: tuple[str, ...]) -> npt.NDArray[Any]:
    return np.stack([table[f"{prefix}_{name}"].to_numpy() for name in names], axis=1)
