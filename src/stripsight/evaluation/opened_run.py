"""A run folder opened for judging: its best network and the very data it was made for.

Everything that judges, explains or exports a run begins here, so that a checkpoint of another run,
a data set or split that has changed since, and other classes are refused in one place.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stripsight.config.compose import load_config
from stripsight.config.schema import Config
from stripsight.data.datamodule import StripDataModule
from stripsight.data.splits.leaks import Leak, find_leaks
from stripsight.errors import CheckpointError, EvaluationError
from stripsight.models.network import DefectNetwork
from stripsight.training.build import build_data, describe_config
from stripsight.training.checkpoint import hash_checkpoint, read_description
from stripsight.training.provenance import check_origin, check_unchanged, read_provenance
from stripsight.training.trained_network import load_network


@dataclass(frozen=True)
class OpenedRun:
    """A run that may be judged.

    Attributes:
        folder: of the run.
        record: its `provenance.json`.
        config: its `config.yaml`.
        data: set up.
        leaks: look-alikes on two sides of its split, found since it was made.
        network: of the best epoch, on `device`.
        checkpoint_hash: sha256 of its file.
        device: where the network lies.
    """

    folder: Path
    record: dict[str, Any]
    config: Config
    data: StripDataModule
    leaks: tuple[Leak, ...]
    network: DefectNetwork
    checkpoint_hash: str
    device: torch.device

    def describe_source(self, part: str) -> dict[str, Any]:
        """What predictions of `part` are of, as plain data that travels with them."""
        return {
            "part": part,
            "data_set": self.record["data_set"]["content_hash"],
            "split": self.record["split"]["hash"],
            "split_name": self.data.split.name,
            "split_by": self.data.split.by,
            "split_leaks": len(self.leaks),
            "checkpoint": self.checkpoint_hash,
        }


def open_run(run: Path) -> OpenedRun:
    """Open the best checkpoint of `run` with its data set and split.

    Raises:
        EvaluationError: the checkpoint knows other classes or another image size.
        TrainingError: no run folder, or the data set or split has changed.
        CheckpointError: no best checkpoint, or a damaged one.
    """
    record = read_provenance(run)
    check_origin(record, run)
    checkpoint = run / "checkpoints" / "best.ckpt"
    if not checkpoint.exists():
        raise CheckpointError(f"{run} has no checkpoints/best.ckpt: train it first")
    # Figures of a run that is done are what they are: a leak found since is said, not refused.
    config = load_config(run / "config.yaml")
    data = build_data(config, leaks="warn")
    check_unchanged(record, data)
    description = read_description(checkpoint, run_id=record["run_id"])
    trained = description.get("config")
    if not (isinstance(trained, dict) and all(isinstance(g, dict) for g in trained.values())):
        raise CheckpointError(f"{checkpoint} describes no network: train again")
    if description.get("image_size") != list(data.image_size):
        raise EvaluationError(
            f"{checkpoint} was trained on images of {description.get('image_size')}, config.yaml"
            f" now gives {list(data.image_size)}: restore it"
        )
    _check_config(run, config, trained)
    network, classes = load_network(checkpoint)
    if classes != data.classes:
        raise EvaluationError(f"{checkpoint} knows other classes than {data.prepared.root}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return OpenedRun(
        folder=run,
        record=record,
        config=config,
        data=data,
        leaks=find_leaks(data.prepared, data.split),
        network=network.to(device).to(memory_format=torch.channels_last),
        checkpoint_hash=hash_checkpoint(checkpoint),
        device=device,
    )


def _check_config(run: Path, config: Config, trained: dict[str, Any]) -> None:
    """Refuse a config.yaml that says of the training what was not so.

    `data.limit` and `data.missing` may be changed to judge fewer images, which is said; a key that
    came after the run is not compared.
    """
    now = describe_config(config)
    for group, values in trained.items():
        for key, value in values.items():
            if (group, key) in (("data", "limit"), ("data", "missing")):
                continue
            if key in now[group] and now[group][key] != value:
                raise EvaluationError(
                    f"{run / 'config.yaml'} says {group}.{key}={now[group][key]}, but the run was"
                    f" trained with {value}: restore it"
                )
