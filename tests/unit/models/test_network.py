import io
from collections.abc import Callable

import numpy as np
import pytest
import timm
import timm.data
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as V2

from stripsight.errors import ModelError
from stripsight.models.network import (
    LSE_SHARPNESS,
    DefectNetwork,
    build_network,
    initialise_head_bias,
    pool_class_maps,
)

PROMISED = ("densenet121", "efficientnet_b0", "efficientnet_b1", "resnet50")


@pytest.fixture(scope="module")
def network_of() -> Callable[[str], DefectNetwork]:
    made: dict[str, DefectNetwork] = {}

    def get(name: str) -> DefectNetwork:
        if name not in made:
            made[name] = build_network(name, 3, pretrained=False).eval()
            nn.init.normal_(made[name].head.weight, std=0.2)
            nn.init.normal_(made[name].head.bias)
        return made[name]

    return get


def random_images(batch: int = 2, channels: int = 1) -> Tensor:
    return torch.randint(0, 256, (batch, channels, 64, 96), dtype=torch.uint8)


class Passthrough(nn.Module):
    """A backbone whose features are its input."""

    def forward(self, images: Tensor) -> Tensor:
        return images


def bare_network(backbone: nn.Module | None = None, num_classes: int = 1) -> DefectNetwork:
    return DefectNetwork(
        backbone or Passthrough(), 3, num_classes, mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0]
    )


@pytest.mark.parametrize("name", PROMISED)
def test_grey_is_exactly_three_equal_channels(
    name: str, network_of: Callable[[str], DefectNetwork]
) -> None:
    images = random_images()
    with torch.no_grad():
        grey = network_of(name)(images)
        rgb = network_of(name)(images.repeat(1, 3, 1, 1))
    assert torch.equal(grey.logits, rgb.logits)
    assert torch.equal(grey.class_maps, rgb.class_maps)
    assert grey.logits.shape == (2, 3)
    assert grey.class_maps.shape == (2, 3, 2, 3)


@pytest.mark.parametrize("name", PROMISED)
def test_average_pooling_is_timms_pooling_and_linear_head(
    name: str, network_of: Callable[[str], DefectNetwork]
) -> None:
    network = network_of(name)
    reference = timm.create_model(name, num_classes=3).eval()
    reference.load_state_dict(network.backbone.state_dict(), strict=False)
    linear = reference.get_classifier()
    images = random_images()
    config = timm.data.resolve_model_data_config(reference)
    inputs = V2.to_dtype(images.repeat(1, 3, 1, 1), torch.float32, scale=True)
    inputs = V2.normalize(inputs, list(config["mean"]), list(config["std"]))
    with torch.no_grad():
        linear.weight.copy_(network.head.weight.flatten(1))
        linear.bias.copy_(network.head.bias)
        torch.testing.assert_close(network(images).logits, reference(inputs), atol=1e-5, rtol=1e-5)


def test_channels_keep_their_own_mean_and_std() -> None:
    network = DefectNetwork(Passthrough(), 3, 1, mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 1.0])
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([(0.0 - 0.1) / 0.5, (0.2 - 0.2) / 0.25, (1.0 - 0.3) / 1.0])
    torch.testing.assert_close(network.normalise(images).flatten(), expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 1, 64, 96), "torch.float32: uint8 is expected"),
        (torch.zeros(1, 2, 64, 96, dtype=torch.uint8), r"\(1, 2, 64, 96\)"),
        (torch.zeros(1, 64, 96, dtype=torch.uint8), r"\(1, 64, 96\)"),
    ],
)
def test_other_images_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bare_network()(images)


def test_channels_last_weights_run_the_whole_backbone_in_channels_last() -> None:
    network = build_network("test_resnet", 2, pretrained=False).eval()
    images = random_images(4)
    with torch.no_grad():
        expected = network(images).logits
    network.to(memory_format=torch.channels_last)
    formats: list[bool] = []

    def note(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        formats.extend(
            t.is_contiguous(memory_format=torch.channels_last) for t in (*inputs, output)
        )

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        for batch in (images, images.contiguous(memory_format=torch.channels_last)):
            torch.testing.assert_close(network(batch).logits, expected, atol=1e-5, rtol=1e-5)
    assert len(formats) > 20
    assert all(formats)


def test_checkpoint_loads_as_plain_data_and_gives_the_same_numbers() -> None:
    network = build_network("test_efficientnet", 2, pretrained=False).eval()
    network.mean.fill_(0.4)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other = build_network("test_efficientnet", 2, pretrained=False).eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    images = random_images()
    with torch.no_grad():
        assert torch.equal(other(images).logits, network(images).logits)


def test_bfloat16_autocast_gives_float32_predictions() -> None:
    network = build_network("test_efficientnet", 2, pretrained=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = network(random_images())
    assert prediction.logits.dtype == prediction.class_maps.dtype == torch.float32
    prediction.logits.sum().backward()
    first = next(network.backbone.parameters())
    assert first.grad is not None
    assert first.grad.abs().sum() > 0


def test_dropout_drops_whole_feature_channels_and_only_in_training() -> None:
    network = DefectNetwork(Passthrough(), 3, 1, mean=[0.0] * 3, std=[1.0] * 3, dropout=0.5)
    nn.init.ones_(network.head.weight)
    images = torch.full((64, 1, 4, 4), 255, dtype=torch.uint8)
    maps = network(images).class_maps
    # Each of three channels is 0 or 1 / (1 - 0.5); nothing differs from place to place.
    assert maps.detach().unique().tolist() == [0.0, 2.0, 4.0, 6.0]
    assert torch.equal(maps, maps[:, :, :1, :1].expand_as(maps))
    assert network.eval()(images).class_maps.unique().tolist() == [3.0]


def test_heatmaps_are_upsampled_logits_as_probabilities() -> None:
    network = bare_network()
    nn.init.constant_(network.head.weight, 1.0)
    nn.init.zeros_(network.head.bias)
    images = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    with torch.no_grad():
        heatmaps = network.heatmaps(images, size=(1, 4))
        assert network.heatmaps(images).shape == (1, 1, 1, 2)
    # Logits 0 and 3 at pixel centres 0.25 and 0.75; bilinear values between, held at the ends.
    logits = np.array([0.0, 0.75, 2.25, 3.0])
    np.testing.assert_allclose(heatmaps[0, 0, 0].numpy(), 1 / (1 + np.exp(-logits)), rtol=1e-6)


def test_channels_last_features_become_class_maps() -> None:
    network = build_network("mambaout_femto", 2, pretrained=False).eval()
    with torch.no_grad():
        prediction = network(random_images())
    assert network.features_last
    assert prediction.class_maps.shape == (2, 2, 2, 3)


@pytest.mark.parametrize("pooling", ["average", "max", "lse"])
def test_pooling_matches_numpy(pooling: str) -> None:
    maps = torch.randn(3, 2, 4, 5, dtype=torch.float64) * 10
    places = maps.numpy().reshape(3, 2, 20)
    expected = {
        "average": places.mean(axis=2),
        "max": places.max(axis=2),
        "lse": np.log(np.exp(LSE_SHARPNESS * places).mean(axis=2)) / LSE_SHARPNESS,
    }[pooling]
    np.testing.assert_allclose(pool_class_maps(maps, pooling).numpy(), expected, rtol=1e-12)  # type: ignore[arg-type]


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=12))
def test_log_sum_exp_lies_between_average_and_maximum(values: list[float]) -> None:
    maps = torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)
    average, highest, between = (
        float(pool_class_maps(maps, pooling)) for pooling in ("average", "max", "lse")
    )
    slack = 1e-5 * max(1.0, abs(average), abs(highest))
    assert average - slack <= between <= highest + slack
    assert float(pool_class_maps(maps.flip(3), "lse")) == pytest.approx(between, rel=1e-6, abs=1e-6)


def test_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'gem'.*average, max, lse"):
        pool_class_maps(torch.zeros(1, 1, 1, 1), "gem")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="unknown pooling 'gem'"):
        build_network("test_resnet", 2, pretrained=False, pooling="gem")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments", [{"num_classes": 0}, {"dropout": 1.0}, {"dropout": -0.1}, {"drop_path": 1.5}]
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(arguments))):
        build_network(
            **{"backbone": "test_resnet", "num_classes": 2, "pretrained": False, **arguments}
        )  # type: ignore[arg-type]


def test_head_bias_starts_from_the_prevalence() -> None:
    network = bare_network(num_classes=3)
    nn.init.zeros_(network.head.weight)
    initialise_head_bias(network, torch.tensor([0.071, 0.5, 0.0]))
    logits = network(random_images()).logits
    expected = [0.071, 0.5, 1e-4]
    np.testing.assert_allclose(logits.sigmoid()[0].detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("prevalence", [[0.5], [0.1, 0.2, 1.2], [0.1, 0.2, float("nan")]])
def test_prevalence_that_is_none_is_refused(prevalence: list[float]) -> None:
    with pytest.raises(ValueError, match="prevalence"):
        initialise_head_bias(bare_network(num_classes=3), torch.tensor(prevalence))


@pytest.mark.parametrize("pooling", ["average", "max", "lse"])
def test_exported_graph_takes_any_batch(pooling: str) -> None:
    network = bare_network(nn.Conv2d(3, 3, 3, stride=2, padding=1), num_classes=2)
    network.pooling = pooling  # type: ignore[assignment]
    network.to(memory_format=torch.channels_last).eval()
    exported = torch.export.export(
        network, (random_images(2),), dynamic_shapes={"images": {0: torch.export.Dim("batch")}}
    ).module()
    images = random_images(5)
    with torch.no_grad():
        torch.testing.assert_close(exported(images).logits, network(images).logits)
