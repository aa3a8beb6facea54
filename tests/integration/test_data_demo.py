import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.cli.app import run_command
from stripsight.data.demo import generate_demo
from stripsight.data.rle import decode_mask
from stripsight.imaging import decode_grey


def hash_folder(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "demo"
    generate_demo(folder, images=24, seed=4, prevalence="even")
    return folder


def test_the_command_writes_the_same_bytes_again_and_says_what_it_wrote(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    assert run_command(["data", "demo", str(again), "--images", "24", "--seed", "4"]) == 0
    out, err = capsys.readouterr()
    assert hash_folder(again) == hash_folder(demo)
    rows = list(csv.DictReader(io.StringIO((again / "train.csv").read_text())))
    counts = Counter(row["ClassId"] for row in rows)
    clean = 24 - len({row["ImageId"] for row in rows})
    assert f"24 images, {clean} clean" in out
    for class_id in "1234":
        assert f"class {class_id}: {counts[class_id]}" in out
    assert f"stripsight data prepare {again} {again}-prepared" in out
    # A slow machine shows progress; nothing else may stand there.
    assert all(line.startswith("painting: ") for line in err.splitlines())


def test_the_bytes_do_not_depend_on_the_number_of_threads(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    generate_demo(tmp_path / "one", images=24, seed=4, prevalence="even")
    assert hash_folder(tmp_path / "one") == hash_folder(demo)


def test_another_seed_gives_other_images(demo: Path, tmp_path: Path) -> None:
    generate_demo(tmp_path / "other", images=3, seed=5, prevalence="even")
    assert not set(hash_folder(tmp_path / "other").values()) & set(hash_folder(demo).values())


def test_images_are_as_in_severstals_archive(demo: Path) -> None:
    files = sorted((demo / "train_images").iterdir())
    assert len(files) == 24
    for file in files:
        data = file.read_bytes()
        grey = decode_grey(data, expected_size=(256, 1600))
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "JPEG"
            assert image.mode == "RGB"
            assert image.quantization[0][:8] == [3, 2, 2, 3, 5, 8, 10, 12]  # libjpeg's quality 90
            channels = np.asarray(image)
        assert (channels == channels[:, :, :1]).all()
        assert abs(channels[:, :, 0].astype(int) - grey.astype(int)).max() <= 1
        assert grey.std() > 5


def test_the_table_is_kaggles_new_form(demo: Path) -> None:
    text = (demo / "train.csv").read_text()
    assert text.startswith("ImageId,ClassId,EncodedPixels\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    names = {p.name for p in (demo / "train_images").iterdir()}
    pairs = [(row["ImageId"], row["ClassId"]) for row in rows]
    assert len(set(pairs)) == len(pairs)
    assert {name for name, _ in pairs} < names
    for row in rows:
        assert decode_mask(row["EncodedPixels"], 256, 1600).any()


def test_a_folder_with_something_in_it_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run_command(["data", "demo", str(tmp_path), "--images", "2"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "not empty" in err
    assert hash_folder(tmp_path) == {"mine.txt": hashlib.sha256(b"mine").hexdigest()}


def test_a_file_for_a_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert run_command(["data", "demo", str(file), "--images", "2"]) == 2
    assert "no folder" in capsys.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--images", "0"],
        ["--images", "-3"],
        ["--images", "many"],
        ["--seed", "-1"],
        ["--prevalence", "odd"],
    ],
)
def test_wrong_options_are_one_line_and_nothing_is_made(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["data", "demo", str(tmp_path / "demo"), *wrong]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert wrong[0] in err
    assert not (tmp_path / "demo").exists()


def test_a_killed_generation_leaves_no_table(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    script = f"""
import os, signal
from pathlib import Path
from stripsight.data.demo import generate_demo
def die(done, total):
    if done == 10:
        os.kill(os.getpid(), signal.SIGKILL)
generate_demo(Path({str(folder)!r}), images=100, seed=0, prevalence="even", report_progress=die)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [p.name for p in folder.iterdir()] == ["train_images"]
    assert run_command(["data", "demo", str(folder), "--images", "2"]) == 2


def test_an_interrupted_generation_stops_and_leaves_no_table(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_demo(
            tmp_path / "demo",
            images=500,
            seed=0,
            prevalence="even",
            report_progress=interrupt,
        )
    assert not (tmp_path / "demo" / "train.csv").exists()
    assert len(list((tmp_path / "demo" / "train_images").iterdir())) < 100


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_parent_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    try:
        assert run_command(["data", "demo", str(tmp_path / "demo"), "--images", "2"]) == 1
    finally:
        tmp_path.chmod(0o700)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Permission denied" in err
