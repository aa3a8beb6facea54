import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stripsight.models.localisation import average_known, localisation_errors


def random_case() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    class_maps = torch.randn(3, 2, 4, 5, generator=generator, dtype=torch.float64) * 3
    masks = (torch.rand(3, 2, 32, 40, generator=generator) < 0.3).to(torch.uint8)
    return class_maps, masks


def test_the_error_is_torchs_cross_entropy_against_means_of_blocks() -> None:
    class_maps, masks = random_case()
    blocks = masks.numpy().reshape(3, 2, 4, 8, 5, 8).mean(axis=(3, 5))
    expected = F.binary_cross_entropy_with_logits(
        class_maps, torch.from_numpy(blocks), reduction="none"
    ).mean(dim=(2, 3))
    assert torch.allclose(localisation_errors(class_maps, masks), expected, atol=1e-12)


def test_the_best_map_of_a_mask_is_the_covered_share_of_each_cell() -> None:
    _, masks = random_case()
    shares = F.avg_pool2d(masks.double(), 8)
    class_maps = shares.logit().requires_grad_()
    localisation_errors(class_maps, masks).sum().backward()
    assert class_maps.grad is not None
    assert float(class_maps.grad.abs().max()) < 1e-12


def test_low_precision_is_not_kept() -> None:
    class_maps, masks = random_case()
    errors = localisation_errors(class_maps.bfloat16(), masks)
    assert errors.dtype == torch.float32
    assert torch.allclose(errors, localisation_errors(class_maps.bfloat16().float(), masks))


def test_huge_logits_stay_finite() -> None:
    masks = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    masks[..., :4] = 1
    for value in (-1e4, 1e4):
        assert torch.isfinite(localisation_errors(torch.full((1, 1, 2, 2), value), masks)).all()


def test_what_nobody_drew_teaches_nothing() -> None:
    class_maps, masks = random_case()
    class_maps.requires_grad_()
    known = torch.tensor([[1, 0], [1, 1], [0, 1]], dtype=torch.uint8)
    errors = localisation_errors(class_maps, masks)
    loss = average_known(errors, known)
    assert loss.item() == pytest.approx(np.mean(errors.detach().numpy()[known.numpy() == 1]))
    loss.backward()
    assert class_maps.grad is not None
    silent = class_maps.grad.abs().sum(dim=(2, 3)) == 0
    assert torch.equal(silent, known == 0)


def test_nothing_known_is_no_error_and_no_gradient() -> None:
    class_maps, masks = random_case()
    class_maps.requires_grad_()
    loss = average_known(localisation_errors(class_maps, masks), torch.zeros(3, 2))
    loss.backward()
    assert loss.item() == 0
    assert class_maps.grad is not None
    assert not class_maps.grad.any()


def test_other_images_or_classes_are_refused() -> None:
    class_maps, masks = random_case()
    with pytest.raises(ValueError, match="the same images and classes"):
        localisation_errors(class_maps, masks[:, :1])
