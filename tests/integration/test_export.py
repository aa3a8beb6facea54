"""`export`: what the bundle says is what the networks say; what is refused; what a kill leaves."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from stripsight.bundle.folder import Bundle, open_bundle
from stripsight.bundle.gate import LARGEST_DISTANCE, regate
from stripsight.bundle.validation import read_validation
from stripsight.cli.app import run_command
from stripsight.data.dataset import SeverstalFullImageDataset
from stripsight.decision.document import apply_decisions, load_decisions, to_record
from stripsight.decision.places import compute_heatmap
from stripsight.errors import BundleError, ModelError
from stripsight.evaluation.predictions import load_predictions
from stripsight.export.quantise import RECIPES
from stripsight.imaging import read_grey
from stripsight.scoring.engine import EngineSettings, load_engine
from stripsight.training.trained_network import load_network

NAMES = ("bar", "blob")
SIZE = (64, 96)


@pytest.fixture(scope="module")
def judged(
    judged_run: Path, tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Two judged runs that differ in their seed."""
    folder = tmp_path_factory.mktemp("judged")
    first, second = folder / "first", folder / "second"
    shutil.copytree(judged_run, first)
    assert run_command(["train", *tiny_overrides, "training.seed=1", "--run", str(second)]) == 0
    assert run_command(["evaluate", str(second), "--allow-collapse"]) == 0
    return first, second


@pytest.fixture(scope="module")
def exported(judged: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    assert run_command(["export", str(judged[0]), str(folder), "--calibration-images", "8"]) == 0
    return open_bundle(folder)


@pytest.fixture
def run(judged: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged[0], tmp_path / "run"))


def read_test_images(dataset: Path) -> np.ndarray:
    images = SeverstalFullImageDataset(dataset, split="test", split_name="holdout")
    return np.stack([images[row]["image"].numpy() for row in range(len(images))])


def export(*words: object) -> int:
    return run_command(["export", *map(str, words), "--variants", "fp32"])


def test_fp32_says_what_pytorch_says(
    exported: Bundle, judged: tuple[Path, Path], tiny_dataset: Path
) -> None:
    network, _ = load_network(judged[0] / "checkpoints" / "best.ckpt")
    images = read_test_images(tiny_dataset)
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(images))
    for settings in (
        EngineSettings(variant="fp32"),
        EngineSettings(variant="fp32", engine="onnxruntime"),
        EngineSettings(variant="fp32", batch=3),
    ):
        found = load_engine(exported, settings).predict(images[:9])
        np.testing.assert_allclose(found.logits, expected.logits[:9], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.class_maps, expected.class_maps[:9], rtol=0, atol=1e-4)


def test_the_manifest_says_where_it_comes_from(exported: Bundle, judged: tuple[Path, Path]) -> None:
    manifest, run = exported.manifest, judged[0]
    record = json.loads((run / "provenance.json").read_text())
    assert manifest.classes.names == NAMES
    assert (manifest.input.height, manifest.input.width) == SIZE
    assert manifest.input.image_sizes == (SIZE,)
    assert to_record(manifest.decisions) == to_record(load_decisions(run / "decisions.json", NAMES))
    (origin,) = manifest.provenance["runs"]
    assert origin["run_id"] == record["run_id"]
    assert origin["checkpoint"] == manifest.decisions.fitted_on.checkpoint
    assert manifest.provenance["data_set"]["content_hash"] == record["data_set"]["content_hash"]
    assert manifest.provenance["export"]["calibration"]["images"] == 8
    assert str(run.parent) not in (exported.folder / "manifest.json").read_text()
    title, _, rest = (run / "MODEL_CARD.md").read_text().partition("\n")
    card = exported.read("MODEL_CARD.md").decode()
    assert card.startswith(f"{title}\n\n*At the thresholds of the export. ")
    assert card.endswith(f"\n{rest}")


def test_every_variant_was_judged_and_timed(exported: Bundle, judged: tuple[Path, Path]) -> None:
    stored = read_validation(exported)
    predictions = load_predictions(judged[0] / "predictions_validation.parquet")
    np.testing.assert_array_equal(stored.reference, predictions.logits)
    np.testing.assert_array_equal(stored.labels, predictions.labels)
    names = [variant.name for variant in exported.manifest.variants]
    assert names[0] == "fp32"
    assert "int8" in names
    for variant in exported.manifest.variants:
        assert variant.gate["images"] == len(predictions.ids)
        assert [row["name"] for row in variant.gate["classes"]] == list(NAMES)
        assert variant.speed["latency_ms"] > 0
    assert exported.manifest.find_variant(exported.manifest.chosen).passed
    assert exported.manifest.why_chosen.startswith(f"{exported.manifest.chosen} is the")


def test_box_levels_are_fitted_on_validation(exported: Bundle, tiny_dataset: Path) -> None:
    images = SeverstalFullImageDataset(
        tiny_dataset, split="validation", split_name="holdout", masks=True
    )
    engine = load_engine(exported, EngineSettings(variant="fp32"))
    for column, level in enumerate(exported.manifest.box_levels):
        assert level is not None
        drawn = []
        for row in np.flatnonzero(images.labels[:, column]).tolist():
            sample = images[row]
            said = engine.predict(sample["image"].numpy()[None])
            heat = compute_heatmap(said.class_maps[0, column], SIZE)
            drawn.append((sample["mask"][column].numpy().ravel(), heat.ravel()))

        def compute_dice(at: float, drawn: list[tuple[np.ndarray, np.ndarray]] = drawn) -> float:
            return float(np.mean([f1_score(m, h >= at) for m, h in drawn]))

        others = max(compute_dice(at) for at in np.linspace(0.01, 0.99, 99))
        assert compute_dice(level) >= others - 0.01


def test_the_gate_comes_to_the_same_from_the_bundle_alone(exported: Bundle) -> None:
    manifest = regate(exported, exported.manifest.decisions)
    assert manifest.variants == exported.manifest.variants
    assert manifest.chosen == exported.manifest.chosen


def test_golden_images_show_every_class_and_give_their_scores(exported: Bundle) -> None:
    manifest = exported.manifest
    images = np.stack([read_grey(exported.folder / g.file) for g in manifest.golden])[:, None]
    assert len(images) == 8
    for variant in manifest.variants:
        logits = load_engine(exported, EngineSettings(variant=variant.name)).predict(images).logits
        expected = np.array([g.logits[variant.name] for g in manifest.golden])
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_an_ensemble_gives_the_mean(
    judged: tuple[Path, Path],
    tiny_dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "ensemble"
    assert export(*judged, folder) == 0
    assert "nobody has judged the ensemble on test" in capsys.readouterr().out
    bundle = open_bundle(folder)
    images = read_test_images(tiny_dataset)
    with torch.inference_mode():
        said = [
            load_network(run / "checkpoints" / "best.ckpt")[0].eval()(torch.from_numpy(images))
            for run in judged
        ]
    found = load_engine(bundle).predict(images)
    mean = (said[0].logits + said[1].logits) / 2
    np.testing.assert_allclose(found.logits, mean, rtol=0, atol=1e-4)
    maps = (said[0].class_maps + said[1].class_maps) / 2
    np.testing.assert_allclose(found.class_maps, maps, rtol=0, atol=1e-4)
    assert [origin["name"] for origin in bundle.manifest.provenance["runs"]] == ["first", "second"]
    own = [load_decisions(run / "decisions.json", NAMES) for run in judged]
    checkpoints = {decisions.fitted_on.checkpoint for decisions in own}
    assert bundle.manifest.decisions.fitted_on.checkpoint not in checkpoints
    # Fitted on the mean: its own validation scores are decided by it without an undecided class.
    reference = read_validation(bundle).reference
    assert (apply_decisions(bundle.manifest.decisions, reference) >= 0).all()
    card = (folder / "MODEL_CARD.md").read_text()
    assert card.startswith("# Model card: ensemble of 2 runs")
    assert card.count("## Intended use") == 2


def test_what_quantises_badly_is_not_chosen(
    tiny_overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(LARGEST_DISTANCE, "int8", 1e-6)  # finer than eight bits are
    run, folder = tmp_path / "run", tmp_path / "bundle"
    words = ["training.num_epochs=1", "training.learning_rate=0.00001", "training.seed=3"]
    assert run_command(["train", *tiny_overrides, *words, "--run", str(run)]) == 0
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    capsys.readouterr()
    assert run_command(["export", str(run), str(folder), "--calibration-images", "2"]) == 0
    printed = capsys.readouterr().out
    manifest = open_bundle(folder).manifest
    int8 = manifest.find_variant("int8")
    assert not int8.passed
    assert int8.gate["reasons"]
    assert manifest.chosen != "int8"
    assert "int8 does not pass: " in manifest.why_chosen
    assert "not passed" in printed
    tried = manifest.provenance["export"]["calibration"]["tried_before"]
    assert len(tried) == len(RECIPES) - 1


def test_a_recipe_that_cannot_be_made_is_left_out(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ModelError("it needs more memory than 1.0 GiB")

    monkeypatch.setitem(LARGEST_DISTANCE, "int8", 1e-6)  # so that every recipe is tried
    monkeypatch.setattr("stripsight.export.run.quantise_apart", fail)
    folder = tmp_path / "bundle"
    words = ["export", str(run), str(folder), "--calibration-images", "4", "--variants", "int8"]
    assert run_command(words) == 0
    made = open_bundle(folder).manifest.provenance["export"]["calibration"]
    assert "SmoothQuant" in made["recipe"]
    assert made["tried_before"][1].endswith("layer after layer: it needs more memory than 1.0 GiB")


def test_force_alone_replaces_a_bundle(
    run: Path, exported: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(exported.folder, tmp_path / "bundle"))
    assert export(run, folder) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert open_bundle(folder).manifest == exported.manifest
    assert export(run, folder, "--force", "--name", "line 3", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    bundle = open_bundle(folder)
    assert printed["bundle_id"] == bundle.manifest.bundle_id != exported.manifest.bundle_id
    assert bundle.manifest.name == printed["name"] == "line 3"
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("predictions", "has no predictions_validation.parquet: run `stripsight evaluate"),
        ("card", "was not judged on test (no MODEL_CARD.md)"),
        ("decided", "MODEL_CARD.md is of another decision rule than decisions.json"),
        ("checkpoint", "made with another checkpoint than the run has now"),
        ("decisions", "decisions.json was fitted on another checkpoint"),
        ("image", "does not compute what the network does"),
    ],
)
def test_runs_that_are_not_judged_as_they_stand_are_refused(
    run: Path, tiny_dataset: Path, fault: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if fault == "predictions":
        (run / "predictions_validation.parquet").unlink()
    elif fault == "card":
        (run / "MODEL_CARD.md").unlink()
    elif fault == "decided":
        assert run_command(["decide", str(run), "--policy", "review"]) == 0
    elif fault == "checkpoint":
        shutil.copy(run / "checkpoints" / "last.ckpt", run / "checkpoints" / "best.ckpt")
    elif fault == "decisions":
        record = json.loads((run / "decisions.json").read_text())
        record["fitted_on"]["checkpoint"] = "0" * 64
        (run / "decisions.json").write_text(json.dumps(record))
    else:
        copy = run.parent / "prepared"
        shutil.copytree(tiny_dataset, copy)
        manifest = json.loads((copy / "dataset.json").read_text())
        manifest["image_root"] = str(copy / "source")
        (copy / "dataset.json").write_text(json.dumps(manifest))
        config = (run / "config.yaml").read_text()
        (run / "config.yaml").write_text(config.replace(str(tiny_dataset), str(copy)))
        images = sorted((copy / "source").iterdir())
        for image in images[1:]:
            shutil.copy(images[0], image)
    capsys.readouterr()
    assert export(run, run.parent / "bundle") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("stripsight: ")
    assert line in error
    assert not (run.parent / "bundle").exists()
    assert not list(run.parent.glob(".*.partial"))


def test_runs_of_different_policies_are_no_ensemble(
    judged: tuple[Path, Path], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["decide", str(run), "--policy", "review"]) == 0
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert export(judged[1], run, tmp_path / "bundle") == 1
    assert "give all runs one policy" in capsys.readouterr().err
    assert export(judged[0], judged[0], tmp_path / "bundle") == 2


@pytest.mark.parametrize(
    "words",
    [["RUN"], ["RUN", "BUNDLE", "--variants", "fp64"], ["RUN", "B", "--calibration-images=0"]],
)
def test_wrong_usage_ends_with_2(words: list[str], run: Path, tmp_path: Path) -> None:
    known = {"RUN": str(run), "BUNDLE": str(tmp_path / "bundle")}
    assert run_command(["export", *(known.get(word, word) for word in words)]) == 2


def start_export(
    run: Path, folder: Path, limit: int | None = None, *options: str
) -> subprocess.Popen[bytes]:
    def set_limit() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = ["export", str(run), str(folder), "--variants", "fp32", *options]
    return subprocess.Popen(
        [sys.executable, "-c", "from stripsight.cli.app import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=set_limit,
    )


def test_a_killed_export_leaves_nothing_that_opens(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "line" / "bundle"
    process = start_export(run, folder)
    # Until the graph lies there: the work is then under way, and far from done.
    deadline = time.monotonic() + 120
    while not (graphs := list(folder.parent.glob(".*.partial/model.onnx"))):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not folder.exists()
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        open_bundle(graphs[0].parent)
    assert export(run, folder) == 0
    open_bundle(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_full_disk_leaves_the_old_bundle(run: Path, exported: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported.folder, tmp_path / "bundle"))
    process = start_export(run, folder, 2**16, "--force")
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.decode().splitlines()[-1] == f"stripsight: {folder}: File too large"
    assert open_bundle(folder).manifest == exported.manifest
    assert not list(tmp_path.glob(".*.partial"))
