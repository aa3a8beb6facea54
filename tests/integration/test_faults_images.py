"""Images with faults among good ones, fed through `stripsight data prepare`."""

import json

import pytest

from odd_images import JPEG, REFUSED, SUSPECT, encode, noise
from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared

HEADER = "ImageId,ClassId,EncodedPixels\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "train_images").mkdir(parents=True)
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        (folder / "train_images" / name).write_bytes(encode(noise(seed)))
    (folder / "train.csv").write_text(f"{HEADER}a.jpg,1,1 5\nz.jpg,2,1 5\n")
    return folder


def prepare(capsys, *arguments):
    code = run_command(["data", "prepare", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


@pytest.mark.parametrize("fault", REFUSED)
def test_only_the_damaged_image_is_left_out(source, tmp_path, capsys, fault):
    data, reason = REFUSED[fault]
    (source / "train_images" / "z.jpg").write_bytes(data)
    code, account, error = prepare(capsys, source, tmp_path / "out")
    assert code == 1
    assert not (tmp_path / "out").exists()
    (unreadable,) = account["images"]["unreadable"]
    assert unreadable["file"] == "train_images/z.jpg"
    assert reason in unreadable["reason"]
    assert "--skip-refused" in error
    code, account, _ = prepare(capsys, source, tmp_path / "out", "--skip-refused")
    assert code == 0
    dataset = load_prepared(tmp_path / "out")
    assert dataset.images["id"].tolist() == ["a.jpg", "b.jpg"]
    rows = account["rows"]
    assert (rows["read"], rows["used"]) == (2, 1)
    assert rows["refused_by_kind"] == {"image unreadable": 1}


@pytest.mark.parametrize("fault", SUSPECT)
def test_suspect_image_is_kept_and_flagged(source, tmp_path, capsys, fault):
    data, suspicion = SUSPECT[fault]
    (source / "train_images" / "z.jpg").write_bytes(data)
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    assert account["images"]["suspect"] == {"z.jpg": suspicion}
    assert len(load_prepared(tmp_path / "out").images) == 3


def test_converted_forms_and_other_sizes_are_accepted(source, tmp_path, capsys):
    folder = source / "train_images"
    (folder / "z.jpg").write_bytes(encode(noise(3, (32, 200)), mode="RGB"))
    (folder / "p.png").write_bytes(encode(noise(4), "PNG", "P"))
    (folder / "wrong_suffix.jpg").write_bytes(encode(noise(5), "PNG"))
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    assert account["images"]["sizes"] == {"96x64": 4, "200x32": 1}


def test_no_image_left_is_an_error(source, tmp_path, capsys):
    for path in (source / "train_images").iterdir():
        path.write_bytes(b"")
    code, _, error = prepare(capsys, source, tmp_path / "out", "--skip-refused")
    assert code == 1
    assert "none of 2 images can be read" in error
    assert not (tmp_path / "out").exists()


def test_file_name_that_is_no_text_is_refused(source, tmp_path, capsys):
    with open(bytes(source / "train_images") + b"/\xff\xfe.jpg", "wb") as file:  # noqa: PTH123
        file.write(JPEG)
    assert run_command(["data", "prepare", str(source), str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is not UTF-8: rename it" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [b"new\nline.jpg", b"tab\t.jpg"])
def test_file_name_that_no_table_can_hold_is_refused(source, tmp_path, capsys, name):
    with open(bytes(source / "train_images") + b"/" + name, "wb") as file:  # noqa: PTH123
        file.write(JPEG)
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 1
    (unreadable,) = account["images"]["unreadable"]
    assert "file name" in unreadable["reason"]
    assert prepare(capsys, source, tmp_path / "out", "--skip-refused")[0] == 0
