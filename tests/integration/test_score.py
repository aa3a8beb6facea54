"""`stripsight score` through its command."""

import csv
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stripsight.bundle.folder import open_bundle, open_manifest, write_manifest
from stripsight.cli.app import run_command
from stripsight.decision.document import apply_decisions
from stripsight.decision.policy import judge_images
from stripsight.imaging import read_grey
from stripsight.scoring.engine import EngineSettings, load_engine
from stripsight.scoring.rows import VERDICTS

MakeBundle = Callable[..., Path]
CLASSES = ("scratch", "spot", "rust")


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    return make_bundle(folder, thresholds=(0.4, 0.6))


def paint(path: Path, seed: int, size: tuple[int, int] = (32, 64)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    light = rng.integers(40, 210)
    pixels = rng.normal(light, 25, size).clip(0, 250).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def coil(tmp_path: Path) -> Path:
    for number in range(12):
        paint(tmp_path / "coil" / f"{number:02d}.png", number)
    return tmp_path / "coil"


def score(*words: object, expect: int = 0) -> None:
    assert run_command(["score", *map(str, words), "--threads", "1"]) == expect


def read_jsonl(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_are_what_the_engine_and_the_decision_rule_say(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    score(bundle, coil, "--out", out)
    rows = read_jsonl(out)
    opened = open_bundle(bundle)
    engine = load_engine(opened, EngineSettings(threads=1))
    images = np.stack([read_grey(path)[None] for path in sorted(coil.iterdir())])
    logits = engine.predict(images).logits
    decisions = opened.manifest.decisions
    probabilities = decisions.calibration.apply(logits)
    verdicts = judge_images(apply_decisions(decisions, logits))
    assert [row["id"] for row in rows] == [f"{n:02d}.png" for n in range(12)]
    assert [row["verdict"] for row in rows] == [VERDICTS[v] for v in verdicts]
    assert len({row["verdict"] for row in rows}) > 1
    for row, expected in zip(rows, probabilities, strict=True):
        assert [row["classes"][c]["probability"] for c in CLASSES] == pytest.approx(expected)
        assert (row["bundle_id"], row["variant"]) == (opened.manifest.bundle_id, "fp32")
    printed = capsys.readouterr().out
    assert printed.startswith(f"{out}: 12 images: ")
    assert "fp32 by OpenVINO" in printed
    assert "golden images" in printed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coil", "out.jsonl"]


def test_the_three_forms_say_the_same(bundle: Path, coil: Path, tmp_path: Path) -> None:
    for suffix in ("jsonl", "csv", "parquet"):
        score(bundle, coil, "--out", tmp_path / f"out.{suffix}")
    rows = read_jsonl(tmp_path / "out.jsonl")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    for row, typed, cell in zip(rows, table, cells, strict=True):
        assert row["id"] == typed["id"] == cell["id"]
        assert row["verdict"] == typed["verdict"] == cell["verdict"]
        assert row["boxes"] == json.loads(cell["boxes"])
        assert [b["class"] for b in row["boxes"]] == [b["class"] for b in typed["boxes"]]
        for name in CLASSES:
            value = row["classes"][name]["probability"]
            assert value == typed[f"probability_{name}"] == float(cell[f"probability_{name}"])


def test_files_folders_patterns_lists_and_zips_together(
    bundle: Path, coil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "other" / "deep" / "00.png", 20)
    for name in ("x.png", "y.png", "z.png"):
        paint(tmp_path / name, 30)
    with zipfile.ZipFile("coil.zip", "w") as file:
        file.write(coil / "03.png", "in/03.png")
    Path("list.txt").write_text("z.png\r\nx.png\r\n")
    score(
        *(bundle, "coil", "other", "y.p?g", "coil.zip", "@list.txt", "--out", "out.jsonl"),
    )
    ids = [row["id"] for row in read_jsonl(Path("out.jsonl"))]
    assert ids == [
        *(f"coil/{n:02d}.png" for n in range(12)),
        *("other/deep/00.png", "y.png", "coil.zip!in/03.png", "z.png", "x.png"),
    ]


def test_an_input_given_twice_is_refused(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = coil / "03.png"
    score(bundle, image, coil / "04.png", image, "--out", tmp_path / "out.csv", expect=1)
    assert f"{image} is given twice" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coil"]


def test_the_summary_as_json(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (coil / "11.png").write_bytes(b"")
    score(
        *(bundle, coil, "--out", tmp_path / "out.csv", "--json", "--variant", "int8"),
        *("--max-failed", 1),
    )
    summary = json.loads(capsys.readouterr().out)
    assert summary["images"] == sum(summary["verdicts"].values()) == 12
    assert summary["failed"] == 1
    assert summary["reasons"] == [{"id": "11.png", "reason": "unreadable: the file is empty"}]
    assert summary["runs"]["precision"] == "int8"
    assert summary["runs"]["threads"] == 1
    assert summary["bundle_id"] == open_bundle(bundle).manifest.bundle_id


def test_files_of_other_kinds_are_counted(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.bmp", "b.BMP", "deep.tif", "README"):
        (coil / name).write_bytes(b"x")
    (coil / ".hidden.bmp").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "coil.zip", "w") as file:
        file.write(coil / "03.png", "03.png")
        file.write(coil / "deep.tif", "deep.tif")
    words = (bundle, coil, tmp_path / "coil.zip", "--out", tmp_path / "out.csv")
    score(*words)
    assert "left out, for only JPEG and PNG are scored: 2 .bmp, 2 .tif, 1 without a suffix" in (
        capsys.readouterr().out
    )
    score(*words, "--json")
    left_out = json.loads(capsys.readouterr().out)["left_out"]
    assert left_out == {".bmp": 2, ".tif": 2, "without a suffix": 1}


def test_a_variant_that_does_not_pass_its_gate_is_not_scored_by_in_silence(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    manifest = open_bundle(folder).manifest
    gate = {**manifest.find_variant("int8").gate, "passed": False, "reasons": ["recall falls"]}
    failed = replace(manifest.find_variant("int8"), gate=gate)
    variants = tuple(failed if v.name == "int8" else v for v in manifest.variants)
    write_manifest(replace(manifest, variants=variants), folder)
    score(folder, coil, "--out", tmp_path / "out.csv", "--variant", "int8")
    said = "DO NOT USE AS IT IS: int8 does not pass its gate: recall falls"
    assert said in capsys.readouterr().out
    score(folder, coil, "--out", tmp_path / "out.csv")
    assert "its gate" not in capsys.readouterr().out


def test_the_summary_says_what_has_no_place_and_times_no_image_that_was_refused(
    make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(tmp_path / "b", thresholds=(0.0, 0.0))
    paint(tmp_path / "in" / "0.png", 1)
    paint(tmp_path / "in" / "1.png", 2)
    words = [bundle, tmp_path / "in", "--out", tmp_path / "out.jsonl", "--box-level"]
    score(*words, 0.999)
    expected = "2 of 2 that are not clean have no box: nothing in their heatmaps reaches"
    assert f"{expected} --box-level 0.999" in capsys.readouterr().out
    score(*words, 0.001)
    assert "no box" not in capsys.readouterr().out
    paint(tmp_path / "other" / "0.png", 1, (33, 64))
    out = tmp_path / "other.jsonl"
    score(bundle, tmp_path / "other", "--out", out, "--json", "--max-failed", 1)
    summary = json.loads(capsys.readouterr().out)
    assert (summary["not_clean"], summary["without_boxes"]) == (0, 0)
    assert summary["images_per_second"] is None


def test_the_bundle_has_a_box_level_for_each_class(
    make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle(tmp_path / "b", thresholds=(0.0, 0.0))
    names = open_manifest(folder).classes.names
    levels = (0.001, 0.999, None)
    write_manifest(replace(open_manifest(folder), box_levels=levels), folder)
    paint(tmp_path / "in" / "0.png", 1)

    def find(*words: object) -> set[str]:
        score(folder, tmp_path / "in", "--out", tmp_path / "out.jsonl", *words)
        (row,) = read_jsonl(tmp_path / "out.jsonl")
        return {box["class"] for box in row["boxes"]}

    whole = find("--box-level", 0.001)
    assert whole == set(names)
    assert names[0] in find()
    assert names[1] not in find()
    assert "1 of 1 that are not clean have no box" not in capsys.readouterr().out
    write_manifest(replace(open_manifest(folder), box_levels=(0.9999,) * 3), folder)
    assert find() == set()
    assert "reaches the box level of its class (`bundle show`)" in capsys.readouterr().out
    write_manifest(replace(open_manifest(folder), box_levels=levels), folder)
    assert open_manifest(folder).find_box_levels() == (0.001, 0.999, 0.5)
    run_command(["bundle", "show", str(folder)])
    table = capsys.readouterr().out
    assert all(figure in table for figure in ("0.001", "0.999", "(0.5)"))


def test_a_size_that_the_bundle_accepts_is_scored_and_boxed_in_its_own_pixels(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "b", image_sizes=[(64, 128), (32, 64)], thresholds=(0.0, 0.0))
    paint(tmp_path / "in" / "large.png", 1, (64, 128))
    paint(tmp_path / "in" / "small.png", 1, (32, 64))
    score(bundle, tmp_path / "in", "--out", tmp_path / "out.jsonl", "--box-level", 0.01)
    large, small = read_jsonl(tmp_path / "out.jsonl")
    assert max(box["right"] for box in large["boxes"]) == 128
    assert max(box["right"] for box in small["boxes"]) == 64


def test_overlays_are_of_what_is_not_clean(bundle: Path, coil: Path, tmp_path: Path) -> None:
    score(bundle, coil, "--out", tmp_path / "out.jsonl", "--overlays", tmp_path / "pictures")
    rows = read_jsonl(tmp_path / "out.jsonl")
    called = {f"{row['id']}.overlay.jpg" for row in rows if row["verdict"] != "clean"}
    assert {p.name for p in (tmp_path / "pictures").iterdir()} == called
    assert len(called) > 0
    score(
        *(bundle, coil, "--out", tmp_path / "out.jsonl"),
        *("--overlays", tmp_path / "all", "--overlays-all"),
    )
    assert len(list((tmp_path / "all").iterdir())) == 12


def test_no_picture_of_before_contradicts_the_table(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    words = (bundle, coil, "--out", tmp_path / "out.jsonl", "--overlays", folder)
    score(*words, "--overlays-all")
    (folder / "mine.txt").write_text("mine")
    capsys.readouterr()
    score(*words)
    assert f"pictures of what is not clean: {folder}" in capsys.readouterr().out
    rows = read_jsonl(tmp_path / "out.jsonl")
    called = {f"{row['id']}.overlay.jpg" for row in rows if row["verdict"] != "clean"}
    assert {p.name for p in folder.iterdir()} == called | {"mine.txt"}


def test_scored_again_the_table_is_replaced(bundle: Path, coil: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    score(bundle, coil, "--out", out)
    (coil / "00.png").unlink()
    score(bundle, coil, "--out", out)
    assert pq.read_metadata(out).num_rows == 11


@pytest.mark.parametrize("word", ["coil", "coil/**", "coil/**/*.*", "coil/[01o]*", "link"])
def test_pictures_are_never_scored_wherever_they_lie(
    word: str, bundle: Path, coil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("coil")
    for folder in ("coil", "coil/o"):
        score(bundle, word, "--out", "out.jsonl", "--overlays", folder, "--overlays-all")
        assert len(read_jsonl(Path("out.jsonl"))) == 12
    assert len(list(coil.rglob("*.overlay.jpg"))) == 24


def test_the_summary_names_images_that_nobody_should_believe(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        Image.fromarray(np.zeros((32, 64), np.uint8)).save(coil / f"dark{number}.png")
    score(bundle, coil, "--out", tmp_path / "out.csv")
    said = capsys.readouterr().out
    assert "7 suspect, all black: dark0.png, dark1.png, dark2.png and 4 more" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["coil", "--out", "out.xlsx"], 2, "must end in .parquet, .csv, .jsonl"),
        (["--out", "out.csv"], 2, "no INPUT"),
        (["gone", "--out", "out.csv"], 2, "gone: no such file, folder or zip"),
        (["empty", "--out", "out.csv"], 1, "no JPEG or PNG in empty"),
        (["coil", "--out", "gone/out.csv"], 2, "there is no folder gone: make it, or name another"),
        (["lost", "--out", "gone/out.csv"], 2, "lost: no such file, folder or zip"),
        (["coil", "--watch", "--out", "gone/out.jsonl"], 2, "there is no folder gone: make it"),
        (["coil", "--out", "out.csv", "--box-level", "1"], 2, "--box-level 1.0"),
        (["coil", "--out", "out.csv", "--variant", "fp8"], 1, "no variant 'fp8'"),
        (["coil", "--out", "out.csv", "--streams", "9"], 1, "--streams 9"),
        (["coil", "--out", "out.csv", "--variant", "int8", "--engine", "onnxruntime"], 1, "fp32"),
        (["coil", "--out", "out.csv", "--variant", ""], 1, "no variant ''"),
        (["coil", "--out", "out.csv", "--overlays-all"], 2, "--overlays DIR"),
        (["coil", "--out", "out.csv", "--settle", "3"], 2, "give --watch, too"),
        (["coil", "--watch", "--out", "a.jsonl", "--settle", "inf"], 2, "0 to 3600 seconds"),
        (["coil", "--watch", "--out", "a.jsonl", "--settle", "nan"], 2, "0 to 3600 seconds"),
        (["coil", "--out", "out.csv", "--list", "gone.txt"], 1, "gone.txt"),
        (["coil", "--watch", "--out", "out.csv"], 2, ".jsonl"),
        (["coil", "empty", "--watch", "--out", "out.jsonl"], 2, "one INPUT"),
        (["coil/00.png", "--watch", "--out", "out.jsonl"], 2, "is no folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    words: list[str],
    code: int,
    said: str,
    bundle: Path,
    coil: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    score(bundle, *words, expect=code)
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coil", "empty"]


@pytest.mark.parametrize("words", [["@list.csv"], ["--list", "list.csv"], ["list.csv"]])
def test_a_list_is_not_overwritten_by_its_table(
    words: list[str],
    bundle: Path,
    coil: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.csv").write_text("coil/00.png\n")
    score(bundle, *words, "--out", "./list.csv", expect=2)
    assert "would be overwritten" in capsys.readouterr().err
    assert Path("list.csv").read_text() == "coil/00.png\n"


def test_a_bundle_that_was_changed_scores_nothing(
    bundle: Path, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = Path(shutil.copytree(bundle, tmp_path / "changed"))
    weights = changed / "fp32.bin"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    score(changed, coil, "--out", tmp_path / "out.csv", expect=1)
    assert "is not the file that its manifest names" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "out.csv.partial").exists()


def test_a_machine_on_which_golden_images_come_out_otherwise_scores_nothing(
    make_bundle: MakeBundle, coil: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle(tmp_path / "b")
    manifest = open_bundle(folder).manifest
    from dataclasses import replace

    first = manifest.golden[0]
    wrong = replace(first, logits=dict.fromkeys(first.logits, (9.0, -9.0, 9.0)))
    write_manifest(replace(manifest, golden=(wrong, *manifest.golden[1:])), folder)
    score(folder, coil, "--out", tmp_path / "out.csv", expect=1)
    assert "is expected (allowed" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_names_that_no_table_takes_are_written_all_the_same(
    bundle: Path, coil: Path, tmp_path: Path
) -> None:
    odd = [os.fsdecode(b"k\xe4lte.png"), "=1+1.png", "new\nline.png", "<b>.png", "日本.png"]
    for name in odd:
        shutil.copy(coil / "00.png", coil / name)
    for suffix in ("jsonl", "csv", "parquet"):
        overlays = ("--overlays", tmp_path / suffix, "--overlays-all")
        score(bundle, coil, "--out", tmp_path / f"out.{suffix}", *overlays)
    ids = [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")]
    assert {r"k\xe4lte.png", "=1+1.png", "new\nline.png", "<b>.png", "日本.png"} <= set(ids)
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ids
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        cells = [row["id"] for row in csv.DictReader(file)]
    assert cells == [f"'{id_}" if id_.startswith("=") else id_ for id_ in ids]
    assert len(list((tmp_path / "csv").iterdir())) == 17
