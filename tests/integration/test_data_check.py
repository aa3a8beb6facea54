"""`stripsight data check` on a data set to which one thing has happened."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stripsight.cli.app import run_command
from stripsight.data.prepared import ANNOTATION_COLUMNS, IMAGE_COLUMNS, load_prepared

TABLE = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 5 30 2\na.jpg,3,9 9\nb.jpg,4,1 1\n"


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "source" / "train_images"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        noise = np.random.default_rng(seed).integers(60, 190, (16, 24), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    return folder


@pytest.fixture
def root(tmp_path, images, capsys):
    (tmp_path / "source" / "train.csv").write_text(TABLE)
    assert run_command(["data", "prepare", str(tmp_path / "source"), str(tmp_path / "set")]) == 0
    capsys.readouterr()
    return tmp_path / "set"


@pytest.fixture
def check(root, capsys):
    def run():
        code = run_command(["data", "check", str(root), "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return run


def change(root, **tables):
    """Store other tables with the right hash, as a faulty program would."""
    dataset = dataclasses.replace(load_prepared(root), **tables)
    for name, table in tables.items():
        columns = IMAGE_COLUMNS if name == "images" else ANNOTATION_COLUMNS
        table.astype(columns).to_parquet(root / f"{name}.parquet", index=False)
    manifest = json.loads((root / "dataset.json").read_bytes())
    manifest["content_hash"] = dataset.content_hash()
    (root / "dataset.json").write_text(json.dumps(manifest))


def test_whole_data_set_has_no_finding(check, root, capsys):
    code, report, error = check()
    assert (code, report["findings"]) == (0, [])
    assert "errors" not in error
    assert run_command(["data", "check", str(root)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{root}: 3 images, 3 annotations (one per image and class), 0 split files;"
        " 0 errors, 0 warnings"
    ]


def damage_image(name, data):
    return lambda root, images: (images / name).write_bytes(data)


def set_cell(table, row, column, value):
    def damage(root, images):
        frame = getattr(load_prepared(root), table).copy()
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        change(root, **{table: frame})

    return damage


def add_row(table, row):
    def damage(root, images):
        frame = getattr(load_prepared(root), table)
        change(root, **{table: pd.concat([frame, frame.iloc[[row]]], ignore_index=True)})

    return damage


def write_split(text):
    def damage(root, images):
        (root / "splits").mkdir()
        (root / "splits" / "mine.csv").write_text(text)

    return damage


def swap_tables(root, images):
    frame = pd.read_parquet(root / "annotations.parquet")
    frame.loc[0, "class_id"] = 2
    frame.to_parquet(root / "annotations.parquet")


def reencode(root, images):
    Image.open(images / "a.jpg").save(images / "a.jpg", quality=50)


def enlarge(root, images):
    Image.new("L", (24, 17), 90).save(images / "a.jpg")


FAULTS = {
    "image lost": (lambda root, images: (images / "b.jpg").unlink(), "image unreadable", "b.jpg"),
    "image empty": (damage_image("b.jpg", b""), "image unreadable", "b.jpg"),
    "image is text": (damage_image("b.jpg", b"text"), "image unreadable", "b.jpg"),
    "image changed": (reencode, "image changed", "a.jpg"),
    "image grew": (enlarge, "image size", "a.jpg"),
    "table swapped": (swap_tables, "hash", "dataset.json"),
    "unknown class": (set_cell("annotations", 0, "class_id", 9), "unknown class", "a.jpg"),
    "unknown image": (set_cell("annotations", 0, "image_id", "x.jpg"), "unknown image", "x.jpg"),
    "pair twice": (add_row("annotations", 1), "annotation twice", "a.jpg, class 3"),
    "image twice": (add_row("images", 1), "image twice", "b.jpg"),
    "run leaves": (set_cell("annotations", 0, "rle", "384 2"), "shape", "a.jpg, class 1"),
    "runs unsorted": (set_cell("annotations", 0, "rle", "30 2 1 5"), "shape", "a.jpg, class 1"),
    "run start 0": (set_cell("annotations", 0, "rle", "0 7"), "shape", "a.jpg, class 1"),
    "no run": (set_cell("annotations", 0, "rle", None), "shape", "a.jpg, class 1"),
    "area": (set_cell("annotations", 0, "area", 8), "shape", "a.jpg, class 1"),
    "kind": (set_cell("annotations", 0, "kind", "cloud"), "shape", "a.jpg, class 1"),
    "presence": (set_cell("annotations", 0, "kind", "presence"), "shape", "a.jpg, class 1"),
    "size": (set_cell("images", 2, "height", 15), "image size", "c.jpg"),
    "sha256": (set_cell("images", 2, "sha256", "0" * 64), "image changed", "c.jpg"),
    "path": (set_cell("images", 2, "file", "../train_images/c.jpg"), "image path", "c.jpg"),
    "absolute": (set_cell("images", 2, "file", "/etc/c.jpg"), "image path", "c.jpg"),
    "unfinished": (
        lambda root, images: (root / ".stripsight-unfinished").write_text(""),
        "unfinished",
        "set",
    ),
    "split part": (write_split("id,split\na.jpg,train\nb.jpg,dev\n"), "split", "mine.csv"),
    "split unknown": (write_split("id,split\nx.jpg,train\n"), "split", "mine.csv"),
    "split short": (write_split("id,split\na.jpg,train\n"), "split", "mine.csv"),
    "split twice": (
        write_split("id,split\na.jpg,train\na.jpg,test\nb.jpg,train\nc.jpg,train\n"),
        "split",
        "mine.csv",
    ),
    "split without test": (
        write_split("id,split\na.jpg,train\nb.jpg,train\nc.jpg,validation\n"),
        "empty part",
        "mine.csv",
    ),
    "split header": (write_split("a.jpg,train\n"), "split", "mine.csv"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found_and_named(check, root, images, fault):
    damage, kind, where = FAULTS[fault]
    damage(root, images)
    code, report, error = check()
    assert code == 1
    found = [f for f in report["findings"] if f["kind"] == kind and where in f["where"]]
    assert found, report["findings"]
    assert all(f["severity"] == "error" for f in found)
    assert f"the check found {report['errors']} error" in error


def test_identical_images_in_two_groups(check, root, images):
    (images / "c.jpg").write_bytes((images / "b.jpg").read_bytes())
    frame = load_prepared(root).images.copy()
    frame.loc[2, "sha256"] = frame.loc[1, "sha256"]
    change(root, images=frame)
    code, report, _ = check()
    assert code == 1
    assert [f["kind"] for f in report["findings"]] == ["duplicate group"]


def test_suspect_image_is_a_warning(check, root, images, tmp_path, capsys):
    Image.new("L", (24, 16), 0).save(images / "c.jpg")
    source = str(tmp_path / "source")
    assert run_command(["data", "prepare", source, str(root), "--force"]) == 0
    capsys.readouterr()
    code, report, _ = check()
    assert code == 0
    assert (report["errors"], report["warnings"]) == (0, 1)
    assert (
        report["findings"][0] | {"where": "c.jpg", "message": "all black"}
        == (report["findings"][0])
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("dataset.json", None),
        ("dataset.json", b"{"),
        ("dataset.json", b"[]"),
        ("dataset.json", b'{"schema_version": 99}'),
        ("dataset.json", b'{"schema_version": 1}'),
        ("images.parquet", None),
        ("images.parquet", b"PAR1"),
        ("annotations.parquet", b""),
    ],
)
def test_tables_that_cannot_be_read_are_one_line(check, root, name, data):
    (root / name).unlink()
    if data is not None:
        (root / name).write_bytes(data)
    code, report, error = check()
    assert (code, report) == (1, None)
    assert error.count("\n") == 1
    assert str(root) in error


def test_empty_cell_in_a_table_is_one_line(check, root):
    frame = pd.read_parquet(root / "images.parquet")
    frame["sha256"] = frame["sha256"].astype(object)
    frame.loc[0, "sha256"] = None
    frame.to_parquet(root / "images.parquet")
    code, _, error = check()
    assert code == 1
    assert "a cell of column 'sha256' is empty" in error


def test_long_lists_are_cut_after_twenty(tmp_path, capsys):
    folder = tmp_path / "source" / "train_images"
    folder.mkdir(parents=True)
    for i in range(30):
        Image.new("L", (24, 16), 60 + i).save(folder / f"{i:02}.jpg")
    (tmp_path / "source" / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n00.jpg,1,1 5\n")
    run_command(["data", "prepare", str(tmp_path / "source"), str(tmp_path / "set")])
    for path in folder.iterdir():
        path.unlink()
    capsys.readouterr()
    assert run_command(["data", "check", str(tmp_path / "set")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 22
    assert lines[20] == "error: ... and 10 more (image unreadable)"


@pytest.mark.real_data
def test_real_sample_holds(real_prepared, capsys):
    assert run_command(["data", "check", str(real_prepared)]) == 0
    assert "0 errors" in capsys.readouterr().out


@pytest.mark.parametrize("names", [5, None, [1], "a.jpg"])
def test_an_account_that_was_edited_is_an_error_and_ends_the_analysis(root, check, capsys, names):
    path = root / "dataset.json"
    manifest = json.loads(path.read_bytes())
    manifest["reconciliation"]["missing_images"] = names
    path.write_text(json.dumps(manifest))
    code, report, _ = check()
    assert (code, report["errors"]) == (1, 1)
    assert "missing_images in dataset.json is no list" in report["findings"][0]["message"]
    assert run_command(["data", "analyze", str(root)]) == 1
    assert "missing_images in dataset.json is no list" in capsys.readouterr().err
    assert not (root / "analysis").exists()
    path.write_text(json.dumps(manifest | {"reconciliation": None}))
    assert run_command(["data", "check", str(root)]) == 1
    assert "is damaged" in capsys.readouterr().err
