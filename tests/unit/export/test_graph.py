"""Ensembles as one network, and which images calibrate."""

from pathlib import Path

import pytest
import torch

from stripsight.export.graph import (
    ExportedNetwork,
    convert_to_openvino,
    prepare_network,
    write_onnx,
)
from stripsight.export.quantise import choose_calibration_images
from stripsight.models.network import build_network


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    members = [
        prepare_network(build_network(name, 3, pretrained=False))
        for name in ("test_resnet", "test_efficientnet")
    ]
    images = torch.randint(0, 256, (2, 1, 64, 96), dtype=torch.uint8)
    logits, maps = ExportedNetwork(members)(images)
    said = [member(images) for member in members]
    torch.testing.assert_close(logits, (said[0].logits + said[1].logits) / 2)
    torch.testing.assert_close(maps, (said[0].class_maps + said[1].class_maps) / 2)


def test_smaller_maps_are_resized_to_the_largest() -> None:
    torch.manual_seed(0)
    coarse, fine = (
        prepare_network(build_network(name, 2, pretrained=False))
        for name in ("test_resnet", "test_resnet")
    )
    fine.backbone = torch.nn.Sequential(fine.backbone, torch.nn.Upsample(scale_factor=2))
    images = torch.randint(0, 256, (1, 1, 64, 96), dtype=torch.uint8)
    logits, maps = ExportedNetwork([coarse, fine])(images)
    small, large = coarse(images), fine(images)
    assert maps.shape == large.class_maps.shape != small.class_maps.shape
    torch.testing.assert_close(logits, (small.logits + large.logits) / 2)
    resized = torch.nn.functional.interpolate(
        small.class_maps, maps.shape[2:], mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(maps, (resized + large.class_maps) / 2)


def test_weights_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    network = ExportedNetwork([prepare_network(build_network("test_resnet", 2, pretrained=False))])
    write_onnx(network, tmp_path / "model.onnx", (64, 96))
    (tmp_path / "fp32.bin").symlink_to("/dev/full")
    with pytest.raises(OSError, match="is the disk full") as caught:
        convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    assert caught.value.filename == str(tmp_path / "fp32.xml")


def test_calibration_images_are_the_same_each_time() -> None:
    rows = choose_calibration_images(90, 12)
    assert rows == choose_calibration_images(90, 12) == sorted(set(rows))
    assert len(rows) == 12
    assert max(rows) < 90
    assert choose_calibration_images(5, 128) == [0, 1, 2, 3, 4]
