"""int8 keeps what only few images have: the peaks of a rare defect."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.errors import ModelError
from stripsight.export.apart import quantise_apart
from stripsight.export.graph import convert_to_openvino
from stripsight.export.quantise import RECIPES, Recipe, Work, pack_for_bias, quantise
from stripsight.scoring.openvino_module import open_core

SIDE = 16


def build_graph(path: Path) -> None:
    """Mean of 3x3 pixels twice over, and the highest place."""
    nodes = [
        helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["grey", "mean"], ["once"], pads=[1] * 4),
        helper.make_node("Relu", ["once"], ["positive"]),
        helper.make_node("Conv", ["positive", "mean"], ["maps"], pads=[1] * 4),
        helper.make_node("GlobalMaxPool", ["maps"], ["logits"]),
    ]
    mean = numpy_helper.from_array(np.full((1, 1, 3, 3), 1 / 9, np.float32), "mean")
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1, 1, 1])
    graph = helper.make_graph(nodes, "g", [images], [logits], [mean])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )


@pytest.mark.parametrize("count", [1, 2, 3, 14, 15, 90, 128, 5000])
def test_only_single_images_are_kept_in_memory_for_biases(count: int) -> None:
    items = pack_for_bias(list(range(count)))
    assert [row for item in items for row in item] == list(range(count))
    kept = items[: max(int(0.2 * len(items)), 1)]
    assert len(kept) <= 2
    assert all(len(item) == 1 for item in kept)


@pytest.mark.parametrize("recipe", RECIPES, ids=["plain", "accurate", "smooth"])
def test_one_bright_image_of_thirty_two_is_not_cut_off(recipe: Recipe, tmp_path: Path) -> None:
    build_graph(tmp_path / "model.onnx")
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    pixels = np.random.default_rng(0).integers(0, 10, (32, 1, SIDE, SIDE)).astype(np.uint8)
    pixels[7] += 190
    steel = cast(
        SeverstalFullImageDataset, [{"image": torch.from_numpy(image)} for image in pixels]
    )
    rows = list(range(len(pixels)))
    quantise(Work(tmp_path / "fp32.xml", tmp_path / "int8.xml", steel, rows, recipe))
    core = open_core()
    for row in (7, 8):
        expected, found = (
            float(core.compile_model(tmp_path / f"{name}.xml", "CPU")(pixels[row][None])[0].item())
            for name in ("fp32", "int8")
        )
        assert found == pytest.approx(expected, rel=0.05, abs=1.6), row  # two steps of int8


def make_steel(count: int) -> SeverstalFullImageDataset:
    pixels = np.random.default_rng(1).integers(0, 200, (count, 1, SIDE, SIDE)).astype(np.uint8)
    return cast(SeverstalFullImageDataset, [{"image": torch.from_numpy(image)} for image in pixels])


def test_a_process_of_its_own_makes_the_same_graph(tmp_path: Path) -> None:
    build_graph(tmp_path / "model.onnx")
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    steel, rows, seen = make_steel(30), list(range(30)), []
    recipe = next(recipe for recipe in RECIPES if recipe.accurate_bias)
    work = Work(tmp_path / "fp32.xml", tmp_path / "here.xml", steel, rows, recipe)
    quantise(work)
    quantise_apart(replace(work, path=tmp_path / "apart.xml"), lambda: seen.append(1))
    assert len(seen) >= 30
    image = steel[3]["image"].numpy()[None]
    here, apart = (
        open_core().compile_model(tmp_path / name, "CPU")(image)[0].item()
        for name in ("here.xml", "apart.xml")
    )
    assert here == apart


def test_a_process_that_needs_too_much_memory_ends_alone(tmp_path: Path) -> None:
    build_graph(tmp_path / "model.onnx")
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    steel = make_steel(3)
    work = Work(tmp_path / "fp32.xml", tmp_path / "int8.xml", steel, [0, 1, 2], RECIPES[1])
    with pytest.raises(ModelError, match="memory"):
        quantise_apart(work, limit=2**26)
