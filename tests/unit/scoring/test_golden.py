"""An engine that says something else than where it was exported is found out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.bundle.folder import Bundle, open_bundle
from stripsight.bundle.manifest import GoldenImage
from stripsight.decision.calibration import ClassCalibration, compute_sigmoid
from stripsight.decision.policy import ClassPolicy, Policy, decide
from stripsight.errors import BundleError
from stripsight.scoring.engine import EngineSettings, load_engine
from stripsight.scoring.golden import check_golden


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("golden") / "bundle"
    return open_bundle(make_bundle(folder, golden=5, image_sizes=[(32, 64), (64, 128)]))


def shift(bundle: Bundle, number: int, variant: str, by: float) -> Bundle:
    """The same bundle with another expectation of one image."""
    golden = list(bundle.manifest.golden)
    logits = dict(golden[number].logits)
    first, *others = logits[variant]
    logits[variant] = (first + by, *others)
    golden[number] = GoldenImage(golden[number].file, logits)
    return Bundle(bundle.folder, replace(bundle.manifest, golden=tuple(golden)))


@pytest.mark.parametrize(
    "settings",
    [
        EngineSettings(),
        EngineSettings(variant="int8", batch=2, streams=1),
        EngineSettings(variant="fp32", engine="onnxruntime"),
        EngineSettings(variant="int8", engine="onnxruntime", allow_fallback=True),
    ],
    ids=["chosen", "int8 by twos", "ONNX Runtime", "fallback"],
)
def test_every_way_to_run_passes(bundle: Bundle, settings: EngineSettings) -> None:
    done = check_golden(bundle, load_engine(bundle, settings))
    assert done.images == done.stored == 5
    assert done.largest_difference < 1e-5
    assert done.changed_verdicts == 0
    assert "5 of 5 golden images" in done.describe()


def test_bf16_passes_where_it_runs(bundle: Bundle) -> None:
    settings = EngineSettings(variant="bf16", allow_fallback=True)
    assert check_golden(bundle, load_engine(bundle, settings)).largest_difference < 0.01


@pytest.mark.parametrize("number", range(5))
def test_one_answer_that_is_off_is_named(bundle: Bundle, number: int) -> None:
    changed = shift(bundle, number, "fp32", -2.0)
    with pytest.raises(BundleError, match=rf"scratch on golden/0{number}\.png, and .* expected"):
        check_golden(changed, load_engine(changed))


def test_each_variant_is_held_against_its_own_answers(bundle: Bundle) -> None:
    changed = shift(bundle, 2, "int8", 1.0)
    check_golden(changed, load_engine(changed))
    with pytest.raises(BundleError, match="int8 by openvino"):
        check_golden(changed, load_engine(changed, EngineSettings(variant="int8")))


def test_within_the_tolerance_a_verdict_may_change_and_is_counted(bundle: Bundle) -> None:
    near = bundle.manifest.golden[1].logits["fp32"][0]
    calibrated = bundle.manifest.decisions.calibration.apply(np.array([[near, 0.0, 0.0]]))[0, 0]
    thresholds = (ClassPolicy.at(calibrated + 1e-3), *[ClassPolicy.at(1.0)] * 2)
    decisions = replace(bundle.manifest.decisions, policy=Policy("max_f1", {}, thresholds))
    at_edge = Bundle(bundle.folder, replace(bundle.manifest, decisions=decisions))
    expected_above = shift(at_edge, 1, "fp32", 0.02)
    done = check_golden(expected_above, load_engine(expected_above))
    assert done.changed_verdicts == 1
    assert 0 < done.largest_difference < done.tolerance


@pytest.mark.parametrize("bias", [float("inf"), float("nan")], ids=str)
def test_a_score_that_is_no_number_never_passes(
    make_bundle: Callable[..., Path], tmp_path: Path, bundle: Bundle, bias: float
) -> None:
    broken = open_bundle(make_bundle(tmp_path / "bundle", golden=0, bias=bias))
    expecting = replace(
        broken.manifest,
        golden=(
            GoldenImage("MODEL_CARD.md", {v.name: (0.0,) * 3 for v in broken.manifest.variants}),
        ),
    )
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md: .*export the bundle again"):
        check_golden(Bundle(broken.folder, expecting), load_engine(broken))
    # The engine of the broken graph, held against the sound bundle's images.
    with pytest.raises(BundleError, match="gives a score that is no number"):
        check_golden(bundle, load_engine(broken))


def test_quick_takes_the_fewest_images_that_show_every_decision(bundle: Bundle) -> None:
    logits = np.array([image.logits["fp32"] for image in bundle.manifest.golden])
    calibrated = bundle.manifest.decisions.calibration.apply(logits)
    codes = decide(bundle.manifest.decisions.policy, calibrated)
    done = check_golden(bundle, load_engine(bundle), quick=True)
    # Golden image 0 is called clean in all classes, 2 defective in all: found by looking.
    assert (codes[0] == 0).all()
    assert (codes[2] == 2).all()
    assert (done.images, done.stored) == (2, 5)


def test_a_bundle_without_golden_images_is_refused(bundle: Bundle) -> None:
    bare = Bundle(bundle.folder, replace(bundle.manifest, golden=()))
    with pytest.raises(BundleError, match="holds no golden images"):
        check_golden(bare, load_engine(bare))


def test_a_golden_image_of_another_size_is_refused(bundle: Bundle) -> None:
    contract = replace(bundle.manifest.input, image_sizes=((32, 64),))
    narrow = Bundle(bundle.folder, replace(bundle.manifest, input=contract))
    with pytest.raises(BundleError, match=r"01\.png is 128x64 pixels, which the bundle does not"):
        check_golden(narrow, load_engine(narrow))


@given(
    expected=st.floats(-6, 6),
    off=st.floats(-0.1, 0.1),
    curve=st.sampled_from(
        [
            ClassCalibration(),
            ClassCalibration("platt", (3.0, -1.0)),
            ClassCalibration("isotonic", (-1.0, 0.5, 0.500001, 0.1, 0.2, 0.9)),
        ]
    ),
    threshold=st.floats(0, 1),
)
def test_a_decision_within_the_tolerance_differs_only_at_a_threshold(
    expected: float, off: float, curve: ClassCalibration, threshold: float
) -> None:
    """What the module's head claims, whatever the calibration."""
    probability = compute_sigmoid(np.array(expected))
    moved = np.clip(probability + off, 1e-9, 1 - 1e-9)
    found = np.log(moved / (1 - moved))
    calibrated = curve.apply(np.array([expected, found]))
    policy = Policy("x", {}, (ClassPolicy.at(threshold),))
    before, after = decide(policy, calibrated[:, None])[:, 0]
    if before != after:
        low, high = sorted(calibrated)
        assert low <= threshold <= high
        assert abs(moved - probability) <= abs(off) + 1e-12
