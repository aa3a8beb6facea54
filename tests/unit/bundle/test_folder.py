"""A bundle opens whole and unchanged, or not at all."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stripsight.bundle.folder import open_bundle, seal_file, write_manifest
from stripsight.bundle.manifest import FILE_NAME
from stripsight.errors import BundleError


@pytest.fixture(scope="module")
def whole(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("folder") / "bundle", golden=2)


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "bundle")


FILES = (
    *("MODEL_CARD.md", "fp32.bin", "fp32.xml", "golden/00.png", "golden/01.png"),
    *("int8.bin", "int8.xml", "model.onnx", "validation.npz"),
)


def test_a_whole_bundle_opens(whole: Path) -> None:
    opened = open_bundle(whole)
    assert tuple(sorted(opened.manifest.files)) == FILES
    for file in FILES:
        assert opened.read(file) == (whole / file).read_bytes()


def test_what_the_manifest_does_not_name_is_not_looked_at(bundle: Path) -> None:
    (bundle / ".DS_Store").write_bytes(b"x")
    opened = open_bundle(bundle)
    with pytest.raises(BundleError, match=r"no file '.DS_Store' in its manifest"):
        opened.read(".DS_Store")


@pytest.mark.parametrize("file", [*FILES, FILE_NAME])
def test_a_flipped_bit_is_refused_wherever_it_is(bundle: Path, file: str) -> None:
    path = bundle / file
    data = bytearray(path.read_bytes())
    draw = random.Random(file)  # the name is the seed
    places = {0, len(data) // 2, len(data) - 2, *(draw.randrange(len(data)) for _ in range(40))}
    for place in sorted(places):
        # The third bit makes no letter another case: `1e-05` and `1E-05` are one number.
        data[place] ^= 4
        path.write_bytes(data)
        with pytest.raises(BundleError) as caught:
            open_bundle(bundle)
        assert "\n" not in str(caught.value)
        data[place] ^= 4


@pytest.mark.parametrize("file", [*FILES, FILE_NAME])
def test_a_missing_file_is_named(bundle: Path, file: str) -> None:
    (bundle / file).unlink()
    with pytest.raises(BundleError, match=file):
        open_bundle(bundle)


@pytest.mark.parametrize("change", [b"", b"x"], ids=["shorter", "longer"])
def test_another_length_is_refused(bundle: Path, change: bytes) -> None:
    path = bundle / "fp32.bin"
    path.write_bytes(path.read_bytes() + change if change else path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="is not the file that its manifest names"):
        open_bundle(bundle)


def test_a_file_that_changes_after_opening_is_not_read(bundle: Path) -> None:
    opened = open_bundle(bundle)
    data = bytearray((bundle / "fp32.xml").read_bytes())
    data[100] ^= 1
    (bundle / "fp32.xml").write_bytes(data)
    with pytest.raises(BundleError, match="is not the file that its manifest names"):
        opened.read("fp32.xml")


@pytest.mark.parametrize("name", ["model.onnx", FILE_NAME])
def test_a_link_in_place_of_a_file_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    shutil.move(bundle / name, tmp_path / "elsewhere")
    (bundle / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"is a link|has no manifest\.json"):
        open_bundle(bundle)


def test_a_link_in_place_of_a_folder_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "golden", tmp_path / "elsewhere")
    (bundle / "golden").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="golden is a link"):
        open_bundle(bundle)


def test_the_bundle_itself_may_be_linked(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle)
    assert open_bundle(tmp_path / "current").manifest == open_bundle(bundle).manifest


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("name", ["model.onnx", FILE_NAME])
def test_what_is_no_file_is_refused_and_not_waited_for(bundle: Path, name: str, kind: str) -> None:
    (bundle / name).unlink()
    if kind == "pipe":
        os.mkfifo(bundle / name)
    else:
        (bundle / name).mkdir()
    with pytest.raises(BundleError, match=r"no plain file|no bundle"):
        open_bundle(bundle)


def test_a_name_longer_than_the_disk_takes_is_refused(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    seal = manifest.files["model.onnx"]
    manifest.files["x" * 300] = seal
    write_manifest(manifest, bundle)
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        open_bundle(bundle)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is no bundle \(no folder\)"):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"is no bundle \(has no manifest.json\)"):
        open_bundle(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused(bundle: Path) -> None:
    (bundle / "model.onnx").chmod(0)
    with pytest.raises(BundleError, match=r"model.onnx cannot be read: Permission denied"):
        open_bundle(bundle)


def test_a_manifest_of_a_gigabyte_takes_no_memory(bundle: Path) -> None:
    with (bundle / FILE_NAME).open("r+b") as file:
        file.truncate(2**30)
    code = f"""
import resource, sys
from pathlib import Path
from stripsight.bundle.folder import open_bundle
from stripsight.errors import BundleError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_bundle(Path({str(bundle)!r}))
except BundleError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, message = done.stdout.split(" ", 1)
    assert "larger than any manifest" in message
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 20 * 2**20


def test_the_densest_manifest_that_is_read_stays_small(bundle: Path) -> None:
    """A MiB of brackets, a fourth of what is let in: nothing makes more when it is parsed."""
    (bundle / FILE_NAME).write_bytes(b"[" + b"[]," * 349_000 + b"[]]")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match="it is no object"):
        open_bundle(bundle)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_writing_replaces_the_manifest_whole(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    manifest = open_bundle(bundle).manifest
    before = (bundle / FILE_NAME).read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_manifest(replace(manifest, name="other"), bundle)
    monkeypatch.undo()
    assert (bundle / FILE_NAME).read_bytes() == before
    write_manifest(replace(manifest, name="other"), bundle)
    assert json.loads((bundle / FILE_NAME).read_bytes())["name"] == "other"
    assert not list(bundle.glob(".*"))


def test_a_seal_is_the_hash_that_others_compute(whole: Path) -> None:
    seal = seal_file(whole / "model.onnx")
    done = subprocess.run(
        ["sha256sum", whole / "model.onnx"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == seal.sha256
    assert seal.bytes == (whole / "model.onnx").stat().st_size
