"""The lines of docs/onnx.md, as they stand there, give what the engine and the rule give."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripsight.bundle.folder import Bundle, open_bundle, write_manifest
from stripsight.decision.calibration import Calibration, ClassCalibration
from stripsight.decision.document import apply_decisions
from stripsight.decision.policy import ClassPolicy, judge_images
from stripsight.imaging import read_grey, resize_grey
from stripsight.scoring.engine import EngineSettings, load_engine

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
CURVES = {
    "none": ClassCalibration(),
    "temperature": ClassCalibration("temperature", (1.7,)),
    "platt": ClassCalibration("platt", (0.8, -0.3)),
    "isotonic": ClassCalibration("isotonic", (-2.0, 0.5, 2.0, 0.1, 0.4, 0.9)),
}


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Every kind of calibration, a review band, and a class without thresholds."""
    folder = tmp_path_factory.mktemp("page") / "bundle"
    names = (*CURVES, "undecided")
    opened = open_bundle(
        make_bundle(folder, classes=names, golden=6, image_sizes=[(32, 64), (64, 128)])
    )
    decisions = opened.manifest.decisions
    limits = [ClassPolicy(0.3, 0.6)] * 4 + [ClassPolicy(None, None)]
    other = replace(
        decisions,
        calibration=Calibration((*CURVES.values(), ClassCalibration())),
        policy=replace(decisions.policy, classes=tuple(limits)),
    )
    write_manifest(opened.manifest.with_decisions(other), folder)
    return open_bundle(folder)


def run_block(block: str, bundle: Bundle, image: Path, where: Path) -> dict[str, Any]:
    """In a folder that holds `bundle` and `strip.png`, as the page says."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    (where / "bundle").symlink_to(bundle.folder)
    shutil.copy(image, where / "strip.png")
    names: dict[str, Any] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    return names


def test_the_page_has_two_ways() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("block", BLOCKS, ids=["numpy", "stripsight"])
def test_both_ways_say_what_the_engine_says(
    bundle: Bundle,
    block: str,
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    image = bundle.folder / bundle.manifest.golden[number].file
    names = run_block(block, bundle, image, tmp_path)
    engine = load_engine(bundle, EngineSettings(threads=1))
    output = engine.predict(resize_grey(read_grey(image), (32, 64))[None, None])
    decisions = bundle.manifest.decisions
    np.testing.assert_allclose(names["logits"], output.logits, atol=1e-5)
    np.testing.assert_allclose(names["class_maps"], output.class_maps, atol=1e-4)
    expected = decisions.calibration.apply(output.logits)[0]
    np.testing.assert_allclose(names["probabilities"], expected, atol=1e-5)
    codes = apply_decisions(decisions, output.logits)
    assert names["verdict"] == ("clean", "review", "defect")[judge_images(codes)[0]]
    if "decisions" in names:
        words = {-1: "undecided", 0: "clean", 1: "review", 2: "defect"}
        assert names["decisions"] == [words[code] for code in codes[0].tolist()]


def test_the_images_show_every_verdict(bundle: Bundle) -> None:
    """Or the test above could not fail where it matters."""
    logits = np.array([image.logits["fp32"] for image in bundle.manifest.golden])
    codes = apply_decisions(bundle.manifest.decisions, logits)
    assert set(judge_images(codes).tolist()) == {0, 1, 2}


@pytest.mark.parametrize("block", BLOCKS, ids=["numpy", "stripsight"])
def test_a_broken_score_is_for_review_both_ways(
    make_bundle: Callable[..., Path],
    block: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bundle: Bundle,
) -> None:
    broken = open_bundle(make_bundle(tmp_path / "broken", golden=0, bias=float("nan")))
    where = tmp_path / "where"
    where.mkdir()
    monkeypatch.chdir(where)
    image = bundle.folder / "golden" / "00.png"
    assert run_block(block, broken, image, where)["verdict"] == "review"
