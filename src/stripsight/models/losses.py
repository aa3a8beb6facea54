"""Losses for multi-label classification: each class is a yes-or-no question of its own.

Functions of tensors first, `build_loss` to choose one by name. All work on logits through
log-sigmoid, so they stay finite where a probability would round to 0 or 1, and in float32 at least:
under bfloat16 autocast the difference between 0.999 and 1 would be lost.

Shapes: B images, C classes. Notation: x logit, p = sigmoid(x), t target in [0, 1]; every loss is
the mean over images and classes, and a soft target t mixes the positive and the negative term.
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from stripsight.errors import ConfigError, DataError

LossName = Literal["bce", "focal", "asymmetric"]
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(logits `[B, C]`, targets `[B, C]`) to a scalar."""


def binary_cross_entropy_loss(
    logits: Tensor, targets: Tensor, *, pos_weight: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy: `-(w t log p + (1 - t) log(1 - p))`.

    Args:
        logits: float `[B, C]`.
        targets: `[B, C]` in [0, 1], any dtype.
        pos_weight: w, float `[C]`; 1 where absent.

    Raises:
        ValueError: the shapes disagree.
    """
    logits, targets = _prepare(logits, targets)
    positive = -targets * F.logsigmoid(logits)
    if pos_weight is not None:
        positive = positive * pos_weight.to(logits)
    return (positive - (1 - targets) * F.logsigmoid(-logits)).mean()


def focal_loss(
    logits: Tensor, targets: Tensor, *, alpha: float | None = None, gamma: float = 2.0
) -> Tensor:
    """Focal loss: `-(a t (1 - p)^g log p + (1 - a) (1 - t) p^g log(1 - p))`.

    Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 5.

    Args:
        logits: float `[B, C]`.
        targets: `[B, C]` in [0, 1], any dtype.
        alpha: a, the weight of positives in [0, 1]; both terms weigh 1 where None.
        gamma: g >= 0; 0 is cross-entropy.

    Raises:
        ValueError: the shapes disagree.
    """
    logits, targets = _prepare(logits, targets)
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    positive = -targets * (gamma * log_not_p).exp() * log_p
    negative = -(1 - targets) * (gamma * log_p).exp() * log_not_p
    if alpha is not None:
        positive, negative = alpha * positive, (1 - alpha) * negative
    return (positive + negative).mean()


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_positive: float = 0.0,
    gamma_negative: float = 4.0,
    clip: float = 0.05,
) -> Tensor:
    """Asymmetric loss: `-(t (1 - p)^g+ log p + (1 - t) q^g- log(1 - q))`, `q = max(p - m, 0)`.

    Ben-Baruch et al., Asymmetric Loss for Multi-Label Classification, ICCV 2021, equation 7. The
    gradient flows through the focusing weights too, as the formula says.

    Args:
        logits: float `[B, C]`.
        targets: `[B, C]` in [0, 1], any dtype.
        gamma_positive: g+ >= 0.
        gamma_negative: g- >= 0.
        clip: m in [0, 1): negatives with p <= m cost nothing.

    Raises:
        ValueError: the shapes disagree.
    """
    logits, targets = _prepare(logits, targets)
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    positive = -targets * (gamma_positive * log_not_p).exp() * log_p
    if clip == 0:
        focus, log_not_q = (gamma_negative * log_p).exp(), log_not_p
    else:
        # 1 - q = (1 - p) + m, added in the log domain; where p <= m, the focus is 0.
        log_not_q = torch.logaddexp(log_not_p, torch.full_like(log_not_p, math.log(clip)))
        q = log_p.exp() - clip
        # The inner `where` keeps the infinite slope of a small power at 0 out of the gradient.
        focus = torch.where(q > 0, torch.where(q > 0, q, 1) ** gamma_negative, 0)
    negative = -(1 - targets) * focus * log_not_q
    return (positive + negative).mean()


def smooth_targets(targets: Tensor, smoothing: float) -> Tensor:
    """Pull each yes-or-no target towards one half: `t (1 - s) + s / 2`."""
    return targets * (1 - smoothing) + smoothing / 2


def build_loss(
    name: LossName,
    *,
    num_classes: int,
    pos_weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    alpha: float | None = None,
    gamma: float = 2.0,
    gamma_positive: float = 0.0,
    gamma_negative: float = 4.0,
    clip: float = 0.05,
) -> LossFunction:
    """Choose a loss by name; the parameters of the others are not used.

    Args:
        name: `bce`, `focal` or `asymmetric`.
        num_classes: C.
        pos_weight: float `[C]`, for `bce` only.
        label_smoothing: s in [0, 1), see `smooth_targets`.
        alpha: see `focal_loss`.
        gamma: see `focal_loss`.
        gamma_positive: see `asymmetric_loss`.
        gamma_negative: see `asymmetric_loss`.
        clip: see `asymmetric_loss`.

    Raises:
        ConfigError: an unknown name, a parameter out of range, or `pos_weight` with another loss.
    """
    if name not in get_args(LossName):
        raise ConfigError(f"unknown loss {name!r}; known: {', '.join(get_args(LossName))}")
    _check_range("label_smoothing", label_smoothing, below=1)
    _check_range("clip", clip, below=1)
    for key, value in (
        ("gamma", gamma),
        ("gamma_positive", gamma_positive),
        ("gamma_negative", gamma_negative),
    ):
        _check_range(key, value)
    if alpha is not None and not 0 <= alpha <= 1:
        raise ConfigError(f"alpha is {alpha}: a weight in [0, 1] is expected")
    if pos_weight is not None:
        _check_pos_weight(name, pos_weight, num_classes)

    def compute_loss(logits: Tensor, targets: Tensor) -> Tensor:
        targets = smooth_targets(targets, label_smoothing) if label_smoothing else targets
        if name == "focal":
            return focal_loss(logits, targets, alpha=alpha, gamma=gamma)
        if name == "asymmetric":
            return asymmetric_loss(
                logits,
                targets,
                gamma_positive=gamma_positive,
                gamma_negative=gamma_negative,
                clip=clip,
            )
        return binary_cross_entropy_loss(logits, targets, pos_weight=pos_weight)

    return compute_loss


def compute_pos_weight(labels: npt.NDArray[np.uint8], *, limit: float) -> Tensor:
    """Weight of each class's positives: negatives over positives, at most `limit`.

    Args:
        labels: uint8 `[N, C]` of the training split.
        limit: the highest weight; a class with ten positives would else drown all others.

    Returns:
        float32 `[C]`.

    Raises:
        DataError: a class that is on no image, or on every one; the message names its column.
        ValueError: `limit` is not above 0.
    """
    if not limit > 0:
        raise ValueError(f"limit is {limit}: a weight above 0 is expected")
    positives = labels.sum(axis=0, dtype=np.int64)
    negatives = len(labels) - positives
    for column in range(labels.shape[1]):
        for what, count in (("positive", positives[column]), ("negative", negatives[column])):
            if count == 0:
                raise DataError(
                    f"class column {column} has no {what} among {len(labels)} images:"
                    " pos_weight cannot be computed; give it by hand or leave it out"
                )
    return torch.from_numpy(np.minimum(negatives / positives, limit).astype(np.float32))


def _prepare(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits are {tuple(logits.shape)} and targets {tuple(targets.shape)}:"
            " the same [B, C] is expected"
        )
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return logits.to(dtype), targets.to(dtype)


def _check_range(key: str, value: float, *, below: float = math.inf) -> None:
    if not 0 <= value < below:
        raise ConfigError(f"{key} is {value}: a number in [0, {below:g}) is expected")


def _check_pos_weight(name: str, pos_weight: Tensor, num_classes: int) -> None:
    if name != "bce":
        raise ConfigError(f"pos_weight works with loss bce only, not with {name}: leave it out")
    if pos_weight.shape != (num_classes,):
        raise ConfigError(
            f"pos_weight has {pos_weight.numel()} values: one for each of {num_classes} classes"
        )
    if not bool((torch.isfinite(pos_weight) & (pos_weight > 0)).all()):
        raise ConfigError(f"pos_weight is {pos_weight.tolist()}: numbers above 0 are expected")
