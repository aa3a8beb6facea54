"""Ensembles as one network, and which images calibrate."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from stripsight.export.graph import (
    ExportedNetwork,
    convert_to_openvino,
    prepare_network,
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
    weights = numpy_helper.from_array(np.ones((64, 64), np.float32), "weights")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 64]) for n in "xy")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])], "g", [x], [y], [weights]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10),
        tmp_path / "model.onnx",
    )
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
