"""`stripsight data duplicates` on strips of which it is known which show the same."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from stripsight.cli.app import run_command
from stripsight.data.lookalikes.links import load_links
from stripsight.data.prepared import load_prepared

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "severstal_sample"


def paint_strip(seed, width=1200):
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.normal(size=(256, width)), 5) * 120
    fine = ndimage.gaussian_filter(rng.normal(size=(256, width)), 1) * 20
    return np.clip(110 + coarse + fine, 30, 240).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Kaggle's layout: of strip 0 a copy, a worse JPEG and one with text; frames of strip 1."""
    root = tmp_path_factory.mktemp("twins")
    source = root / "source"
    images = source / "train_images"
    images.mkdir(parents=True)
    strip, long = paint_strip(0), paint_strip(1, 2000)
    text = strip.copy()
    text[:16, 195:640] = 255
    text[4:12, 200:600:6] = 0
    black = np.zeros((256, 1200), np.uint8)
    for name, pixels, quality in (
        ("a0", strip, 92),
        ("a2", strip, 40),
        ("a3", text, 85),
        ("b0", long[:, :1200], 90),
        ("b1", long[:, 800:], 75),
        ("c0", paint_strip(2), 90),
        ("c1", paint_strip(3), 90),
        ("d0", black, 90),
        ("d1", black, 40),
    ):
        Image.fromarray(pixels).save(images / f"{name}.jpg", quality=quality)
    shutil.copyfile(images / "a0.jpg", images / "a1.jpg")
    rows = [("a0", 1), ("a1", 1), ("a2", 2), ("a3", 1), ("b0", 1), ("c0", 1)]
    (source / "train.csv").write_text(
        "ImageId,ClassId,EncodedPixels\n" + "".join(f"{i}.jpg,{c},1 5\n" for i, c in rows)
    )
    assert run_command(["data", "prepare", str(source), str(root / "set")]) == 0
    return root / "set"


@pytest.fixture
def dataset(made, tmp_path):
    shutil.copytree(made, tmp_path / "set")
    return tmp_path / "set"


def test_every_kind_is_found_and_nothing_else(dataset, capsys):
    assert run_command(["data", "duplicates", str(dataset), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = {(link["first"][:2], link["second"][:2]): link["kind"] for link in found["links"]}
    assert kinds == {
        ("a0", "a1"): "identical",
        ("a0", "a2"): "re-encoded",
        ("a0", "a3"): "text box",
        ("a2", "a3"): "text box",
        ("b0", "b1"): "overlap",
    }
    overlap = next(link for link in found["links"] if link["kind"] == "overlap")
    assert (overlap["shift_x"], overlap["shift_y"]) == (800, 0)
    groups = [["a0.jpg", "a1.jpg", "a2.jpg", "a3.jpg"], ["b0.jpg", "b1.jpg"]]
    assert found["groups"] == groups
    assert found["conflicts"] == [
        {
            "a0.jpg": ["defect_1"],
            "a1.jpg": ["defect_1"],
            "a2.jpg": ["defect_2"],
            "a3.jpg": ["defect_1"],
        }
    ]
    stored = load_prepared(dataset)
    assert len(load_links(stored)) == 5
    by_group = stored.images.groupby("duplicate_group")["id"].apply(list)
    assert [group for group in by_group if len(group) > 1] == groups
    assert run_command(["data", "check", str(dataset)]) == 0


def test_table_names_conflicts_and_where_it_lies(dataset, capsys):
    assert run_command(["data", "duplicates", str(dataset)]) == 0
    printed = capsys.readouterr().out
    assert "5 links among 10 images" in printed
    assert "a0.jpg: defect_1; a1.jpg: defect_1; a2.jpg: defect_2; a3.jpg: defect_1" in printed
    assert str(dataset / "links.parquet") in printed


def test_running_again_stores_the_same_bytes(dataset):
    stored = []
    for _ in range(2):
        assert run_command(["data", "duplicates", str(dataset)]) == 0
        stored.append(
            [(dataset / name).read_bytes() for name in ("links.parquet", "images.parquet")]
        )
    assert stored[0] == stored[1]


def test_a_search_that_missed_an_image_is_not_stored(dataset, capsys):
    assert run_command(["data", "duplicates", str(dataset)]) == 0
    stored = (dataset / "links.parquet").read_bytes()
    manifest = json.loads((dataset / "dataset.json").read_text())
    copied = dataset / "pictures"
    shutil.copytree(manifest["image_root"], copied)
    manifest["image_root"] = str(copied)
    (dataset / "dataset.json").write_text(json.dumps(manifest))
    (copied / "b1.jpg").write_bytes(b"no image")
    capsys.readouterr()
    assert run_command(["data", "duplicates", str(dataset)]) == 1
    assert "1 of 10 images cannot be read, the first is b1.jpg" in capsys.readouterr().err
    assert (dataset / "links.parquet").read_bytes() == stored
    (dataset / "links.parquet").unlink()
    # Nor may a split call itself verified then.
    assert run_command(["data", "split", str(dataset), "--name", "s"]) == 1
    assert not (dataset / "splits" / "s.csv").exists()
    assert run_command(["data", "analyze", str(dataset), "--out", str(dataset / "report")]) == 0
    assert not (dataset / "links.parquet").exists()


def test_check_finds_what_was_changed_and_a_new_search_mends_it(dataset, capsys):
    assert run_command(["data", "duplicates", str(dataset)]) == 0
    path = dataset / "links.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert run_command(["data", "check", str(dataset)]) == 1
    assert "error: links.parquet" in capsys.readouterr().out
    assert run_command(["data", "duplicates", str(dataset)]) == 0
    assert run_command(["data", "check", str(dataset)]) == 0


def test_preparing_anew_makes_the_search_void(dataset):
    assert run_command(["data", "duplicates", str(dataset)]) == 0
    source = load_prepared(dataset).image_root.parent
    assert (dataset / "statistics.parquet").exists()
    assert run_command(["data", "prepare", str(source), str(dataset), "--force"]) == 0
    assert not (dataset / "links.parquet").exists()
    assert not (dataset / "statistics.parquet").exists()
    assert load_links(load_prepared(dataset)) is None


@pytest.fixture
def read_only(dataset):
    """The data set, bound over itself read-only: permissions alone do not stop root."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    for options in (["--bind", str(dataset)], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, str(dataset)], check=True)
    yield dataset
    subprocess.run(["umount", str(dataset)], check=True)


@pytest.mark.parametrize("command", ["duplicates", "analyze", "split"])
def test_a_read_only_folder_is_told_before_the_images_are_scanned(
    read_only, command, capsys, monkeypatch
):
    def scan(*given, **more):
        pytest.fail("scanned")

    monkeypatch.setattr("stripsight.data.statistics.scan.scan_dataset", scan)
    monkeypatch.setattr("stripsight.data.analysis.study.scan_dataset", scan)
    words = ["--name", "s"] if command == "split" else []
    assert run_command(["data", command, str(read_only), *words]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == f"stripsight: {read_only}: Read-only file system"


def test_a_folder_in_place_of_the_links_is_one_line_before_the_scan(dataset, capsys):
    (dataset / "links.parquet").mkdir()
    for command, code in (("duplicates", 1), ("analyze", 1), ("check", 1)):
        assert run_command(["data", command, str(dataset)]) == code
        captured = capsys.readouterr()
        message = f"{dataset / 'links.parquet'} is a folder: remove it"
        assert message in (captured.out if command == "check" else captured.err)
        assert captured.err.count("\n") == 1
    assert not (dataset / "statistics.parquet").exists()


def test_no_data_set_is_one_line_and_exit_code_1(tmp_path, capsys):
    assert run_command(["data", "duplicates", str(tmp_path)]) == 1
    assert "is no prepared data set" in capsys.readouterr().err


@pytest.mark.real_data
def test_real_strips_are_no_look_alikes_of_each_other_but_of_their_copies(tmp_path, capsys):
    """129 strips, seven of them checker plates and many with a black border."""
    if not SAMPLE.is_dir():
        pytest.skip("../shared/data/severstal_sample is not here")
    images = tmp_path / "source" / "train_images"
    shutil.copytree(SAMPLE / "train_images", images)
    shutil.copyfile(SAMPLE / "train.csv", tmp_path / "source" / "train.csv")
    copies = {}
    for path in sorted(images.iterdir())[::12]:
        pixels = np.asarray(Image.open(path).convert("L"))
        if (pixels > 40).mean() > 0.5:
            copies[path.name] = f"zz-{path.name}"
            darker = np.clip(pixels * 0.8 - 5, 0, 255).astype(np.uint8)
            Image.fromarray(darker).save(images / copies[path.name], quality=40)
    assert len(copies) >= 5
    assert run_command(["data", "prepare", str(tmp_path / "source"), str(tmp_path / "set")]) == 0
    capsys.readouterr()
    assert run_command(["data", "duplicates", str(tmp_path / "set"), "--json"]) == 0
    links = json.loads(capsys.readouterr().out)["links"]
    assert {link["first"]: link["second"] for link in links} == copies
    assert {link["kind"] for link in links} == {"re-encoded"}


def test_examples_of_each_kind_conflicts_and_the_next_step_are_printed(dataset, capsys):
    assert run_command(["data", "duplicates", str(dataset)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("identical, e.g.:") + 1] == "  a0.jpg  a1.jpg"
    pairs = lines[lines.index("text box, e.g.:") + 1 :][:2]
    assert [pair.split()[0] for pair in pairs] == ["a0.jpg", "a2.jpg"]
    assert float(pairs[0].split()[-1]) >= float(pairs[1].split()[-1]) > 0.9
    assert lines[lines.index("overlap, e.g.:") + 1].endswith(", +800 +0 pixels apart")
    assert "1 group with differing labels on images that show the same:" in lines
    assert lines[-1].startswith(f"next: stripsight data analyze {dataset}")
