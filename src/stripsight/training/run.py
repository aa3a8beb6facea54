"""A training run from configuration to run folder: started, or resumed after it was killed.

    config.yaml            as composed
    provenance.json        what made the run
    checkpoints/best.ckpt  of the epoch with the highest validation macro AP
    checkpoints/last.ckpt  of the last whole epoch, with all that resuming needs
    metrics.csv            a row an epoch

Everything that can be refused is refused before the folder is made.
"""

import logging
import signal
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping

from stripsight.atomic import write_atomically
from stripsight.config.compose import format_config, load_config
from stripsight.config.schema import Config
from stripsight.data.datamodule import StripDataModule
from stripsight.errors import ConfigError, TrainingError, UsageError
from stripsight.training.build import build_data, build_module, describe_config
from stripsight.training.callbacks import AveragedWeights, EpochBar, MetricsLog
from stripsight.training.checkpoint import SealedCheckpointIO, read_description
from stripsight.training.checkpointing import BestAndLast
from stripsight.training.hardware import choose_precision
from stripsight.training.lock import LOCK_NAME, lock_run
from stripsight.training.module import MONITOR, DefectModule
from stripsight.training.provenance import (
    check_unchanged,
    describe_run,
    read_provenance,
    write_provenance,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended: `best_epoch` counts from 1."""

    run: Path
    best_epoch: int
    best_macro_ap: float


def start_run(config: Config, run: Path, *, show_bar: bool = False) -> RunSummary:
    """Train from the beginning into a new folder `run`.

    Raises:
        UsageError: `run` exists and is not empty.
        StripSightError: data, split, weights or configuration do not fit, or training failed.
        OSError: the disk is full or read-only; checkpoints written before are whole.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise _occupied(run)
    # Absolute, so that the run can be resumed and judged from any folder.
    root = str(Path(config.data.root).resolve())
    config = replace(config, data=replace(config.data, root=root))
    data = build_data(config)
    precision = choose_precision(config.training.precision, on_gpu=_on_gpu(config))
    record = describe_run(data, seed=config.training.seed, precision=precision)
    module = build_module(config, data, run_id=record["run_id"])
    run.mkdir(parents=True, exist_ok=True)
    with lock_run(run, "train"):
        if {path.name for path in run.iterdir()} != {LOCK_NAME}:
            raise _occupied(run)
        write_atomically(run / "config.yaml", format_config(config).encode())
        write_provenance(record, run)
        logger.info("split %s: %s", data.split.title, _describe_sizes(data))
        return _fit(config, data, module, run, precision=precision, resume=False, bar=show_bar)


def resume_run(run: Path, *, show_bar: bool = False) -> RunSummary:
    """Go on from the last whole checkpoint; on a CPU, as if the run had never stopped.

    Raises:
        TrainingError: no run folder, already finished, in use, or its data set, split or
            configuration has changed.
        CheckpointError: a checkpoint is damaged, gone, or of another run.
        StripSightError: as `start_run`.
    """
    read_provenance(run)
    with lock_run(run, "train"):
        record = read_provenance(run)
        if record["finished"]:
            raise TrainingError(f"{run} finished on {record['finished']}: nothing to resume")
        config = load_config(run / "config.yaml")
        data = build_data(config)
        check_unchanged(record, data)
        module = build_module(config, data, run_id=record["run_id"])
        last = run / "checkpoints" / "last.ckpt"
        if last.exists():
            description = read_description(last, run_id=record["run_id"])
            if description["config"] != describe_config(config):
                raise TrainingError(
                    f"{run / 'config.yaml'} was changed since the run was started: restore it, or"
                    " start a new run"
                )
        else:
            logger.info("no epoch of %s was finished: starting over", run)
        return _fit(
            config,
            data,
            module,
            run,
            precision=record["precision"],
            resume=last.exists(),
            bar=show_bar,
        )


def _describe_sizes(data: StripDataModule) -> str:
    """Images of each part, and of how many where `data.limit` or missing files leave some out."""
    words = []
    for part, dataset in data.datasets.items():
        used, whole = len(dataset), len(data.split.ids(part))
        words.append(f"{used:,}{f' of {whole:,}' * (used < whole)} {part}")
    return ", ".join(words)


def name_run(config: Config) -> Path:
    """A folder name of its own under `runs/`: local time and backbone."""
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{config.model.backbone.replace('/', '-')}"
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder


def _fit(
    config: Config,
    data: StripDataModule,
    module: DefectModule,
    run: Path,
    *,
    precision: str,
    resume: bool,
    bar: bool,
) -> RunSummary:
    checkpoints = run / "checkpoints"
    keeper = BestAndLast(checkpoints)
    trainer = Trainer(
        default_root_dir=run,
        accelerator=config.training.accelerator,
        devices=1,
        precision=cast(Any, precision),
        max_epochs=config.training.num_epochs,
        callbacks=[*_callbacks(config, run, bar=bar), keeper],
        plugins=[SealedCheckpointIO()],
        logger=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        enable_model_summary=False,
        enable_progress_bar=bar,
    )
    with warnings.catch_warnings():
        # Advice for those who write their own loops, not for those who run this one.
        warnings.filterwarnings("ignore", module=r"lightning\.pytorch")
        try:
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=checkpoints / "last.ckpt" if resume else None,
                weights_only=True,
            )
        except SystemExit as error:
            # Lightning turns Ctrl-C into an exit and leaves the signal ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from error
    record = read_provenance(run)
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    write_provenance(record, run)
    return RunSummary(run, keeper.best_epoch, keeper.best_score)


def _callbacks(config: Config, run: Path, *, bar: bool) -> list[Callback]:
    callbacks: list[Callback] = [MetricsLog(run / "metrics.csv")]
    if config.training.ema_decay > 0:
        callbacks.append(AveragedWeights(config.training.ema_decay))
    if config.training.early_stopping_patience > 0:
        patience = config.training.early_stopping_patience
        callbacks.append(EarlyStopping(MONITOR, mode="max", patience=patience, verbose=False))
    if bar:
        callbacks.append(EpochBar())
    return callbacks


def _occupied(run: Path) -> UsageError:
    return UsageError(f"{run} exists: name another folder, or go on with --resume {run}")


def _on_gpu(config: Config) -> bool:
    if config.training.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("training.accelerator=gpu, but PyTorch sees no GPU: use auto or cpu")
    on_gpu = config.training.accelerator != "cpu" and torch.cuda.is_available()
    if config.training.precision == "16" and not on_gpu:
        raise ConfigError("training.precision=16 needs a GPU: use auto, bf16 or 32")
    return on_gpu
