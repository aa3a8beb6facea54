"""Where a bundle comes from: runs, data set, split, packages and the machine that exported it."""

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from stripsight.bundle.collapse import KEY as COLLAPSE
from stripsight.evaluation.opened_run import OpenedRun
from stripsight.export.members import Members
from stripsight.training.hardware import describe_hardware
from stripsight.training.provenance import describe_commit

PACKAGES = ("torch", "timm", "onnx", "onnxscript", "openvino", "onnxruntime", "nncf", "numpy")


def describe_origin(members: Members, export: dict[str, Any]) -> dict[str, Any]:
    """The manifest's `provenance`; `export` says how the graph and its variants were made.

    No path of this machine is in it.
    """
    record = members.first.record
    split = members.first.data.split
    return {
        "runs": [_describe_run(run) for run in members.opened],
        "data_set": {
            "name": record["data_set"]["name"],
            "content_hash": record["data_set"]["content_hash"],
            "images_used": record["data_set"]["images_used"],
        },
        **({COLLAPSE: list(members.collapse)} if members.collapse else {}),
        "split": {"name": split.name, "title": split.title, "hash": split.hash},
        "export": {
            **export,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "git_commit": describe_commit(),
            "packages": {name: _version(name) for name in PACKAGES},
            "hardware": describe_hardware(),
        },
    }


def _describe_run(run: OpenedRun) -> dict[str, Any]:
    return {
        "name": run.folder.resolve().name,
        "run_id": run.record["run_id"],
        "checkpoint": run.checkpoint_hash,
        "backbone": run.config.model.backbone,
        "pooling": run.config.model.pooling,
        "seed": run.record["seed"],
        "finished": run.record["finished"],
        "git_commit": run.record["git_commit"],
        "packages": run.record["packages"],
        "hardware": run.record["hardware"],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
