"""What happens around the steps: the averaged weights, the CSV log, a line an epoch."""

import csv
import io
import logging
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar, WeightAveraging
from torch import Tensor

from stripsight.atomic import write_atomically
from stripsight.errors import TrainingError
from stripsight.training.module import MONITOR

logger = logging.getLogger(__name__)


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights, judged and kept instead of the last step's.

    The decay grows as (1 + t) / (10 + t) up to `decay` (Tan and Le 2019's code does so), so that
    short runs are not judged on weights that are mostly random. Checkpoints hold both.
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
            step = float(count)
            share = 1 - min(decay, (1 + step) / (10 + step))
            if not averaged.is_floating_point():
                return current
            return averaged.lerp(current, share)

        super().__init__(avg_fn=average)


class EpochBar(RichProgressBar):
    """Lightning's progress bar on stderr, counting epochs from 1 as everything else here does."""

    def __init__(self) -> None:
        super().__init__(leave=False, console_kwargs={"stderr": True})

    def _get_train_description(self, current_epoch: int) -> str:
        return f"epoch {current_epoch + 1}/{self.trainer.max_epochs} "


class MetricsLog(Callback):
    """`metrics.csv`: a row an epoch, rewritten whole; a resumed run drops the rows it redoes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, str]] = []
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the rows of the epochs that a resumed checkpoint has behind it."""
        if self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            try:
                self._rows = [row for row in rows if int(row["epoch"]) <= trainer.current_epoch]
            except (KeyError, ValueError, TypeError) as error:
                raise TrainingError(
                    f"{self._path} is damaged: move it away, then resume again"
                ) from error

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's row and say it in one line."""
        figures = {name: value.item() for name, value in trainer.callback_metrics.items()}
        seconds = time.perf_counter() - self._started
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            **dict(sorted(figures.items())),
            "seconds": round(seconds, 2),
        }
        self._rows.append({key: str(value) for key, value in row.items()})
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, fieldnames=list(self._rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self._path, buffer.getvalue().encode())
        logger.info(
            "epoch %d/%d  train loss %.4f  validation loss %.4f  macro AP %.4f  %.0f s",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            figures["train/loss"],
            figures["val/loss"],
            figures[MONITOR],
            seconds,
        )
