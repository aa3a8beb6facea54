"""Grad-CAM against its own formula by hand, against class maps, and image by image."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from stripsight.errors import ModelError
from stripsight.evaluation.gradcam import compute_agreement, compute_gradcam
from stripsight.models.network import DefectNetwork, Pooling, build_network


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def make_network(pooling: Pooling = "lse", backbone: str = "test_resnet") -> DefectNetwork:
    network = build_network(backbone, 3, pretrained=False, pooling=pooling)
    # Running statistics of batch normalisation that are not those of an untrained network.
    network.train()
    with torch.no_grad():
        network(make_images(4))
    return network.eval()


def make_images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 1, 96, 160), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("layer", [None, "layer2", "layer4"])
def test_a_batch_is_its_images_one_by_one(layer: str | None) -> None:
    network, images = make_network(), make_images(5)
    batch = compute_gradcam(network, images, layer=layer)
    single = [compute_gradcam(network, image[None], layer=layer)[0] for image in images]
    np.testing.assert_allclose(batch, np.stack(single), rtol=1e-4, atol=1e-6)
    assert not np.allclose(batch[0], batch[1])


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_at_the_last_features_with_average_pooling_it_is_the_class_map_without_bias(
    backbone: str,
) -> None:
    network, images = make_network("average", backbone), make_images(2)
    features: list[Tensor] = []
    hook = network.head.register_forward_pre_hook(
        lambda _module, inputs: features.append(inputs[0])
    )
    class_maps = network(images).class_maps.detach()
    hook.remove()
    bias = network.head.bias
    assert bias is not None
    places = class_maps.shape[2] * class_maps.shape[3]
    expected = (class_maps - bias.detach().view(1, -1, 1, 1)).relu() / places
    last = network.backbone.feature_info[-1]["module"]  # type: ignore[index]
    if backbone == "test_resnet":
        cam = compute_gradcam(network, images, layer=str(last))
        np.testing.assert_allclose(cam, expected.numpy(), rtol=1e-3, atol=1e-6)
    else:  # a normalisation follows the last stage: only the default must work
        assert compute_gradcam(network, images).shape[:2] == (2, 3)


def test_the_weights_are_mean_gradients_as_finite_differences_have_them() -> None:
    network, images = make_network().double(), make_images(1)
    layer = network.backbone.get_submodule("layer3")
    kept: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    with torch.no_grad():
        network(images)
        hook.remove()
        features, step = kept[0], 1e-5
        channels = features.shape[1]

        def shift(_m: object, _i: object, output: Tensor) -> Tensor:
            """One copy of the features a channel, that channel shifted, and one as it was."""
            shifts = step * torch.eye(channels + 1, channels, dtype=output.dtype)
            return output + shifts[:, :, None, None]

        hook = layer.register_forward_hook(shift)
        logits = class_logits(network, images)
        hook.remove()
        slopes = (logits[:-1] - logits[-1]) / step
        weights = slopes.T[None] / (features.shape[2] * features.shape[3])
        expected = torch.einsum("bck,bkhw->bchw", weights, features).relu()
    cam = compute_gradcam(network, images, layer="layer3")
    np.testing.assert_allclose(cam, expected.numpy(), rtol=0.02, atol=2e-5)


def class_logits(network: DefectNetwork, images: Tensor) -> Tensor:
    """Without the network's own rounding of class maps to float32."""
    features = network.backbone(network.normalise(images))
    maps = network.head(features)
    highest = maps.amax(dim=(2, 3), keepdim=True)
    return highest.flatten(1) + (5 * (maps - highest)).exp().mean(dim=(2, 3)).log() / 5


def test_the_network_is_left_as_it_was() -> None:
    network, images = make_network(), make_images(2)
    network.train()
    compute_gradcam(network, images)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    with torch.inference_mode():
        assert compute_gradcam(network, images).shape == (2, 3, 6, 10)


@pytest.mark.parametrize("layer", ["layer9", ""])
def test_a_layer_that_is_not_there_is_refused(layer: str) -> None:
    with pytest.raises(ModelError, match=r"no layer .*stages: act1, layer1"):
        compute_gradcam(make_network(), make_images(1), layer=layer)


class Tokens(nn.Module):
    """A backbone whose first layer gives tokens `[B, n, F]`, its second a feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 32, stride=32), nn.Flatten(2))

    def forward(self, images: Tensor) -> Tensor:
        return self.first(images).unflatten(2, (images.shape[2] // 32, images.shape[3] // 32))


def test_a_backbone_that_names_no_stages_is_seen_at_its_end() -> None:
    network = DefectNetwork(Tokens(), 8, 3, mean=(0.5,) * 3, std=(0.2,) * 3).eval()
    images = make_images(2)
    maps = network(images).class_maps.detach() - network.head.bias.detach().view(1, -1, 1, 1)
    np.testing.assert_allclose(
        compute_gradcam(network, images), maps.relu().numpy() / 15, rtol=1e-4, atol=1e-6
    )
    with pytest.raises(ModelError, match="'first' gives no feature map"):
        compute_gradcam(network, images, layer="first")


def test_frozen_weights_are_no_hindrance() -> None:
    network, images = make_network(), make_images(1)
    expected = compute_gradcam(network, images)
    np.testing.assert_array_equal(compute_gradcam(network.requires_grad_(False), images), expected)


def test_agreement_is_scipys_rank_correlation() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(6, 10)), rng.integers(0, 4, (6, 10)).astype(float)
    expected = spearmanr(first.ravel(), second.ravel()).statistic
    assert compute_agreement(first, second) == pytest.approx(expected)
    assert compute_agreement(first, np.exp(first)) == pytest.approx(1)
    assert compute_agreement(first, np.ones((3, 5))) == 0
    coarse = rng.normal(size=(3, 5))
    assert compute_agreement(coarse, coarse) == pytest.approx(1)
