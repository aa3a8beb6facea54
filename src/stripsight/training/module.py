"""The Lightning module: one step of learning, one pass of validation, and what a checkpoint holds.

It knows nothing of files or configuration; `run.py` builds its parts. The figure that picks the
best epoch is macro average precision on the validation split, over the classes that have positives.
"""

from collections.abc import Callable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torchmetrics.functional.classification import binary_average_precision

from stripsight.data.datamodule import build_generator
from stripsight.errors import NonFiniteError, TrainingError
from stripsight.models.localisation import average_known, localisation_errors
from stripsight.models.network import DefectNetwork
from stripsight.models.optim import build_optimizer, warmup_cosine

MONITOR = "val/macro_ap"

Loss = Callable[[Tensor, Tensor], Tensor]


class DefectModule(LightningModule):
    """Trains a `DefectNetwork`.

    Args:
        network: what is trained.
        loss: of float logits `[B, C]` and targets `[B, C]`, a scalar.
        class_names: in column order, for the log.
        description: plain data that rebuilds the network; stored in every checkpoint.
        optimizer: keyword arguments of `build_optimizer`.
        warmup_fraction: share of all steps that is linear warm-up.
        minimum_ratio: where the cosine ends, as a share of the learning rate.
        gradient_clip: largest gradient norm; 0 does not clip.
        seed: with the epoch, it seeds dropout and whatever else draws numbers while training.
        localisation_weight: of the class maps' error against the masks, added to the loss; above 0
            the batches must hold `mask` and `mask_known`.
    """

    def __init__(
        self,
        network: DefectNetwork,
        loss: Loss,
        *,
        class_names: tuple[str, ...],
        description: dict[str, Any],
        optimizer: dict[str, Any],
        warmup_fraction: float,
        minimum_ratio: float,
        gradient_clip: float,
        seed: int,
        localisation_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self._loss = loss
        self._class_names = class_names
        self._description = description
        self._optimizer = optimizer
        self._warmup_fraction = warmup_fraction
        self._minimum_ratio = minimum_ratio
        self._gradient_clip = gradient_clip
        self._seed = seed
        self._localisation_weight = localisation_weight
        self._validation: list[tuple[Tensor, Tensor, Tensor]] = []
        self._validation_places: list[tuple[Tensor, Tensor]] = []

    def on_train_epoch_start(self) -> None:
        """Start each epoch from a known state: a resumed run equals an uninterrupted one."""
        torch.manual_seed(build_generator(self._seed, self.current_epoch).initial_seed())

    def training_step(self, batch: dict[str, Any], batch_index: int) -> Tensor:
        """One batch's loss.

        Raises:
            NonFiniteError: it is NaN or infinite.
            TrainingError: the batch is too small for batch normalisation.
        """
        try:
            logits, class_maps = self.network(batch["image"])
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise TrainingError(
                "batch normalisation cannot train on a single value a channel: raise"
                " training.batch_size or data.image_size"
            ) from error
        loss = self._loss(logits, batch["target"])
        if self._localisation_weight:
            errors = localisation_errors(class_maps, batch["mask"])
            places = average_known(errors, batch["mask_known"])
            loss = loss + self._localisation_weight * places
            self._log_mean("train/localisation_loss", places, len(logits))
        if not torch.isfinite(loss):
            raise NonFiniteError(
                f"the loss is {loss.item()} in epoch {self.current_epoch + 1}, step"
                f" {self.global_step + 1} (largest logit {logits.detach().abs().max().item():.3g},"
                f" first image {batch['id'][0]}): lower training.learning_rate or use"
                " training.precision=32"
            )
        self._log_mean("train/loss", loss, len(logits))
        return loss

    def _log_mean(self, name: str, value: Tensor, images: int) -> None:
        self.log(name, value.detach(), on_epoch=True, on_step=False, batch_size=images)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Measure the gradient's norm, refuse a non-finite one, clip.

        Raises:
            NonFiniteError: the norm is NaN or infinite.
        """
        limit = self._gradient_clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), limit)
        if not torch.isfinite(norm):
            raise NonFiniteError(
                f"the gradient's norm is {norm.item()} in epoch {self.current_epoch + 1}, step"
                f" {self.global_step + 1}: lower training.learning_rate or use"
                " training.precision=32"
            )

    def validation_step(self, batch: dict[str, Any], batch_index: int) -> None:
        """Keep one batch's outputs; figures are made over the whole split, never batch by batch."""
        logits, class_maps = self.network(batch["image"])
        logits = logits.float()
        loss = self._loss(logits, batch["target"])
        self._validation.append((logits, batch["target"], loss * len(logits)))
        if self._localisation_weight:
            errors = localisation_errors(class_maps, batch["mask"])
            self._validation_places.append((errors, batch["mask_known"]))

    def on_validation_epoch_end(self) -> None:
        """Log the loss, each class's average precision and their mean.

        Raises:
            NonFiniteError: an output is NaN or infinite; no checkpoint is written then.
        """
        logits, targets, losses = (list(column) for column in zip(*self._validation, strict=True))
        self._validation.clear()
        scores, labels = torch.cat(logits), torch.cat(targets).long()
        loss = torch.stack(losses).sum() / len(scores)
        if self._validation_places:
            errors, known = (list(column) for column in zip(*self._validation_places, strict=True))
            self._validation_places.clear()
            places = average_known(torch.cat(errors), torch.cat(known))
            loss = loss + self._localisation_weight * places
            self.log("val/localisation_loss", places)
        if not (torch.isfinite(scores).all() and torch.isfinite(loss)):
            raise NonFiniteError(
                f"the validation outputs of epoch {self.current_epoch + 1} are not finite: lower"
                " training.learning_rate or use training.precision=32"
            )
        self.log("val/loss", loss)
        precisions = {
            name: binary_average_precision(scores[:, column].sigmoid(), labels[:, column])
            for column, name in enumerate(self._class_names)
            if labels[:, column].any()
        }
        for name, precision in precisions.items():
            self.log(f"val/ap/{name}", precision)
        self.log(MONITOR, torch.stack(list(precisions.values())).mean())

    def configure_optimizers(self) -> Any:
        """The optimiser, and its rate by the step: linear warm-up, then cosine."""
        optimizer = build_optimizer(self.network, **self._optimizer)
        total_steps = int(self.trainer.estimated_stepping_batches)
        warmup_steps = int(self._warmup_fraction * total_steps)

        def ratio(step: int) -> float:
            return warmup_cosine(
                step,
                warmup_steps=warmup_steps,
                total_steps=total_steps,
                minimum_ratio=self._minimum_ratio,
            )

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, ratio)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what rebuilds the network without the configuration."""
        checkpoint["stripsight"] = self._description
