import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stripsight.errors import ModelError
from stripsight.models.backbone import create_backbone, probe_features


@pytest.fixture(scope="module")
def source() -> nn.Module:
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=1000).eval()


@pytest.fixture(scope="module")
def weight_file(source: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "test_resnet.pth"
    torch.save(source.state_dict(), path)
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No cached weights, and a hub that refuses the connection; returns the cache folder."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def without_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if not k.startswith("fc.")}


def save_bare(state: dict[str, Tensor], path: Path) -> None:
    torch.save(without_classifier(state), path)


def save_wrapped(state: dict[str, Tensor], path: Path) -> None:
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, path)


@pytest.mark.parametrize(
    ("suffix", "save"),
    [
        (".pth", torch.save),
        (".safetensors", save_file),
        (".pt", save_bare),
        (".bin", save_wrapped),
    ],
)
def test_local_weights_give_the_source_models_features(
    suffix: str,
    save: Callable[[dict[str, Tensor], Path], None],
    source: nn.Module,
    tmp_path: Path,
) -> None:
    save(source.state_dict(), tmp_path / f"weights{suffix}")
    backbone = create_backbone(
        "test_resnet", pretrained=True, weights=tmp_path / f"weights{suffix}"
    ).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(backbone(images), source.forward_features(images))  # type: ignore[operator]
    assert "state_dict" not in backbone.pretrained_cfg  # type: ignore[operator]


def test_torchvisions_layout_of_densenet_loads(tmp_path: Path) -> None:
    source = timm.create_model("densenet121", num_classes=0)
    state = {
        # torchvision's released files name norm1 of a dense layer norm.1, and so on.
        k.replace(".norm1.", ".norm.1.").replace(".conv1.", ".conv.1.")
        if "denselayer" in k
        else k: v
        for k, v in source.state_dict().items()
        if "num_batches_tracked" not in k  # the released files are older than that buffer
    }
    assert any(".norm.1." in k for k in state)
    torch.save(state, tmp_path / "weights.pth")
    backbone = create_backbone("densenet121", pretrained=False, weights=tmp_path / "weights.pth")
    for key, value in source.state_dict().items():
        assert torch.equal(backbone.state_dict()[key], value), key


class Payload:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_payload_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Payload(trace)))
    else:
        torch.save({"w": Payload(trace)}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ModelError, match=r"weights\.pth (holds code|is damaged)"):
        create_backbone("test_resnet", pretrained=False, weights=path)
    assert not trace.exists()


def test_flipped_bit_in_a_weight_is_refused(weight_file: Path, tmp_path: Path) -> None:
    data = bytearray(weight_file.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "weights.pth").write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        create_backbone("test_resnet", pretrained=False, weights=tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("weights.pth", None, "does not exist: check model.weights"),
        ("weights.pth", b"", "damaged"),
        ("weights.pth", b"hello", "damaged"),
        ("weights.pth", bytes(range(256)) * 8, "damaged"),
        ("weights.pth", b"PK\x03\x04" + bytes(100), "damaged"),
        ("weights.safetensors", b"\xff" * 64, "damaged"),
        ("weights.safetensors", b"", "damaged"),
    ],
)
def test_no_weight_file_is_refused(
    name: str, data: bytes | None, message: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=message) as caught:
        create_backbone("test_resnet", pretrained=False, weights=tmp_path / name)
    assert "\n" not in str(caught.value)


def test_truncated_weight_file_is_refused(weight_file: Path, tmp_path: Path) -> None:
    data = weight_file.read_bytes()
    (tmp_path / "weights.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="damaged"):
        create_backbone("test_resnet", pretrained=False, weights=tmp_path / "weights.pth")


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, torch.zeros(3)])
def test_file_without_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"weights\.pth (holds no state dict|is damaged)"):
        create_backbone("test_resnet", pretrained=False, weights=tmp_path / "weights.pth")


def test_missing_weight_is_named(source: nn.Module, tmp_path: Path) -> None:
    state = source.state_dict()
    del state["layer2.0.conv1.weight"]
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"does not fit.*Missing.*layer2\.0\.conv1\.weight"):
        create_backbone("test_resnet", pretrained=False, weights=tmp_path / "weights.pth")


@pytest.mark.parametrize("backbone", ["test_efficientnet", "resnet10t"])
def test_weights_for_another_backbone_are_refused(backbone: str, weight_file: Path) -> None:
    with pytest.raises(ModelError, match=f"does not fit backbone '{backbone}'") as caught:
        create_backbone(backbone, pretrained=False, weights=weight_file)
    assert "\n" not in str(caught.value)


def test_more_layers_than_the_backbone_has_are_refused(source: nn.Module, tmp_path: Path) -> None:
    state = source.state_dict()
    state["layer1.7.conv1.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"does not fit.*Unexpected.*layer1\.7\.conv1\.weight"):
        create_backbone("test_resnet", pretrained=False, weights=tmp_path / "weights.pth")


def test_no_network_names_the_two_ways_on(offline: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError) as caught:
        create_backbone("test_resnet", pretrained=True)
    message = str(caught.value)
    assert "no network" in message
    assert "model.weights=FILE" in message
    assert "model.pretrained=false" in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_cached_weights_need_no_network(offline: Path, source: nn.Module) -> None:
    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id.replace("/", "--")
    snapshot = offline / f"models--{repository}" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    save_file(source.state_dict(), snapshot / "model.safetensors")
    backbone = create_backbone("test_resnet", pretrained=True)
    expected = without_classifier(source.state_dict())
    assert backbone.state_dict().keys() == expected.keys()
    assert all(torch.equal(backbone.state_dict()[k], v) for k, v in expected.items())
    shutil.rmtree(snapshot)
    with pytest.raises(ModelError, match="no network"):
        create_backbone("test_resnet", pretrained=True)


def test_model_without_released_weights_says_so(offline: Path) -> None:
    with pytest.raises(ModelError, match=r"do not exist.*model\.weights=FILE"):
        create_backbone("efficientnet_b8", pretrained=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5O", "unknown backbone 'resnet5O'; did you mean 'resnet50'?"),
        ("eficientnet_b0", "unknown backbone 'eficientnet_b0'; did you mean 'efficientnet_b0'?"),
        ("", "unknown backbone ''; timm.list_models() lists the known"),
        ("hf-hub:someone/model", "unknown backbone 'hf-hub:someone/model'"),
        ("densenet121.nope", "unknown backbone 'densenet121.nope': no such weight tag"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        create_backbone(name, pretrained=False)
    assert str(caught.value).startswith(message)


def test_stochastic_depth_reaches_the_backbone_or_is_refused() -> None:
    backbone = create_backbone("resnet18", pretrained=False, drop_path=0.2)
    rates = [m.drop_prob for m in backbone.modules() if type(m).__name__ == "DropPath"]
    assert max(rates) == pytest.approx(0.2)
    with pytest.raises(ModelError, match=r"model\.drop_path=0"):
        create_backbone("densenet121", pretrained=False, drop_path=0.2)


def test_vision_transformer_is_refused() -> None:
    backbone = create_backbone("vit_tiny_patch16_224", pretrained=False)
    with pytest.raises(ModelError, match=r"vit_tiny_patch16_224.*choose a convolutional one"):
        probe_features(backbone, "vit_tiny_patch16_224")


def test_token_features_are_refused() -> None:
    class Tokens(nn.Module):
        num_features = 8

        def forward(self, images: Tensor) -> Tensor:
            return images.new_zeros(len(images), 60, 8)

    with pytest.raises(ModelError, match="no feature map"):
        probe_features(Tokens(), "tokens")


def test_probe_leaves_the_backbone_as_it_was() -> None:
    backbone = create_backbone("test_resnet", pretrained=False)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    generator = torch.get_rng_state()
    assert probe_features(backbone, "test_resnet") == (96, False)
    assert backbone.training
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
