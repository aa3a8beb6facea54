"""Optimisers and the learning-rate schedule.

The schedule is a pure function of the step, so that a resumed run cannot disagree with an unbroken
one; `torch.optim.lr_scheduler.LambdaLR` applies it.
"""

import math
from typing import Any, Literal, get_args

import torch
from torch import nn

from stripsight.errors import ConfigError

OptimizerName = Literal["adamw", "sgd"]


def build_optimizer(
    network: nn.Module,
    name: OptimizerName,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
) -> torch.optim.Optimizer:
    """Build an optimiser over the parameters that require a gradient.

    Args:
        network: whose parameters.
        name: `adamw` (Loshchilov and Hutter, ICLR 2019) or `sgd` with Nesterov momentum.
        learning_rate: above 0.
        weight_decay: for weight matrices and kernels; biases and norms decay never.
        momentum: of `sgd` in [0, 1); beta 1 of `adamw`.

    Raises:
        ConfigError: an unknown name, a number out of range, or nothing to train.
    """
    if name not in get_args(OptimizerName):
        raise ConfigError(
            f"unknown optimizer {name!r}; known: {', '.join(get_args(OptimizerName))}"
        )
    if not 0 < learning_rate < math.inf:
        raise ConfigError(f"learning_rate is {learning_rate}: a number above 0 is expected")
    if not 0 <= weight_decay < math.inf:
        raise ConfigError(f"weight_decay is {weight_decay}: a number of at least 0 is expected")
    if not 0 <= momentum < 1:
        raise ConfigError(f"momentum is {momentum}: a number in [0, 1) is expected")
    groups = group_parameters(network, weight_decay)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, betas=(momentum, 0.999))
    return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)


def group_parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters that decay, and those that do not: biases, norms and all else of one dimension.

    Raises:
        ConfigError: no parameter requires a gradient.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError("the network has no parameter to train: unfreeze some")
    groups = (
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    )
    return [group for group in groups if group["params"]]


def warmup_cosine(
    step: int, *, warmup_steps: int, total_steps: int, minimum_ratio: float = 0.0
) -> float:
    """Share of the full learning rate at a step.

    Rises on a line from `1 / (warmup_steps + 1)` at step 0 to 1 at step `warmup_steps`, then falls
    on half a cosine to `minimum_ratio` at step `total_steps`, where it stays (Loshchilov and
    Hutter, SGDR, ICLR 2017, equation 5, without restarts).

    Args:
        step: optimiser steps done, at least 0.
        warmup_steps: at least 0, below `total_steps`.
        total_steps: of the whole training.
        minimum_ratio: in [0, 1].

    Raises:
        ValueError: a number out of range.
    """
    if step < 0 or not 0 <= warmup_steps < total_steps or not 0 <= minimum_ratio <= 1:
        raise ValueError(
            f"step {step}, warmup_steps {warmup_steps}, total_steps {total_steps}, minimum_ratio"
            f" {minimum_ratio}: warm-up must end before the last step, the ratio lie in [0, 1]"
        )
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = min((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
    return minimum_ratio + (1 - minimum_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
