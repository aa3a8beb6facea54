"""A graph that names a file is refused, wherever in it the name stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stripsight.bundle.folder import open_bundle, seal_file, write_manifest
from stripsight.errors import BundleError
from stripsight.scoring.engine import EngineSettings, load_engine
from stripsight.scoring.onnxruntime_module import import_onnxruntime
from stripsight.scoring.self_contained import check_self_contained


def make_tensor(external: bool, name: str = "weight") -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), name)
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")
        tensor.external_data.add(key="length", value="12")
    return tensor


def make_graph(tensor: onnx.TensorProto | None, **more: Any) -> onnx.GraphProto:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy"]
    initialisers = [] if tensor is None else [tensor]
    return helper.make_graph(nodes, "graph", ports[:1], ports[1:], initialisers, **more)


def nest(graph: onnx.GraphProto, attribute: str = "then_branch") -> onnx.GraphProto:
    outer = make_graph(None)
    outer.node.append(helper.make_node("If", ["x"], ["z"], **{attribute: graph}))
    return outer


def in_initialiser(external: bool) -> onnx.ModelProto:
    return helper.make_model(make_graph(make_tensor(external)))


def in_constant(external: bool) -> onnx.ModelProto:
    graph = make_graph(None)
    graph.node.append(helper.make_node("Constant", [], ["c"], value=make_tensor(external)))
    return helper.make_model(graph)


def in_subgraph(external: bool) -> onnx.ModelProto:
    return helper.make_model(nest(nest(make_graph(make_tensor(external)))))


def in_constant_of_a_subgraph(external: bool) -> onnx.ModelProto:
    return helper.make_model(nest(in_constant(external).graph, "else_branch"))


def in_function(external: bool) -> onnx.ModelProto:
    model = helper.make_model(make_graph(None))
    node = helper.make_node("Constant", [], ["c"], value=make_tensor(external))
    model.functions.append(
        helper.make_function("own", "f", [], ["c"], [node], [helper.make_opsetid("", 18)])
    )
    return model


def in_sparse_initialiser(external: bool) -> onnx.ModelProto:
    indices = numpy_helper.from_array(np.arange(3), "indices")
    sparse = helper.make_sparse_tensor(make_tensor(external), indices, [9])
    return helper.make_model(make_graph(None, sparse_initializer=[sparse]))


def in_training_info(external: bool) -> onnx.ModelProto:
    model = helper.make_model(make_graph(None))
    model.training_info.add().algorithm.CopyFrom(make_graph(make_tensor(external)))
    return model


PLACES = (
    *(in_initialiser, in_constant, in_subgraph, in_constant_of_a_subgraph),
    *(in_function, in_sparse_initialiser, in_training_info),
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_name_of_a_file_is_found(place: Callable[[bool], onnx.ModelProto]) -> None:
    check_self_contained("model.onnx", place(False).SerializeToString())
    with pytest.raises(BundleError, match=r"'weight' in a file outside \('../../etc/passwd'\)"):
        check_self_contained("model.onnx", place(True).SerializeToString())


def test_a_name_without_the_mark_is_found_too() -> None:
    model = in_initialiser(True)
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    with pytest.raises(BundleError, match="in a file outside"):
        check_self_contained("model.onnx", model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"no graph at all", b"\x08\x09"])
def test_what_is_no_graph_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="is no ONNX graph"):
        check_self_contained("model.onnx", data)


def wrap(field: int, payload: bytes) -> bytes:
    """A nested message as protobuf writes it: tag, length, payload."""
    length, digits = len(payload), b""
    while length > 0x7F:
        digits, length = digits + bytes([length & 0x7F | 0x80]), length >> 7
    return bytes([field << 3 | 2]) + digits + bytes([length]) + payload


def test_graphs_nested_without_end_are_refused() -> None:
    graph = make_graph(make_tensor(True)).SerializeToString()
    for _ in range(5_000):
        graph = wrap(1, wrap(5, wrap(6, graph)))  # a node's attribute that is a graph
    with pytest.raises(BundleError, match="is no ONNX graph"):
        check_self_contained("model.onnx", wrap(7, graph))


def test_the_engine_never_opens_the_file(
    make_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is where the process stands, whole and right: ONNX Runtime would take it."""
    folder = make_bundle(tmp_path / "bundle", golden=1)
    manifest = open_bundle(folder).manifest
    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string((folder / "model.onnx").read_bytes())
    onnx.save(
        model,
        str(tmp_path / "outside.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=64,
    )
    graph = (tmp_path / "outside.onnx").read_bytes()
    assert import_onnxruntime().InferenceSession(graph, providers=["CPUExecutionProvider"])
    (folder / "model.onnx").write_bytes(graph)
    manifest.files["model.onnx"] = seal_file(folder / "model.onnx")
    write_manifest(manifest, folder)
    with pytest.raises(BundleError, match="in a file outside"):
        load_engine(open_bundle(folder), EngineSettings(engine="onnxruntime"))
