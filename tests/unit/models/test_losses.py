import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from stripsight.errors import ConfigError, DataError
from stripsight.models.losses import (
    LossFunction,
    asymmetric_loss,
    binary_cross_entropy_loss,
    build_loss,
    compute_pos_weight,
    focal_loss,
    smooth_targets,
)

LOSSES: dict[str, LossFunction] = {
    "bce": binary_cross_entropy_loss,
    "focal": lambda x, t: focal_loss(x, t, alpha=0.25, gamma=2.0),
    "focal, small gamma": lambda x, t: focal_loss(x, t, gamma=0.5),
    "asymmetric": asymmetric_loss,
    "asymmetric, small gamma": lambda x, t: asymmetric_loss(x, t, gamma_negative=0.5, clip=0.2),
    "asymmetric, no clip": lambda x, t: asymmetric_loss(x, t, gamma_positive=1.0, clip=0.0),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def random_batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(16, 4, generator=generator, dtype=dtype) * 4
    targets = (torch.rand(16, 4, generator=generator) < 0.3).to(dtype)
    return logits, targets


def asymmetric_reference(
    logits: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    gamma_positive: float,
    gamma_negative: float,
    clip: float,
) -> float:
    """Equations 4 to 7 of the paper as printed, on probabilities."""
    p = 1 / (1 + np.exp(-logits))
    shifted = np.maximum(p - clip, 0)
    positive = (1 - p) ** gamma_positive * np.log(p)
    negative = shifted**gamma_negative * np.log(1 - shifted)
    return float(np.mean(-targets * positive - (1 - targets) * negative))


@pytest.mark.parametrize("pos_weight", [None, [1.0, 2.0, 0.5, 30.0]])
def test_cross_entropy_is_torchs(pos_weight: list[float] | None) -> None:
    logits, targets = random_batch()
    weight = None if pos_weight is None else torch.tensor(pos_weight)
    expected = F.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=None if weight is None else weight.double()
    )
    torch.testing.assert_close(
        binary_cross_entropy_loss(logits, targets, pos_weight=weight), expected
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, 0.0, 0.25, 1.0])
def test_focal_loss_is_torchvisions(alpha: float | None, gamma: float) -> None:
    logits, targets = random_batch()
    expected = sigmoid_focal_loss(
        logits, targets, alpha=-1 if alpha is None else alpha, gamma=gamma, reduction="mean"
    )
    torch.testing.assert_close(focal_loss(logits, targets, alpha=alpha, gamma=gamma), expected)


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("gammas", [(0.0, 4.0), (1.0, 4.0), (0.0, 0.5), (2.0, 2.0)])
def test_asymmetric_loss_is_the_papers(gammas: tuple[float, float], clip: float) -> None:
    logits, targets = random_batch()
    loss = asymmetric_loss(
        logits, targets, gamma_positive=gammas[0], gamma_negative=gammas[1], clip=clip
    )
    expected = asymmetric_reference(logits.numpy(), targets.numpy(), *gammas, clip)
    assert float(loss) == pytest.approx(expected, rel=1e-10)


def test_focal_and_asymmetric_loss_without_focus_are_cross_entropy() -> None:
    logits, targets = random_batch(torch.float32)
    expected = binary_cross_entropy_loss(logits, targets)
    torch.testing.assert_close(focal_loss(logits, targets, alpha=None, gamma=0.0), expected)
    torch.testing.assert_close(
        asymmetric_loss(logits, targets, gamma_positive=0, gamma_negative=0, clip=0), expected
    )


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradient_stay_finite_at_extreme_logits(
    loss: LossFunction, dtype: torch.dtype
) -> None:
    edge = [1e4, 1e3, 120.0, 90.0, 30.0, 16.0, 1.0, 1e-30, 0.0]
    values = torch.tensor(edge + [-v for v in edge]).to(dtype).view(-1, 1)
    for target in (0.0, 1.0, 0.05):
        logits = values.clone().requires_grad_()
        result = loss(logits, torch.full_like(values, target))
        assert result.dtype == torch.float32
        assert result.isfinite()
        result.backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_asymmetric_gradient_is_finite_where_the_shifted_probability_is_exactly_zero() -> None:
    logits = torch.linspace(-1e-6, 1e-6, 101).view(-1, 1).requires_grad_()
    asymmetric_loss(logits, torch.zeros(101, 1), gamma_negative=0.5, clip=0.5).backward()
    assert (logits.detach().sigmoid() == 0.5).any()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@every_loss
def test_sure_and_wrong_costs_and_is_never_pushed_further(loss: LossFunction) -> None:
    for target, sign in ((1.0, -1.0), (0.0, 1.0)):
        logits = torch.tensor([[200.0 * sign]], requires_grad=True)
        result = loss(logits, torch.tensor([[target]]))
        assert float(result.detach()) > 0.2
        result.backward()
        assert logits.grad is not None
        assert float(logits.grad) * sign >= 0


@every_loss
def test_gradient_is_the_derivative(loss: LossFunction) -> None:
    logits, targets = random_batch()
    assert torch.autograd.gradcheck(
        lambda x: loss(x, targets[:6]), logits[:6].clone().requires_grad_()
    )


@every_loss
def test_autocast_does_not_lower_the_precision(loss: LossFunction) -> None:
    logits, targets = random_batch(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(logits, targets.to(torch.uint8))
    assert torch.equal(inside, loss(logits, targets))


logit_arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-1e4, 1e4, width=32),
)


@every_loss
@settings(max_examples=40)
@given(values=logit_arrays, data=st.data())
def test_no_loss_is_negative_and_class_order_plays_no_part(
    loss: LossFunction, values: npt.NDArray[np.float32], data: st.DataObject
) -> None:
    labels = data.draw(hnp.arrays(np.uint8, values.shape, elements=st.integers(0, 1)))
    order = data.draw(st.permutations(range(values.shape[1])))
    logits, targets = torch.from_numpy(values), torch.from_numpy(labels)
    result = float(loss(logits, targets))
    assert result >= 0
    assert float(loss(logits[:, order], targets[:, order])) == pytest.approx(result, rel=1e-5)


@every_loss
def test_shapes_that_disagree_are_refused(loss: LossFunction) -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(4,\)"):
        loss(torch.zeros(2, 4), torch.zeros(4))


def test_smoothing_pulls_targets_towards_a_half() -> None:
    smoothed = smooth_targets(torch.tensor([0, 1], dtype=torch.uint8), 0.1)
    assert smoothed.tolist() == pytest.approx([0.05, 0.95])


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("bce", {}, LOSSES["bce"]),
        ("focal", {"alpha": 0.25, "gamma": 2.0}, LOSSES["focal"]),
        ("asymmetric", {"gamma_negative": 0.5, "clip": 0.2}, LOSSES["asymmetric, small gamma"]),
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_are_built_by_name(
    name: str, options: dict[str, float], expected: LossFunction, smoothing: float
) -> None:
    logits, targets = random_batch()
    loss = build_loss(name, num_classes=4, label_smoothing=smoothing, **options)  # type: ignore[arg-type]
    assert torch.equal(loss(logits, targets), expected(logits, smooth_targets(targets, smoothing)))


def test_built_cross_entropy_weighs_positives() -> None:
    logits, targets = random_batch()
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    loss = build_loss("bce", num_classes=4, pos_weight=weight)
    assert torch.equal(
        loss(logits, targets), binary_cross_entropy_loss(logits, targets, pos_weight=weight)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "hinge"}, "unknown loss 'hinge'; known: bce, focal, asymmetric"),
        ({"label_smoothing": 1.0}, r"label_smoothing is 1.0: a number in \[0, 1\)"),
        ({"label_smoothing": float("nan")}, "label_smoothing is nan"),
        ({"gamma": -1.0}, "gamma is -1.0"),
        ({"gamma_negative": float("inf")}, "gamma_negative is inf"),
        ({"gamma_positive": -0.5}, "gamma_positive is -0.5"),
        ({"clip": 1.0}, "clip is 1.0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"name": "focal", "pos_weight": torch.ones(4)}, "pos_weight works with loss bce only"),
        ({"pos_weight": torch.ones(3)}, "pos_weight has 3 values: one for each of 4 classes"),
        ({"pos_weight": torch.tensor([1.0, 0.0, 1.0, 1.0])}, "above 0"),
        ({"pos_weight": torch.tensor([1.0, float("nan"), 1.0, 1.0])}, "above 0"),
    ],
)
def test_wrong_loss_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(**{"name": "bce", "num_classes": 4, **options})  # type: ignore[arg-type]


def test_pos_weight_is_negatives_over_positives_up_to_the_limit() -> None:
    labels = np.zeros((300, 3), dtype=np.uint8)
    labels[:1, 0] = labels[:100, 1] = labels[:200, 2] = 1
    weight = compute_pos_weight(labels, limit=20.0)
    assert weight.dtype == torch.float32
    assert weight.tolist() == [20.0, 2.0, 0.5]


def test_pos_weight_of_a_class_without_positives_or_negatives_is_refused() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 1]], dtype=np.uint8)
    with pytest.raises(DataError, match="class column 1 has no positive among 2 images"):
        compute_pos_weight(labels, limit=10.0)
    with pytest.raises(DataError, match="class column 1 has no negative"):
        compute_pos_weight(labels[:, [0, 2]], limit=10.0)
    with pytest.raises(ValueError, match="limit is 0"):
        compute_pos_weight(labels, limit=0)
