"""When checkpoints are written: the best epoch's and the last one's.

Lightning's ModelCheckpoint forgets its best figure when the run folder was moved, and takes a NaN
for a figure; a run here is known by its figures, not by its path.
"""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from stripsight.errors import CheckpointError
from stripsight.training.module import MONITOR

# Nobody resumes from the best epoch: without optimiser and a second set of weights it is a quarter.
_TO_JUDGE = ("epoch", "global_step", "pytorch-lightning_version", "state_dict", "stripsight")


class BestAndLast(Checkpoint):
    """Writes `best.ckpt` when an epoch beats all before it, and `last.ckpt` after every epoch.

    `best.ckpt` holds what judging needs, `last.ckpt` all that resuming needs.

    Args:
        folder: where both lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.best_epoch = 0
        self.best_score = float("-inf")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to go on without the checkpoint that the best figure belongs to.

        Raises:
            CheckpointError: `best.ckpt` is gone.
        """
        if self.best_epoch and not (self._folder / "best.ckpt").exists():
            raise CheckpointError(
                f"{self._folder / 'best.ckpt'} of epoch {self.best_epoch} is gone: put it back, or"
                " start a new run"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what this epoch earned; validation is over by now."""
        score = float(trainer.callback_metrics[MONITOR])
        if score > self.best_score:
            self.best_epoch, self.best_score = trainer.current_epoch + 1, score
            trainer.save_checkpoint(self._folder / "best.ckpt", storage_options=_TO_JUDGE)
        trainer.save_checkpoint(self._folder / "last.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """Plain data for the checkpoint."""
        return {"best_epoch": self.best_epoch, "best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a resumed checkpoint knows."""
        self.best_epoch = int(state_dict["best_epoch"])
        self.best_score = float(state_dict["best_score"])
