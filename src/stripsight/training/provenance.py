"""`provenance.json`: what made a run, so that it can be made again.

Data set and split by hash, seeds, the code's commit, package versions, hardware, and how far the
run came. Nothing here is read by the training itself but `finished`.
"""

import json
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import uuid4

from stripsight import __version__
from stripsight.atomic import write_atomically
from stripsight.data.datamodule import StripDataModule
from stripsight.data.splits.store import describe_split
from stripsight.errors import TrainingError
from stripsight.training.hardware import PRECISIONS, describe_hardware

PACKAGES = ("torch", "torchvision", "timm", "lightning", "torchmetrics", "numpy", "pillow")
SCHEMA_VERSION = 1


def describe_run(data: StripDataModule, *, seed: int, precision: str) -> dict[str, Any]:
    """Everything known before the first step, as plain data."""
    prepared, split = data.prepared, data.split
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": uuid4().hex,
        "stripsight": __version__,
        "git_commit": describe_commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": None,
        "data_set": {
            "name": prepared.name,
            "root": str(prepared.root.resolve()),
            "content_hash": prepared.content_hash(),
            "classes": prepared.classes.to_json(),
            "images_used": {part: len(images) for part, images in data.datasets.items()},
            "images_skipped": {part: images.skipped for part, images in data.datasets.items()},
        },
        "split": {
            "name": split.name,
            "title": split.title,
            "scheme": split.scheme,
            "by": split.by,
            "fold": None if split.fold is None else asdict(split.fold),
            "seed": split.seed,
            "hash": split.hash,
            "counts": {
                part: {"images": c.images, "clean": c.clean, "classes": c.classes}
                for part, c in describe_split(prepared, split).items()
            },
        },
        "seed": seed,
        "precision": precision,
        "packages": {name: _version(name) for name in PACKAGES},
        "hardware": describe_hardware(),
    }


def write_provenance(record: dict[str, Any], run: Path) -> None:
    """Write `provenance.json` in one step."""
    write_atomically(run / "provenance.json", (json.dumps(record, indent=2) + "\n").encode())


def read_provenance(run: Path) -> dict[str, Any]:
    """Read a run's provenance.

    Raises:
        TrainingError: the folder is no run, or the file is damaged.
    """
    try:
        record = json.loads((run / "provenance.json").read_bytes())
    except FileNotFoundError as error:
        raise TrainingError(f"{run} is no run folder (no provenance.json)") from error
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{run / 'provenance.json'} cannot be read: {error}") from error
    if not _is_whole(record):
        raise TrainingError(f"{run / 'provenance.json'} is damaged or of another StripSight")
    return dict(record)


def _is_whole(record: Any) -> bool:
    try:
        texts = (
            record["run_id"],
            record["finished"] or "",
            record["data_set"]["content_hash"],
            record["split"]["hash"],
        )
        known = record["schema_version"] == SCHEMA_VERSION and record["precision"] in PRECISIONS
    except (KeyError, TypeError):
        return False
    return known and all(isinstance(text, str) for text in texts)


def check_origin(record: dict[str, Any], run: Path) -> None:
    """Refuse a record that does not say all that a report says of where a run comes from.

    Raises:
        TrainingError: something is missing, or of another kind.
    """
    try:
        texts = (
            record["split"]["name"],
            record["data_set"]["name"],
            record["hardware"]["processor"],
            record["git_commit"] or "",
            record["hardware"]["gpu"] or "",
            *record["packages"].values(),
        )
        numbers = (
            record["seed"],
            record["hardware"]["cores"],
            *record["data_set"]["images_used"].values(),
        )
        whole = all(isinstance(t, str) for t in texts) and all(type(n) is int for n in numbers)
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise TrainingError(f"{run / 'provenance.json'} is damaged or of another StripSight")


def check_unchanged(record: dict[str, Any], data: StripDataModule) -> None:
    """Compare data set and split with those that a run was started on.

    Raises:
        TrainingError: either is another; figures across the change would mean nothing. Where
            reviews made the difference, it says so.
    """
    recorded = record["data_set"]["content_hash"]
    befores = [review.before for review in data.prepared.reviews]
    if recorded != data.prepared.content_hash() and recorded in befores:
        since = data.prepared.reviews[len(befores) - 1 - befores[::-1].index(recorded) :]
        root, times = data.prepared.root, f" ({len(since)} times)" if len(since) > 1 else ""
        raise TrainingError(
            f"the labels of {root} were reviewed after the run was started"
            f" (reviews/{since[0].number:04d}.json): train a new run, or go back to the run's"
            f" labels with `stripsight data apply-review {root} --undo`{times}"
        )
    for what, recorded, found in (
        ("data set", record["data_set"]["content_hash"], data.prepared.content_hash()),
        ("split", record["split"]["hash"], data.split.hash),
    ):
        if recorded != found:
            raise TrainingError(
                f"the {what} in {data.prepared.root} is not the one the run was started on:"
                " restore it, or start a new run"
            )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_commit() -> str | None:
    """The commit of StripSight's checkout, `-dirty` when changed; None when installed."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
