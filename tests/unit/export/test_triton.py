"""A model repository that Triton's own schema takes, and an InferenceService that YAML takes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from stripsight.atomic import name_own_temporary
from stripsight.bundle.folder import Bundle, open_bundle, seal_file
from stripsight.bundle.reading import read_manifest
from stripsight.cli.app import run_command
from stripsight.errors import BundleError, UsageError
from stripsight.export.kserve import build_kserve_manifest
from stripsight.export.triton import make_model_name, write_triton_repository

Kind = descriptor_pb2.FieldDescriptorProto

# The part of Triton's model_config.proto that is used, by its names and types; compared once with
# tritonclient 2.73's own, which needs an older ml_dtypes than onnx and so cannot be installed here.
MESSAGES: dict[str, dict[str, tuple[int, int, str]]] = {
    "ModelParameter": {"string_value": (1, Kind.TYPE_STRING, "")},
    "ModelDynamicBatching": {"max_queue_delay_microseconds": (2, Kind.TYPE_UINT64, "")},
    "ModelInstanceGroup": {"count": (2, Kind.TYPE_INT32, ""), "kind": (4, Kind.TYPE_ENUM, "Kind")},
    "ModelInput": {
        "name": (1, Kind.TYPE_STRING, ""),
        "data_type": (2, Kind.TYPE_ENUM, "DataType"),
        "dims": (4, Kind.TYPE_INT64, "*"),
    },
    "ModelOutput": {
        "name": (1, Kind.TYPE_STRING, ""),
        "data_type": (2, Kind.TYPE_ENUM, "DataType"),
        "dims": (3, Kind.TYPE_INT64, "*"),
        "label_filename": (4, Kind.TYPE_STRING, ""),
    },
    "Entry": {"key": (1, Kind.TYPE_STRING, ""), "value": (2, Kind.TYPE_MESSAGE, "ModelParameter")},
    "ModelConfig": {
        "name": (1, Kind.TYPE_STRING, ""),
        "backend": (17, Kind.TYPE_STRING, ""),
        "max_batch_size": (4, Kind.TYPE_INT32, ""),
        "input": (5, Kind.TYPE_MESSAGE, "*ModelInput"),
        "output": (6, Kind.TYPE_MESSAGE, "*ModelOutput"),
        "instance_group": (7, Kind.TYPE_MESSAGE, "*ModelInstanceGroup"),
        "dynamic_batching": (11, Kind.TYPE_MESSAGE, "ModelDynamicBatching"),
        "parameters": (14, Kind.TYPE_MESSAGE, "*Entry"),
    },
}
ENUMS = {"DataType": {"TYPE_INVALID": 0, "TYPE_UINT8": 2, "TYPE_FP32": 11}}
ENUMS["Kind"] = {"KIND_AUTO": 0, "KIND_GPU": 1, "KIND_CPU": 2, "KIND_MODEL": 3}


def parse(text: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="c.proto", package="t", syntax="proto3")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, other) in fields.items():
            label = Kind.LABEL_REPEATED if other.startswith("*") else Kind.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, type=kind, label=label)
            if other.strip("*"):
                added.type_name = f".t.{other.strip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    config = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.ModelConfig"))
    return text_format.Parse(text, config())


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("triton") / "bundle"
    return open_bundle(make_bundle(folder, golden=1, chosen="int8", name="Mill 3, line B"))


def test_the_repository_holds_what_triton_needs(bundle: Bundle, tmp_path: Path) -> None:
    model = write_triton_repository(bundle, tmp_path / "models")
    assert model.name == "mill-3-line-b"
    config = parse((model.folder / "config.pbtxt").read_text())
    assert (config.name, config.backend, config.max_batch_size) == (model.name, "onnxruntime", 8)
    (images,) = config.input
    assert (images.name, images.data_type, list(images.dims)) == ("images", 2, [1, 32, 64])
    assert [(o.name, o.data_type, list(o.dims)) for o in config.output] == [
        ("logits", 11, [3]),
        ("class_maps", 11, [3, -1, -1]),
    ]
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    parameters = {entry.key: entry.value.string_value for entry in config.parameters}
    assert parameters["stripsight_bundle_id"] == bundle.manifest.bundle_id
    labels = model.folder / config.output[0].label_filename
    assert labels.read_text().splitlines() == ["scratch", "spot", "rust"]
    assert (model.folder / "1" / "model.onnx").read_bytes() == bundle.read("model.onnx")
    assert read_manifest((model.folder / "1" / "manifest.json").read_bytes()) == bundle.manifest


def test_names_and_dims_are_those_of_the_graph(bundle: Bundle, tmp_path: Path) -> None:
    """A graph of fixed places, as export makes them: Triton wants its dims to the number."""
    folder = shutil.copytree(bundle.folder, tmp_path / "fixed")
    graph = onnx.load_from_string(bundle.read("model.onnx"))
    for axis, length in ((2, 4), (3, 8)):
        graph.graph.output[1].type.tensor_type.shape.dim[axis].dim_value = length
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    files = {**bundle.manifest.files, "model.onnx": seal_file(folder / "model.onnx")}
    fixed = Bundle(folder, replace(bundle.manifest, files=files))
    model = write_triton_repository(fixed, tmp_path / "models")
    config = parse((model.folder / "config.pbtxt").read_text())
    ports = [p.name for p in (*graph.graph.input, *graph.graph.output)]
    assert [p.name for p in (*config.input, *config.output)] == ports
    assert list(config.output[1].dims) == [3, 4, 8]


def test_openvino_runs_the_chosen_variant(bundle: Bundle, tmp_path: Path) -> None:
    model = write_triton_repository(bundle, tmp_path, backend="openvino", name="quick")
    config = parse((model.folder / "config.pbtxt").read_text())
    assert (config.backend, model.variant) == ("openvino", "int8")
    assert [(g.kind, g.count) for g in config.instance_group] == [(2, 1)]
    assert (model.folder / "1" / "model.xml").read_bytes() == bundle.read("int8.xml")
    assert (model.folder / "1" / "model.bin").read_bytes() == bundle.read("int8.bin")
    bf16 = Bundle(bundle.folder, replace(bundle.manifest, chosen="bf16"))
    model = write_triton_repository(bf16, tmp_path, backend="openvino", name="half")
    config = parse((model.folder / "config.pbtxt").read_text())
    assert {e.key: e.value.string_value for e in config.parameters}["HINT_BF16"] == "YES"


def test_fp32_is_not_left_to_an_engine_that_may_take_bf16(bundle: Bundle, tmp_path: Path) -> None:
    fp32 = Bundle(bundle.folder, replace(bundle.manifest, chosen="fp32"))
    with pytest.raises(BundleError, match="cannot be held to: take the backend onnxruntime"):
        write_triton_repository(fp32, tmp_path / "models", backend="openvino")
    assert not (tmp_path / "models").exists()


def test_a_model_that_is_there_stays(bundle: Bundle, tmp_path: Path) -> None:
    write_triton_repository(bundle, tmp_path)
    with pytest.raises(BundleError, match="exists: name another model"):
        write_triton_repository(bundle, tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "a b", "a\n"])
def test_a_name_that_is_a_path_is_refused(bundle: Bundle, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a model"):
        write_triton_repository(bundle, tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "made"),
    [("Mühle 3", "m-hle-3"), ("../..", "stripsight"), ("x" * 99, "x" * 63), ("-a-", "a")],
)
def test_any_name_becomes_one_that_is_taken_everywhere(name: str, made: str) -> None:
    assert make_model_name(name) == made


def test_a_full_disk_leaves_no_half_model(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space") as error:
        write_triton_repository(bundle, tmp_path / "models")
    assert error.value.filename == str(tmp_path / "models" / "mill-3-line-b")
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_in_the_repository_is_no_model(bundle: Bundle, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    left = name_own_temporary(tmp_path / "another", int(ended.stdout))
    (left / "1").mkdir(parents=True)
    write_triton_repository(bundle, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mill-3-line-b"]


def test_an_inference_service_is_yaml_that_names_the_bundle(bundle: Bundle) -> None:
    service = yaml.safe_load(build_kserve_manifest(bundle, "s3://mill/models"))
    assert (service["apiVersion"], service["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    assert service["metadata"]["name"] == "mill-3-line-b"
    assert service["metadata"]["annotations"] == {"stripsight/bundle-id": bundle.manifest.bundle_id}
    model = service["spec"]["predictor"]["model"]
    assert model["storageUri"] == "s3://mill/models"
    assert (model["modelFormat"], model["protocolVersion"]) == ({"name": "triton"}, "v2")


@pytest.mark.parametrize(
    "uri", ["models", "file:///etc", "s3://a b", 's3://x"\nkind: Pod', "javascript://x"]
)
def test_what_is_no_storage_is_refused(bundle: Bundle, uri: str) -> None:
    with pytest.raises(UsageError, match="is no storage URI"):
        build_kserve_manifest(bundle, uri)


def test_a_name_that_begins_with_a_number_is_given_a_letter(bundle: Bundle) -> None:
    named = Bundle(bundle.folder, replace(bundle.manifest, name="3rd line"))
    service = yaml.safe_load(build_kserve_manifest(named))
    assert service["metadata"]["name"] == "m-3rd-line"


def test_the_service_is_called_after_the_model(bundle: Bundle, tmp_path: Path) -> None:
    service = tmp_path / "service.yaml"
    words = ["bundle", "triton", str(bundle.folder), str(tmp_path / "models"), "--name", "Coil_7"]
    assert run_command([*words, "--kserve", str(service)]) == 0
    assert (tmp_path / "models" / "Coil_7").is_dir()
    assert yaml.safe_load(service.read_text())["metadata"]["name"] == "coil-7"


def test_the_command_writes_both(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository, service = tmp_path / "models", tmp_path / "service.yaml"
    words = ["bundle", "triton", str(bundle.folder), str(repository), "--kserve", str(service)]
    assert run_command(words) == 0
    assert "fp32 for Triton's onnxruntime backend" in capsys.readouterr().out
    assert yaml.safe_load(service.read_text())["kind"] == "InferenceService"
    assert json.loads((repository / "mill-3-line-b" / "1" / "manifest.json").read_text())


def test_the_command_writes_both_or_none(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bundle", "triton", str(bundle.folder), str(tmp_path / "models"), "--kserve"]
    assert run_command([*words, str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"stripsight: {tmp_path}: Is a directory\n"
    assert list(tmp_path.iterdir()) == []
    assert run_command([*words[:-1], "--storage", "s3://mill/models"]) == 2
    assert "give --kserve, too" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert run_command([*words, str(tmp_path / "new" / "k.yaml")]) == 0
    assert (tmp_path / "new" / "k.yaml").is_file()


def test_export_refuses_before_the_work_what_it_could_not_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no run: whatever is said of `--triton` or `--kserve` was said before one is read."""
    (tmp_path / "file").touch()
    (tmp_path / "models" / "b").mkdir(parents=True)
    words = ["export", "no-run", str(tmp_path / "b")]
    models = ["--triton", str(tmp_path / "models")]
    for options, code, line in (
        (["--kserve", "k.yaml"], 2, "give --triton DIR, too"),
        (models, 1, "exists: name another model"),
        (["--triton", str(tmp_path / "file")], 1, "Not a directory"),
        ([*models, "--name", "new", "--kserve", str(tmp_path)], 1, "Is a directory"),
    ):
        assert run_command([*words, *options]) == code
        assert line in capsys.readouterr().err
