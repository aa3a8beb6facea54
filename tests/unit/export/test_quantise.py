"""int8 keeps what only few images have: the peaks of a rare defect."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.errors import ModelError
from stripsight.export.apart import quantise_apart
from stripsight.export.graph import convert_to_openvino
from stripsight.export.joints import choose_limits
from stripsight.export.quantise import (
    RECIPES,
    Recipe,
    Work,
    find_pooling,
    pack_for_bias,
    quantise,
)
from stripsight.scoring.openvino_module import open_core

SIDE = 16


def build_graph(path: Path, smooth: bool = False) -> None:
    """Mean of 3x3 pixels twice over, then the highest place or the log of the mean exponential."""
    highest = [helper.make_node("GlobalMaxPool", ["maps"], ["logits"])]
    mean_of_exponentials = [
        helper.make_node("GlobalMaxPool", ["maps"], ["highest"]),
        helper.make_node("Sub", ["maps", "highest"], ["below"]),
        helper.make_node("Exp", ["below"], ["exponentials"]),
        helper.make_node("GlobalAveragePool", ["exponentials"], ["exponential"]),
        helper.make_node("Log", ["exponential"], ["logarithm"]),
        helper.make_node("Add", ["logarithm", "highest"], ["logits"]),
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["grey", "mean"], ["once"], pads=[1] * 4),
        helper.make_node("Relu", ["once"], ["positive"]),
        helper.make_node("Conv", ["positive", "mean"], ["maps"], pads=[1] * 4),
        *(mean_of_exponentials if smooth else highest),
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


def test_nothing_behind_the_last_convolution_is_quantised(tmp_path: Path) -> None:
    build_graph(tmp_path / "model.onnx", smooth=True)
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    model = open_core().read_model(tmp_path / "fp32.xml")
    kinds = {node.get_friendly_name(): node.get_type_name() for node in model.get_ordered_ops()}
    pooling = [kinds[name] for name in find_pooling(model)]
    assert sorted(pooling) == ["Add", "Exp", "Log", "ReduceMax", "ReduceMean", "Subtract"]
    for recipe in (RECIPES[0], RECIPES[-1]):
        work = Work(tmp_path / "fp32.xml", tmp_path / "int8.xml", make_steel(4), [0, 1, 2], recipe)
        quantise(work)
        int8 = open_core().read_model(tmp_path / "int8.xml")
        behind = {node.get_type_name() for node in find_users(int8, "maps")}
        assert behind == {"ReduceMax", "Subtract"}


def find_users(model: Any, name: str) -> list[Any]:
    node = next(node for node in model.get_ops() if node.get_friendly_name() == name)
    return [port.get_node() for port in node.output(0).get_target_inputs()]


def build_uneven(path: Path, joined: bool) -> None:
    """Pixels and a thousandth of them, four times each, equally loud in the map; pooled, or not."""
    quiet = np.array([1, 0.001] * 4, np.float32).reshape(-1, 1, 1, 1)
    loud = np.array([1, 1000] * (8 if joined else 4), np.float32).reshape(1, -1, 1, 1) / 1600
    pool = [
        helper.make_node("MaxPool", ["both"], ["pooled"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Concat", ["both", "pooled"], ["joined"], axis=1),
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["grey", "quiet"], ["both"]),
        *(pool if joined else []),
        helper.make_node("Relu", ["joined" if joined else "both"], ["positive"]),
        helper.make_node("Conv", ["positive", "loud"], ["maps"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, SIDE, SIDE])
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    weights = [numpy_helper.from_array(quiet, "quiet"), numpy_helper.from_array(loud, "loud")]
    graph = helper.make_graph(nodes, "g", [images], [maps], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )


def test_smoothing_keeps_a_quiet_channel(tmp_path: Path) -> None:
    build_uneven(tmp_path / "model.onnx", joined=False)
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    steel = make_steel(20)
    batch = np.stack([steel[row]["image"].numpy() for row in range(20)])
    core = open_core()

    def predict(name: str) -> npt.NDArray[np.float32]:
        hint = {"INFERENCE_PRECISION_HINT": "f32"}
        return np.array(core.compile_model(tmp_path / name, "CPU", hint)(batch)[0])

    errors = []
    for recipe in (RECIPES[0], RECIPES[-1]):
        work = Work(tmp_path / "fp32.xml", tmp_path / "int8.xml", steel, list(range(20)), recipe)
        quantise(work)
        errors.append(float(np.abs(predict("int8.xml") - predict("fp32.xml")).max()))
    assert errors[1] < errors[0] / 10


def test_joints_have_a_scale_for_each_channel(tmp_path: Path) -> None:
    build_uneven(tmp_path / "model.onnx", joined=True)
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    steel, rows = make_steel(20), list(range(20))
    quantise(Work(tmp_path / "fp32.xml", tmp_path / "int8.xml", steel, rows, RECIPES[-1]))
    int8 = open_core().read_model(tmp_path / "int8.xml")
    pool = next(node for node in int8.get_ops() if node.get_type_name() == "MaxPool")
    join = next(node for node in int8.get_ops() if node.get_type_name() == "Concat")
    quantiser = pool.input(0).get_source_output().get_node()
    assert quantiser.get_type_name() == "FakeQuantize"
    assert quantiser.get_friendly_name() == (
        join.input(0).get_source_output().get_node().get_friendly_name()
    )
    low, high = (quantiser.input(i).get_source_output().get_node().get_data() for i in (1, 2))
    brightest = max(int(steel[row]["image"].max()) for row in rows)
    assert not low.any()
    assert high.ravel().tolist() == pytest.approx([brightest, brightest / 4] * 4)


def test_parts_of_a_split_are_measured_each_by_itself(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["grey", "uneven"], ["four"]),
        helper.make_node("Split", ["four"], ["first", "second"], axis=1, num_outputs=2),
        helper.make_node("Concat", ["second", "first"], ["shuffled"], axis=1),
        helper.make_node("Conv", ["shuffled", "sum"], ["maps"]),
    ]
    uneven = np.array([1, 0.9, 0.5, 0.4], np.float32).reshape(-1, 1, 1, 1)
    weights = {"uneven": uneven, "sum": np.ones((1, 4, 1, 1), np.float32)}
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, SIDE, SIDE])
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [images], [maps], constants)
    opset = helper.make_opsetid("", 18)
    onnx.save(
        helper.make_model(graph, opset_imports=[opset], ir_version=10), tmp_path / "model.onnx"
    )
    convert_to_openvino(tmp_path / "model.onnx", tmp_path / "fp32.xml")
    steel = make_steel(8)
    quantise(Work(tmp_path / "fp32.xml", tmp_path / "int8.xml", steel, list(range(8)), RECIPES[-1]))
    int8 = open_core().read_model(tmp_path / "int8.xml")
    join = next(node for node in int8.get_ops() if node.get_type_name() == "Concat")
    givers = [port.get_source_output().get_node() for port in join.inputs()]
    highest = [giver.input(2).get_source_output().get_node().get_data() for giver in givers]
    brightest = max(int(steel[row]["image"].max()) for row in range(8))
    expected = brightest * uneven.ravel()[[2, 3, 0, 1]]
    assert np.concatenate(highest, axis=1).ravel() == pytest.approx(expected, rel=1e-3)


@given(
    arrays(np.float32, 5, elements=st.floats(-1000, 1000, width=32)),
    arrays(np.float32, 5, elements=st.floats(0, 1000, width=32)),
)
def test_zero_is_a_step_and_nothing_measured_is_cut_off(
    lowest: npt.NDArray[np.float32], width: npt.NDArray[np.float32]
) -> None:
    highest = lowest + width
    low, high = (limit.ravel().astype(np.float64) for limit in choose_limits(lowest, highest))
    step = (high - low) / 255
    assert np.all(step > 0)
    assert low / step == pytest.approx(np.round(low / step), abs=1e-2)
    assert np.all((low <= 1e-6) & (high >= -1e-6))
    assert np.all(low <= lowest + step)
    assert np.all(high >= highest - step)
