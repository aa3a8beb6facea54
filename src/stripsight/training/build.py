"""The parts of a training run, built from the configuration and checked against the data.

This is the one place that turns configuration into arguments; what it hands on are plain values.
"""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import torch

from stripsight.config.schema import Config, DataConfig, LossConfig
from stripsight.data.datamodule import StripDataModule
from stripsight.data.transforms import AugmentationSettings
from stripsight.errors import ConfigError, TrainingError
from stripsight.models.losses import LossFunction, LossName, build_loss, compute_pos_weight
from stripsight.models.network import Pooling, build_network, initialise_head_bias
from stripsight.reporting.quantities import format_quantity
from stripsight.training.hardware import choose_workers
from stripsight.training.module import DefectModule
from stripsight.training.trained_network import is_checkpoint, start_from

logger = logging.getLogger(__name__)


def build_data(
    config: Config, *, leaks: Literal["refuse", "warn"] = "refuse", masks: bool | None = None
) -> StripDataModule:
    """The data module of a configuration, set up.

    Args:
        config: of the run.
        leaks: as for `StripDataModule`.
        masks: whether batches hold masks; None: where training needs them.

    Raises:
        DataError: the data set or its split does not fit, or the split leaks.
        ConfigError: `data.image_size` distorts the images.
    """
    data = config.data
    module = StripDataModule(
        Path(data.root),
        split=data.split,
        fractions=data.fractions,
        split_seed=data.split_seed,
        image_size=None if data.image_size is None else (data.image_size[0], data.image_size[1]),
        batch_size=config.training.batch_size,
        num_workers=choose_workers(
            data.num_workers,
            on_gpu=config.training.accelerator != "cpu" and torch.cuda.is_available(),
        ),
        augmentation=AugmentationSettings(**vars(config.augmentation)),
        masks=config.loss.localisation_weight > 0 if masks is None else masks,
        limit=data.limit,
        missing=cast(Literal["error", "skip"], data.missing),
        leaks=leaks,
        seed=config.training.seed,
    )
    module.setup()
    _check_aspect_ratio(data, module)
    return module


def build_module(config: Config, data: StripDataModule, *, run_id: str) -> DefectModule:
    """Network, loss and schedule of a configuration.

    Raises:
        ConfigError: `model.num_classes`, `loss.pos_weight` or `loss.localisation_weight` does not
            fit the data.
        TrainingError: a class cannot be learnt, or no epoch could be judged.
        ModelError: the backbone or its weights cannot be had.
        CheckpointError: `model.weights` is a damaged checkpoint.
    """
    _check_classes(config, data)
    if config.loss.localisation_weight > 0:
        _check_places(config.loss.localisation_weight, data)
    torch.manual_seed(config.training.seed)
    model, training = config.model, config.training
    weights = None if model.weights is None else Path(model.weights)
    earlier = weights if weights is not None and is_checkpoint(weights) else None
    network = build_network(
        model.backbone,
        len(data.classes),
        pretrained=model.pretrained and earlier is None,
        weights=None if earlier else weights,
        pooling=cast(Pooling, model.pooling),
        dropout=model.dropout,
        drop_path=model.drop_path,
    )
    if earlier is None or not start_from(network, earlier, data.classes, model.backbone):
        initialise_head_bias(network, torch.from_numpy(data.train_labels.mean(axis=0)))
    if training.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return DefectModule(
        network,
        _build_loss(config.loss, data),
        class_names=data.classes.names,
        description={
            "schema_version": 1,
            "run_id": run_id,
            "config": describe_config(config),
            "backbone": model.backbone,
            "pooling": model.pooling,
            "classes": data.classes.to_json(),
            "image_size": list(data.image_size),
        },
        optimizer={
            "name": config.optimizer.name,
            "learning_rate": training.learning_rate,
            "weight_decay": config.optimizer.weight_decay,
            "momentum": config.optimizer.momentum,
        },
        warmup_fraction=training.warmup_fraction,
        minimum_ratio=training.minimum_learning_rate_ratio,
        gradient_clip=training.gradient_clip,
        seed=training.seed,
        localisation_weight=config.loss.localisation_weight,
    )


def describe_config(config: Config) -> dict[str, Any]:
    """The configuration as plain data, less what may change between start and resume."""
    plain = asdict(config)
    for group, key in (("data", "root"), ("data", "num_workers"), ("training", "accelerator")):
        del plain[group][key]
    return plain


def _build_loss(loss: LossConfig, data: StripDataModule) -> LossFunction:
    pos_weight = None
    if loss.pos_weight == "auto":
        pos_weight = compute_pos_weight(data.train_labels, limit=loss.pos_weight_limit)
        pairs = zip(data.classes.names, pos_weight.tolist(), strict=True)
        logger.info("pos_weight %s", ", ".join(f"{name} {weight:.2f}" for name, weight in pairs))
    elif loss.pos_weight is not None:
        pos_weight = torch.tensor(loss.pos_weight, dtype=torch.float32)
    return build_loss(
        cast(LossName, loss.name),
        num_classes=len(data.classes),
        pos_weight=pos_weight,
        label_smoothing=loss.label_smoothing,
        alpha=loss.alpha,
        gamma=loss.gamma,
        gamma_positive=loss.gamma_positive,
        gamma_negative=loss.gamma_negative,
        clip=loss.clip,
    )


def _check_classes(config: Config, data: StripDataModule) -> None:
    wanted, names = config.model.num_classes, data.classes.names
    if wanted is not None and wanted != len(names):
        raise ConfigError(
            f"model.num_classes={wanted}, but {data.prepared.root} has {len(names)} classes"
            f" ({', '.join(names)}): leave the key out"
        )
    absent = [n for n, count in zip(names, data.train_labels.sum(axis=0), strict=True) if not count]
    if absent:
        raise TrainingError(
            f"no image of the training split shows {', '.join(absent)}: nothing can be learnt;"
            " add images, or prepare the data set without the class"
        )
    validation = data.datasets["validation"].labels
    positives = validation.sum(axis=0)
    judged = (positives > 0).tolist()
    if not any(judged):
        raise TrainingError(
            "no image of the validation split shows a defect: no epoch can be called the best;"
            " add images or enlarge data.fractions"
        )
    for name in [n for n, there in zip(names, judged, strict=True) if not there]:
        logger.warning(
            "no image of the validation split shows %s: it has no figure there, no part in"
            " choosing the best epoch, and no threshold",
            name,
        )
    for name in [n for n, count in zip(names, positives, strict=True) if count == len(validation)]:
        logger.warning(
            "every image of the validation split shows %s: its AP is 1 whatever the network says,"
            " so it chooses no epoch; add images without it",
            name,
        )


def _check_places(weight: float, data: StripDataModule) -> None:
    """Refuse a data set that does not say where its defects are; else say how many places teach."""
    annotations = data.prepared.annotations
    kinds = annotations.loc[annotations["image_id"].isin(data.datasets["train"].ids), "kind"]
    counts = {kind: int((kinds == kind).sum()) for kind in ("mask", "box", "presence")}
    if counts["mask"] + counts["box"] == 0:
        raise ConfigError(
            f"loss.localisation_weight={weight:g} needs masks, and no training image of"
            f" {data.prepared.root} says where its defects are: leave the key out"
        )
    logger.info(
        "class maps learn from %s and %s; of %s nobody drew where",
        format_quantity(counts["mask"], "mask"),
        format_quantity(counts["box"], "box", "boxes"),
        format_quantity(counts["presence"], "label"),
    )


def _check_aspect_ratio(data: DataConfig, module: StripDataModule) -> None:
    if data.image_size is None or data.allow_distortion:
        return
    height, width = data.image_size
    for own_height, own_width in sorted(set(module.datasets["train"].sizes)):
        # A pixel of rounding is no distortion.
        if abs(height * own_width - width * own_height) > max(own_width, own_height):
            fitting = round(width * own_height / own_width)
            raise ConfigError(
                f"data.image_size=[{height},{width}] distorts {own_width}x{own_height} images:"
                f" [{fitting},{width}] keeps their shape, data.allow_distortion=true allows it"
            )
