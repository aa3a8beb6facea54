import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stripsight.errors import ConfigError
from stripsight.models.network import build_network
from stripsight.models.optim import build_optimizer, group_parameters, warmup_cosine


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Linear(4, 2))


def test_biases_and_norms_do_not_decay() -> None:
    network = small_network()
    decayed, free = group_parameters(network, 0.05)
    assert decayed["weight_decay"] == 0.05
    assert free["weight_decay"] == 0.0
    assert decayed["params"] == [network[0].weight, network[3].weight]
    assert {id(p) for p in decayed["params"] + free["params"]} == {
        id(p) for p in network.parameters()
    }
    assert len(free["params"]) == 6


def test_every_parameter_of_a_backbone_is_in_exactly_one_group() -> None:
    network = build_network("test_resnet", 2, pretrained=False)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    decayed, free = group_parameters(network, 0.05)
    decayed_ids, free_ids = ({id(p) for p in group["params"]} for group in (decayed, free))
    assert decayed_ids | free_ids == {id(p) for p in network.parameters()}
    assert not decayed_ids & free_ids
    assert free_ids == {id(p) for m in norms for p in m.parameters()} | {id(network.head.bias)}


def test_frozen_parameters_are_left_out() -> None:
    network = small_network()
    network[0].requires_grad_(False)
    groups = group_parameters(network, 0.0)
    assert not {id(p) for g in groups for p in g["params"]} & {
        id(p) for p in network[0].parameters()
    }
    network.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter to train"):
        group_parameters(network, 0.0)


def test_a_frozen_backbone_leaves_no_empty_group() -> None:
    network = small_network().requires_grad_(False)
    network[3].bias.requires_grad_(True)  # type: ignore[union-attr]
    assert len(group_parameters(network, 0.1)) == 1


def test_adamw_takes_its_first_step_by_hand() -> None:
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.fill_(2.0)
    optimizer = build_optimizer(layer, "adamw", learning_rate=0.1, weight_decay=0.5)
    layer.weight.grad, layer.bias.grad = torch.tensor([[3.0]]), torch.tensor([3.0])
    optimizer.step()
    # The first Adam step is the learning rate in the gradient's direction; decay is apart from it.
    assert layer.weight.item() == pytest.approx(2.0 - 0.1 * 0.5 * 2.0 - 0.1)
    assert layer.bias.item() == pytest.approx(2.0 - 0.1)


def test_sgd_takes_two_nesterov_steps_by_hand() -> None:
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(2.0)
    optimizer = build_optimizer(layer, "sgd", learning_rate=0.1, weight_decay=0.5, momentum=0.9)
    weight, velocity = 2.0, 0.0
    for step in range(2):
        layer.weight.grad = torch.tensor([[3.0]])
        optimizer.step()
        gradient = 3.0 + 0.5 * weight
        velocity = gradient if step == 0 else 0.9 * velocity + gradient
        weight -= 0.1 * (gradient + 0.9 * velocity)
        assert layer.weight.item() == pytest.approx(weight, rel=1e-6)


def test_sgd_without_momentum_is_plain() -> None:
    optimizer = build_optimizer(small_network(), "sgd", learning_rate=0.1, momentum=0.0)
    assert optimizer.defaults["nesterov"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "lion"}, "unknown optimizer 'lion'; known: adamw, sgd"),
        ({"learning_rate": 0.0}, r"learning_rate is 0\.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"weight_decay": -1.0}, r"weight_decay is -1\.0"),
        ({"momentum": 1.0}, r"momentum is 1\.0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    arguments = {"name": "adamw", "learning_rate": 0.1, **options}
    with pytest.raises(ConfigError, match=message):
        build_optimizer(small_network(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 1 / 5),
        (3, 4 / 5),
        (4, 1.0),
        (6, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2),  # a quarter of the cosine's way
        (8, 0.55),
        (12, 0.1),
        (99, 0.1),
    ],
)
def test_schedule_by_hand(step: int, expected: float) -> None:
    ratio = warmup_cosine(step, warmup_steps=4, total_steps=12, minimum_ratio=0.1)
    assert ratio == pytest.approx(expected)


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, float]:
    total = draw(st.integers(1, 300))
    return {
        "warmup_steps": draw(st.integers(0, total - 1)),
        "total_steps": total,
        "minimum_ratio": draw(st.floats(0, 1)),
    }


@given(schedules())
def test_schedule_rises_to_one_then_falls_to_the_minimum(schedule: dict[str, float]) -> None:
    warmup, total = int(schedule["warmup_steps"]), int(schedule["total_steps"])
    low = schedule["minimum_ratio"]
    ratios = [warmup_cosine(s, **schedule) for s in range(total + 2)]  # type: ignore[arg-type]
    assert ratios[0] > 0
    assert ratios[warmup] == pytest.approx(1.0)
    assert ratios[total] == ratios[total + 1] == pytest.approx(low, abs=1e-12)
    assert all(a < b for a, b in itertools.pairwise(ratios[: warmup + 1]))
    falling = ratios[warmup:]
    assert all(b <= a + 1e-12 for a, b in itertools.pairwise(falling))
    # No jump: neither part's slope is steeper than its line or half a cosine's steepest place.
    steepest = max(1 / (warmup + 1), math.pi / 2 * (1 - low) / (total - warmup))
    assert all(abs(b - a) <= steepest + 1e-9 for a, b in itertools.pairwise(ratios))


@pytest.mark.parametrize(
    "arguments",
    [
        {"step": -1},
        {"warmup_steps": 10},
        {"warmup_steps": -1},
        {"total_steps": 0},
        {"minimum_ratio": 1.1},
        {"minimum_ratio": -0.1},
    ],
)
def test_schedule_out_of_range_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="warmup_steps"):
        warmup_cosine(**{"step": 0, "warmup_steps": 2, "total_steps": 10, **arguments})  # type: ignore[arg-type]


def test_schedule_drives_torchs_lambda_scheduler() -> None:
    optimizer = build_optimizer(small_network(), "sgd", learning_rate=0.5, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: warmup_cosine(step, warmup_steps=1, total_steps=3)
    )
    rates = []
    for _ in range(4):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert [r[0] for r in rates] == pytest.approx([0.25, 0.5, 0.25, 0.0])
    assert all(a == b for a, b in rates)
