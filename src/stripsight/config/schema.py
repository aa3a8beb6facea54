"""The configuration as dataclasses: names, types, and the checks that need no data.

Every field stands in the packaged YAML with its default and a comment; this module only says what
is allowed. Inner code never sees these objects whole: `training/run.py` hands plain arguments on.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

LOSSES = ("bce", "focal", "asymmetric")
OPTIMIZERS = ("adamw", "sgd")
POOLINGS = ("average", "max", "lse")
PRECISIONS = ("auto", "32", "bf16", "16")
ACCELERATORS = ("auto", "cpu", "gpu")
MOST_LOCALISATION = 100
"""Of `loss.localisation_weight`: beyond, the gradient of the image labels, measured at 0.3 to 5
times that of the places at weight 1, is lost beside it."""

MOST_WORKERS = 256
"""Of `data.num_workers`: each is a process of a few hundred megabytes."""


@dataclass
class DataConfig:
    """Which data set, how it is split and loaded."""

    root: str
    split: str
    fractions: list[float]
    split_seed: int
    image_size: list[int] | None
    allow_distortion: bool
    limit: int | None
    missing: str
    num_workers: int | None

    def __post_init__(self) -> None:
        if self.image_size is not None:
            _require(
                len(self.image_size) == 2 and min(self.image_size) >= 32,
                "data.image_size",
                self.image_size,
                "[height, width], each at least 32",
            )
        _require(
            len(self.fractions) == 3
            and min(self.fractions) > 0
            and abs(sum(self.fractions) - 1) < 1e-6,
            "data.fractions",
            self.fractions,
            "three parts above 0 that sum to 1",
        )
        _require(0 <= self.split_seed < 2**32, "data.split_seed", self.split_seed, "in [0, 2^32)")
        _require(self.limit is None or self.limit >= 1, "data.limit", self.limit, "at least 1")
        _choice(self.missing, ("error", "skip"), "data.missing")
        _require(
            self.num_workers is None or 0 <= self.num_workers <= MOST_WORKERS,
            "data.num_workers",
            self.num_workers,
            f"0 to {MOST_WORKERS}",
        )


@dataclass
class ModelConfig:
    """The network."""

    backbone: str
    num_classes: int | None
    pretrained: bool
    weights: str | None
    pooling: str
    dropout: float
    drop_path: float

    def __post_init__(self) -> None:
        _choice(self.pooling, POOLINGS, "model.pooling")
        for key in ("dropout", "drop_path"):
            value = getattr(self, key)
            _require(0 <= value < 1, f"model.{key}", value, "in [0, 1)")
        _require(
            self.num_classes is None or self.num_classes >= 1,
            "model.num_classes",
            self.num_classes,
            "at least 1",
        )


@dataclass
class LossConfig:
    """What is minimised; fields that a loss does not use are ignored by it."""

    name: str
    pos_weight: Any
    pos_weight_limit: float
    label_smoothing: float
    alpha: float | None
    gamma: float
    gamma_positive: float
    gamma_negative: float
    clip: float
    localisation_weight: float = 0.0  # a default here too: runs from before the key are judged

    def __post_init__(self) -> None:
        _choice(self.name, LOSSES, "loss.name")
        _require(
            self.pos_weight is None
            or self.pos_weight == "auto"
            or (
                isinstance(self.pos_weight, list)
                and all(isinstance(w, int | float) and w > 0 for w in self.pos_weight)
            ),
            "loss.pos_weight",
            self.pos_weight,
            "null, auto, or one number above 0 a class",
        )
        _require(self.pos_weight_limit >= 1, "loss.pos_weight_limit", self.pos_weight_limit, ">= 1")
        _require(
            0 <= self.label_smoothing < 1, "loss.label_smoothing", self.label_smoothing, "in [0, 1)"
        )
        _require(self.alpha is None or 0 < self.alpha < 1, "loss.alpha", self.alpha, "in (0, 1)")
        for key in ("gamma", "gamma_positive", "gamma_negative"):
            _require(getattr(self, key) >= 0, f"loss.{key}", getattr(self, key), "0 or more")
        _require(0 <= self.clip < 1, "loss.clip", self.clip, "in [0, 1)")
        _require(
            0 <= self.localisation_weight <= MOST_LOCALISATION,
            "loss.localisation_weight",
            self.localisation_weight,
            f"0 to {MOST_LOCALISATION}: beyond, the labels teach next to nothing",
        )


@dataclass
class OptimizerConfig:
    """Who minimises it; the learning rate is `training.learning_rate`."""

    name: str
    weight_decay: float
    momentum: float

    def __post_init__(self) -> None:
        _choice(self.name, OPTIMIZERS, "optimizer.name")
        _require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "0 or more")
        _require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "in [0, 1)")


@dataclass
class AugmentationConfig:
    """Random changes of the training images, on the one uint8 channel, masks in step."""

    horizontal_flip: float
    vertical_flip: float
    brightness: float
    contrast: float
    shift: float

    def __post_init__(self) -> None:
        for key in ("horizontal_flip", "vertical_flip"):
            value = getattr(self, key)
            _require(0 <= value <= 1, f"augmentation.{key}", value, "in [0, 1]")
        for key in ("brightness", "contrast", "shift"):
            value = getattr(self, key)
            _require(0 <= value < 1, f"augmentation.{key}", value, "in [0, 1)")


@dataclass
class TrainingConfig:
    """The loop."""

    num_epochs: int
    batch_size: int
    learning_rate: float
    warmup_fraction: float
    minimum_learning_rate_ratio: float
    gradient_clip: float
    ema_decay: float
    early_stopping_patience: int
    precision: str
    channels_last: bool
    accelerator: str
    seed: int

    def __post_init__(self) -> None:
        least = {"num_epochs": 1, "batch_size": 1, "early_stopping_patience": 0, "seed": 0}
        for key, bound in least.items():
            value = getattr(self, key)
            _require(bound <= value < 2**32, f"training.{key}", value, f"in [{bound}, 2^32)")
        _require(self.learning_rate > 0, "training.learning_rate", self.learning_rate, "above 0")
        _require(
            0 <= self.warmup_fraction < 1,
            "training.warmup_fraction",
            self.warmup_fraction,
            "in [0, 1)",
        )
        _require(
            0 <= self.minimum_learning_rate_ratio <= 1,
            "training.minimum_learning_rate_ratio",
            self.minimum_learning_rate_ratio,
            "in [0, 1]",
        )
        _require(self.gradient_clip >= 0, "training.gradient_clip", self.gradient_clip, "0 or more")
        _require(0 <= self.ema_decay < 1, "training.ema_decay", self.ema_decay, "in [0, 1)")
        _choice(self.precision, PRECISIONS, "training.precision")
        _choice(self.accelerator, ACCELERATORS, "training.accelerator")


@dataclass
class Config:
    """Everything `stripsight train` can be told."""

    data: DataConfig
    model: ModelConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augmentation: AugmentationConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        # The bounds of the groups let infinity through wherever there is no upper one.
        for group in fields(self):
            settings = getattr(self, group.name)
            for item in fields(settings):
                value = getattr(settings, item.name)
                numbers = value if isinstance(value, list) else [value]
                finite = all(math.isfinite(n) for n in numbers if isinstance(n, float))
                _require(finite, f"{group.name}.{item.name}", value, "finite")


def _require(holds: bool, key: str, value: object, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{key}={value}: must be {wanted}")


def _choice(value: str, choices: tuple[str, ...], key: str) -> None:
    _require(value in choices, key, value, "one of " + ", ".join(choices))
