"""What was asked for runs, says so, and answers as the graph itself says it must."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from stripsight.bundle.folder import Bundle, open_bundle, seal_file
from stripsight.decision.document import apply_decisions
from stripsight.decision.policy import REVIEW, judge_images
from stripsight.errors import BundleError, EngineError
from stripsight.scoring import openvino_backend
from stripsight.scoring.engine import EngineSettings, load_engine


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(make_bundle(tmp_path_factory.mktemp("engine") / "bundle"))


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(3).integers(0, 256, (4, 1, 32, 64), dtype=np.uint8)


SETTINGS = {
    "OpenVINO": EngineSettings(variant="fp32"),
    "OpenVINO by twos": EngineSettings(variant="fp32", batch=2),
    "OpenVINO on one thread": EngineSettings(variant="fp32", threads=1),
    "int8": EngineSettings(variant="int8"),
    "ONNX Runtime": EngineSettings(variant="fp32", engine="onnxruntime"),
    "ONNX Runtime by fours": EngineSettings(variant="fp32", engine="onnxruntime", batch=4),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_answers_are_those_of_the_graph(
    bundle: Bundle, images: Any, settings: EngineSettings
) -> None:
    """Against the ONNX project's own evaluator, in numpy."""
    reference = ReferenceEvaluator(onnx.load_from_string(bundle.read("model.onnx")))
    expected = reference.run(["logits", "class_maps"], {"images": images})
    output = load_engine(bundle, settings).predict(images)
    tolerance = 0.2 if settings.variant == "int8" else 1e-4
    for given, right in zip(output, expected, strict=True):
        assert given.dtype == np.float32
        assert given.shape == right.shape
        np.testing.assert_allclose(given, right, atol=tolerance)


def test_batches_come_back_in_order_with_their_keys(bundle: Bundle) -> None:
    engine = load_engine(bundle, EngineSettings(threads=1))
    images = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 32, 64), np.uint8)
    single = [engine.predict(image[None]).logits[0] for image in images]
    results = list(engine.predict_each((n, image[None]) for n, image in enumerate(images)))
    assert [key for key, _ in results] == list(range(20))
    for number, (_, output) in enumerate(results):
        np.testing.assert_array_equal(output.logits[0], single[number])


def test_no_more_batches_are_taken_than_are_worked_on(bundle: Bundle) -> None:
    engine = load_engine(bundle, EngineSettings(threads=1))
    taken = []

    def endless() -> Iterator[tuple[int, Any]]:
        while True:
            taken.append(len(taken))
            yield taken[-1], np.zeros((1, 1, 32, 64), np.uint8)

    for key, _ in engine.predict_each(endless()):
        assert len(taken) <= key + engine.info.streams + 1
        if key == 5:
            break


def test_an_engine_runs_on_after_a_stop_half_way(bundle: Bundle, images: Any) -> None:
    engine = load_engine(bundle, EngineSettings(threads=1))
    expected = engine.predict(images).logits

    def spoilt() -> Iterator[tuple[int, Any]]:
        yield 0, images[:1]
        raise RuntimeError("the camera is gone")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="camera"):
            list(engine.predict_each(spoilt()))
        with pytest.raises(ValueError, match="is expected"):
            list(engine.predict_each([(0, images[:1]), (1, images[:1, :, :5])]))
        for _ in engine.predict_each((n, images[:1]) for n in range(9)):
            break
    np.testing.assert_array_equal(engine.predict(images).logits, expected)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 1, 32, 65), np.uint8),
        np.zeros((1, 3, 32, 64), np.uint8),
        np.zeros((1, 32, 64), np.uint8),
        np.zeros((1, 1, 32, 64), np.float32),
        np.zeros((0, 1, 32, 64), np.uint8),
    ],
    ids=lambda images: f"{images.dtype} {images.shape}",
)
def test_other_images_are_refused(bundle: Bundle, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"is expected|0 images"):
        load_engine(bundle, EngineSettings(threads=1)).predict(wrong)


def test_images_that_fill_no_batch_are_refused(bundle: Bundle, images: Any) -> None:
    with pytest.raises(ValueError, match="3 images for an engine of batches of 2"):
        load_engine(bundle, EngineSettings(batch=2)).predict(images[:3])


def test_what_runs_is_stated(bundle: Bundle) -> None:
    info = load_engine(bundle, EngineSettings(variant="int8", threads=1)).info
    assert (info.engine, info.variant, info.precision) == ("openvino", "int8", "int8")
    assert (info.threads, info.streams, info.batch, info.fallback_from) == (1, 1, 1, None)
    assert info.describe().startswith("int8 by OpenVINO 20")
    assert "1 thread in 1 stream" in info.describe()


def test_an_unknown_variant_names_those_there_are(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no variant 'int4'; it has fp32, bf16, int8"):
        load_engine(bundle, EngineSettings(variant="int4"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (EngineSettings(threads=0), "--threads 0"),
        (EngineSettings(threads=10_000), "--threads 10000: this machine has"),
        (EngineSettings(threads=1, streams=2), "--streams 2: each stream needs a thread"),
        (EngineSettings(batch=0), "a batch of 0 images"),
        (EngineSettings(engine="onnxruntime", streams=2, threads=2), "runs one stream"),
    ],
)
def test_what_the_machine_cannot_run_is_no_case_for_a_fallback(
    bundle: Bundle, settings: EngineSettings, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripsight.scoring.threads.count_cores", lambda: 4)
    for allowed in (False, True):
        with pytest.raises(EngineError, match=message) as caught:
            load_engine(bundle, replace(settings, allow_fallback=allowed))
        assert "fallback" not in str(caught.value)


class TestWithoutBf16:
    """A processor that has it not, which OpenVINO would pass over without a word."""

    @pytest.fixture(autouse=True)
    def hide(self, monkeypatch: pytest.MonkeyPatch) -> None:
        check = openvino_backend._check_precision
        monkeypatch.setattr(
            openvino_backend,
            "_check_precision",
            lambda variant, capabilities: check(
                variant, [name for name in capabilities if name != "BF16"]
            ),
        )

    def test_it_is_refused(self, bundle: Bundle) -> None:
        with pytest.raises(EngineError, match=r"computes bf16 in no hardware.*--allow-fallback"):
            load_engine(bundle, EngineSettings(variant="bf16", allow_fallback=False))

    def test_an_option_that_the_command_has_not_is_not_advised(self, bundle: Bundle) -> None:
        with pytest.raises(EngineError, match=r"choose another --variant$"):
            load_engine(bundle, EngineSettings(variant="bf16"))

    def test_a_fallback_says_what_runs_and_why(self, bundle: Bundle) -> None:
        info = load_engine(bundle, EngineSettings(variant="bf16", allow_fallback=True)).info
        assert (info.variant, info.precision) == ("fp32", "fp32")
        assert info.fallback_from == "bf16 by openvino"
        assert "fallback from bf16 by openvino: this CPU computes bf16 in no" in info.describe()


class TestWithoutOpenVino:
    @pytest.fixture(autouse=True)
    def hide(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)

    def test_it_is_refused(self, bundle: Bundle) -> None:
        with pytest.raises(
            EngineError, match=r"openvino is not installed: pip .*; --allow-fallback would try fp32"
        ):
            load_engine(bundle, EngineSettings(allow_fallback=False))

    @pytest.mark.parametrize("variant", ["fp32", "int8"])
    def test_the_other_engine_takes_over_where_allowed(
        self, bundle: Bundle, images: Any, variant: str
    ) -> None:
        engine = load_engine(bundle, EngineSettings(variant=variant, allow_fallback=True))
        assert (engine.info.engine, engine.info.variant) == ("onnxruntime", "fp32")
        assert engine.info.fallback_from == f"{variant} by openvino"
        assert engine.predict(images).logits.shape == (4, 3)

    def test_where_nothing_is_left_both_reasons_are_given(
        self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(
            EngineError, match=r"nothing to fall back on: openvino is not .*; onnxruntime is not"
        ):
            load_engine(bundle, EngineSettings(allow_fallback=True))


def test_onnx_runtime_has_fp32_only(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"not int8: choose --variant fp32.*--allow-fallback"):
        load_engine(
            bundle, EngineSettings(variant="int8", engine="onnxruntime", allow_fallback=False)
        )


def reseal(bundle: Bundle, file: str, data: bytes, **changes: Any) -> Bundle:
    """The bundle with another file that is in its manifest as if it were right."""
    (bundle.folder / file).write_bytes(data)
    files = {**bundle.manifest.files, file: seal_file(bundle.folder / file)}
    return Bundle(bundle.folder, replace(bundle.manifest, files=files, **changes))


def rename_output(graph: bytes) -> bytes:
    return graph.replace(b"class_maps", b"attentions")


def take_away_weights(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    del model.graph.initializer[:]
    return model.SerializeToString()


def take_floats(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return model.SerializeToString()


def fix_width(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 128
    return model.SerializeToString()


def add_output(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    model.graph.output.append(onnx.helper.make_tensor_value_info("features", 1, None))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_output, "gives logits float32 .*; attentions float32"),
        (take_floats, "takes images float32"),
        (fix_width, r"takes images uint8 \[\?, 1, \?, 128\], and its manifest says"),
        (add_output, "gives logits .*; features"),
        (take_away_weights, "ONNX Runtime cannot run model.onnx"),
        (lambda _: b"nothing", "is no ONNX graph"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_onnx_graph_of_another_form_is_refused_before_the_first_image(
    make_bundle: Callable[..., Path], tmp_path: Path, change: Any, message: str
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", golden=0))
    changed = reseal(bundle, "model.onnx", change(bundle.read("model.onnx")))
    with pytest.raises(BundleError, match=message) as caught:
        load_engine(changed, EngineSettings(engine="onnxruntime"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda xml: xml.replace(b"class_maps", b"attentions"), "gives logits .*; attentions"),
        (lambda xml: b"<net/>", "OpenVINO cannot run fp32.xml: Unable to read the model"),
        (lambda xml: xml[: len(xml) // 2], r"cannot run fp32.xml: Start-end.*: export the bundle"),
        (lambda xml: xml.replace(b"fp32.bin", b"../x.bin"), None),
        (lambda xml: xml.replace(b'element_type="u8"', b'element_type="f32"'), "takes images "),
    ],
    ids=["other names", "an empty net", "half", "a path in it", "floats in"],
)
def test_an_openvino_graph_of_another_form_is_refused_before_the_first_image(
    make_bundle: Callable[..., Path], tmp_path: Path, change: Any, message: str | None
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", golden=0))
    changed = reseal(bundle, "fp32.xml", change(bundle.read("fp32.xml")))
    if message is None:
        load_engine(changed)  # what it names is not looked at: weights come as bytes
        return
    with pytest.raises(BundleError, match=message) as caught:
        load_engine(changed)
    assert "\n" not in str(caught.value)
    assert ".cpp" not in str(caught.value)


def test_weights_that_end_too_soon_are_refused(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", golden=0))
    changed = reseal(bundle, "fp32.bin", bundle.read("fp32.bin")[:100])
    with pytest.raises(BundleError, match=r"OpenVINO cannot run fp32\.xml"):
        load_engine(changed)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_graph_of_other_classes_is_refused_before_the_first_image(
    make_bundle: Callable[..., Path], tmp_path: Path, engine: Any
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "three", golden=0))
    other = open_bundle(make_bundle(tmp_path / "two", golden=0, classes=["a", "b"]))
    mixed = bundle
    for file in ("fp32.xml", "fp32.bin", "model.onnx"):
        mixed = reseal(mixed, file, other.read(file))
    with pytest.raises(BundleError, match=r"gives logits float32 \[\?, 2\].*\[1, 3\]"):
        load_engine(mixed, EngineSettings(engine=engine))


def test_a_graph_that_is_not_what_it_is_called_is_refused(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", golden=0))
    plain = bundle
    for suffix in ("xml", "bin"):
        plain = reseal(plain, f"int8.{suffix}", plain.read(f"fp32.{suffix}"))
    with pytest.raises(BundleError, match=r"int8\.xml is not quantised"):
        load_engine(plain, EngineSettings(variant="int8"))


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("bias", [float("inf"), float("nan")], ids=str)
def test_scores_that_are_no_numbers_end_in_review(
    make_bundle: Callable[..., Path], tmp_path: Path, images: Any, engine: Any, bias: float
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", golden=0, bias=bias))
    output = load_engine(bundle, EngineSettings(engine=engine)).predict(images)
    assert not np.isfinite(output.logits).any()
    codes = apply_decisions(bundle.manifest.decisions, output.logits)
    assert (judge_images(codes) == REVIEW).all()


def test_a_file_that_changes_between_opening_and_loading_is_not_run(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle", golden=0))
    data = bytearray((bundle.folder / "fp32.bin").read_bytes())
    data[7] ^= 1
    (bundle.folder / "fp32.bin").write_bytes(data)
    with pytest.raises(BundleError, match="is not the file that its manifest names"):
        load_engine(bundle)


def test_threads_are_tied_to_cores_only_where_all_cores_are_theirs(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stripsight.scoring import openvino_backend

    real, tied = openvino_backend.OpenVinoBackend, []

    def note(compiled: Any, info: Any) -> Any:
        tied.append(compiled.get_property("ENABLE_CPU_PINNING"))
        return real(compiled, info)

    monkeypatch.setattr(openvino_backend, "OpenVinoBackend", note)
    for cores in (1, 2):
        monkeypatch.setattr(openvino_backend, "count_bound_cores", lambda cores=cores: cores)
        load_engine(bundle, EngineSettings(threads=1))
    assert tied == [True, False]
