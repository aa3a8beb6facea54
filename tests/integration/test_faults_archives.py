"""Archives that must not be unpacked, and destinations that fail half-way."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from stripsight.atomic import name_temporary
from stripsight.cli.app import run_command
from stripsight.data.destination import claim_destination
from stripsight.data.prepared import load_prepared
from stripsight.errors import DatasetError

HEADER = "ImageId,ClassId,EncodedPixels\n"


def make_jpeg(path, seed=0, size=(16, 24)):
    noise = np.random.default_rng(seed).integers(60, 190, size, dtype=np.uint8)
    Image.fromarray(noise).save(path, "JPEG", quality=95)
    return path.read_bytes()


@pytest.fixture
def good_members(tmp_path):
    jpeg = make_jpeg(tmp_path / "one.jpg")
    return [("train.csv", f"{HEADER}a.jpg,1,1 5\n".encode()), ("train_images/a.jpg", jpeg)]


def write_zip(path, members):
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def prepare(capsys, *arguments):
    code = run_command(["data", "prepare", *map(str, arguments)])
    return code, capsys.readouterr().err


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def link_to(target):
    info = zipfile.ZipInfo("train_images/link.jpg")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


@pytest.mark.parametrize(
    "member",
    [
        ("../evil.jpg", b"x"),
        ("train_images/../../evil.jpg", b"x"),
        ("/tmp/evil.jpg", b"x"),
        ("C:/evil.jpg", b"x"),
        ("train_images\\..\\evil.jpg", b"x"),
        ("train_images/A.jpg", b"x"),
        ("train_images/inner.zip", b"PK"),
        ("train_images/bomb.jpg", bytes(8 * 2**20)),
        link_to("/etc/passwd"),
        link_to("../../outside"),
    ],
    ids=lambda m: getattr(m[0], "filename", m[0]),
)
@pytest.mark.parametrize("options", [(), ("--skip-refused",)], ids=["plain", "skip"])
def test_archive_is_refused_and_nothing_is_written(tmp_path, capsys, good_members, member, options):
    archive = write_zip(tmp_path / "in" / "a.zip", [*good_members, member])
    before = list_files(tmp_path)
    code, error = prepare(capsys, archive, tmp_path / "out", *options)
    assert code == 1
    assert error.count("\n") == 1
    assert str(archive) in error
    assert list_files(tmp_path) == before


def test_tar_is_named_as_not_supported(tmp_path, capsys, good_members):
    (tmp_path / "in").mkdir()
    for name, data in good_members:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    archive = shutil.make_archive(str(tmp_path / "a"), "gztar", tmp_path / "in")
    code, error = prepare(capsys, archive, tmp_path / "out")
    assert code == 1
    assert "tar archives are not supported" in error


def test_damaged_member_is_refused(tmp_path, capsys, good_members):
    archive = write_zip(tmp_path / "a.zip", good_members)
    data = bytearray(archive.read_bytes())
    start = data.index(good_members[1][1][:20]) if good_members[1][1][:20] in data else 300
    data[start + 30] ^= 0xFF
    archive.write_bytes(data)
    code, error = prepare(capsys, archive, tmp_path / "out")
    assert code == 1
    assert "is damaged" in error
    assert not (tmp_path / "out").exists()


@pytest.fixture
def large_archive(tmp_path):
    """Enough images that unpacking them takes a while."""
    jpeg = make_jpeg(tmp_path / "one.jpg", size=(64, 400))
    members = [("train.csv", f"{HEADER}0000.jpg,1,1 5\n".encode())]
    # Bytes behind the end of the picture make every file another one.
    members += [(f"train_images/{i:04}.jpg", jpeg + b"%04d" % i) for i in range(400)]
    return write_zip(tmp_path / "large.zip", members)


def command(*arguments):
    script = "from stripsight.cli.app import main; main()"
    return [sys.executable, "-c", script, "data", "prepare", *map(str, arguments)]


def assert_whole(out, archive):
    dataset = load_prepared(out)
    assert len(dataset.images) == 400
    with zipfile.ZipFile(archive) as file:
        for row in dataset.images.itertuples():
            expected = file.read(f"train_images/{row.file}")
            assert (dataset.image_root / row.file).read_bytes() == expected
    assert len(list_files(out / "images")) == 400
    assert not [name for name in list_files(out) if "unfinished" in name or "partial" in name]


def test_killed_half_way_leaves_no_data_set_and_a_second_run_completes_it(
    tmp_path, capsys, large_archive
):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(large_archive, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    images = out / "images"
    while process.poll() is None and not (images.is_dir() and len(list(images.iterdir())) > 3):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert 3 < len(list(images.iterdir())) <= 400
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        load_prepared(out)
    # What a torn write leaves behind: a cut-off image, a temporary file.
    written = sorted(images.glob("*.jpg"))
    written[0].write_bytes(written[0].read_bytes()[:100])
    name_temporary(images / "0399.jpg").write_bytes(b"x")
    code, error = prepare(capsys, large_archive, out)
    assert code == 0, error
    assert_whole(out, large_archive)


@pytest.mark.parametrize("stage", ["images", "tables"])
def test_killed_before_any_of_its_steps(tmp_path, capsys, good_members, stage):
    archive = write_zip(tmp_path / "a.zip", good_members)
    out = tmp_path / "out"
    assert prepare(capsys, archive, out)[0] == 0
    whole = load_prepared(out).content_hash()
    # The state a kill leaves at that step: marker first, dataset.json last.
    (out / ".stripsight-unfinished").write_text("")
    (out / "dataset.json").unlink()
    (out / "annotations.parquet").unlink()
    if stage == "images":
        (out / "images.parquet").unlink()
        (out / "images" / "a.jpg").unlink()
    with pytest.raises(DatasetError):
        load_prepared(out)
    assert prepare(capsys, archive, out)[0] == 0
    assert load_prepared(out).content_hash() == whole


@pytest.fixture
def mount_tmpfs(tmp_path):
    """A small file system of its own; needs root."""
    mounted = []

    def mount(name, options):
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"cannot mount a file system here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_full_disk(tmp_path, capsys, large_archive, mount_tmpfs):
    disk = mount_tmpfs("disk", "size=1m")
    code, error = prepare(capsys, large_archive, disk / "out")
    assert code == 1
    assert "No space left on device" in error
    assert len(error.splitlines()[-1]) < 400
    with pytest.raises(DatasetError):
        load_prepared(disk / "out")
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert prepare(capsys, large_archive, disk / "out")[0] == 0
    assert_whole(disk / "out", large_archive)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_read_only_destination(capsys, large_archive, mount_tmpfs):
    disk = mount_tmpfs("disk", "size=1m,ro")
    code, error = prepare(capsys, large_archive, disk / "out")
    assert code == 1
    assert "Read-only file system" in error


def test_destination_below_a_file(tmp_path, capsys, good_members):
    archive = write_zip(tmp_path / "a.zip", good_members)
    (tmp_path / "file").write_text("mine")
    code, error = prepare(capsys, archive, tmp_path / "file" / "out")
    assert code == 1
    assert "Not a directory" in error
    assert (tmp_path / "file").read_text() == "mine"


def test_file_size_limit_while_the_tables_are_written(tmp_path, capsys, good_members):
    archive = write_zip(tmp_path / "a.zip", good_members)
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 2; exec "$@"', "-", *command(archive, tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert limited.returncode == 1
    assert "cannot be written" in limited.stderr
    assert "Traceback" not in limited.stderr
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        load_prepared(tmp_path / "out")
    assert prepare(capsys, archive, tmp_path / "out")[0] == 0
    load_prepared(tmp_path / "out")


def test_replacing_that_fails_half_way_leaves_no_data_set(
    tmp_path, capsys, good_members, large_archive
):
    out = tmp_path / "out"
    assert prepare(capsys, write_zip(tmp_path / "a.zip", good_members), out)[0] == 0
    # Images are past the limit before any table is written: the old tables must not vouch for them.
    limited = subprocess.run(
        ["bash", "-c", 'ulimit -f 2; exec "$@"', "-", *command(large_archive, out, "--force")],
        capture_output=True,
        text=True,
    )
    assert limited.returncode == 1
    assert "cannot be written" in limited.stderr
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        load_prepared(out)
    assert prepare(capsys, large_archive, out)[0] == 0
    assert_whole(out, large_archive)


def test_folder_of_somebody_else_is_not_touched(tmp_path, capsys, good_members):
    archive = write_zip(tmp_path / "a.zip", good_members)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("five years")
    for options in ((), ("--force",)):
        code, error = prepare(capsys, archive, mine, *options)
        assert code == 1
        assert "not empty" in error
    assert list_files(mine) == ["thesis.txt"]
    code, error = prepare(capsys, archive, mine / "thesis.txt")
    assert code == 1
    assert "is a file" in error


def test_whole_data_set_is_replaced_only_by_force(tmp_path, capsys, good_members):
    out = tmp_path / "out"
    assert prepare(capsys, write_zip(tmp_path / "a.zip", good_members), out)[0] == 0
    (out / "splits").mkdir()
    (out / "splits" / "default.csv").write_text("id,split\na.jpg,train\n")
    other = [
        ("train.csv", f"{HEADER}b.jpg,2,1 5\n".encode()),
        ("train_images/b.jpg", make_jpeg(tmp_path / "b.jpg", 5)),
    ]
    archive = write_zip(tmp_path / "b.zip", other)
    code, error = prepare(capsys, archive, out)
    assert code == 1
    assert "--force" in error
    assert load_prepared(out).images["id"].tolist() == ["a.jpg"]
    assert prepare(capsys, archive, out, "--force")[0] == 0
    assert load_prepared(out).images["id"].tolist() == ["b.jpg"]
    assert list_files(out) == [
        "annotations.parquet",
        "dataset.json",
        "images",
        "images.parquet",
        "images/b.jpg",
        "splits",
    ]


def test_refused_source_leaves_the_old_data_set_whole(tmp_path, capsys, good_members):
    out = tmp_path / "out"
    assert prepare(capsys, write_zip(tmp_path / "a.zip", good_members), out)[0] == 0
    before = {name: (out / name).read_bytes() for name in list_files(out) if "." in name}
    bad = write_zip(tmp_path / "b.zip", [("train.csv", f"{HEADER}a.jpg,1,0 5\n"), good_members[1]])
    assert prepare(capsys, bad, out, "--force")[0] == 1
    assert {name: (out / name).read_bytes() for name in list_files(out) if "." in name} == before


def test_data_set_inside_its_own_source_is_not_read_as_part_of_it(tmp_path, capsys, good_members):
    source = tmp_path / "source"
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", good_members)) as file:
        file.extractall(source)
    archive = write_zip(tmp_path / "b.zip", good_members)
    assert prepare(capsys, archive, source / "prepared")[0] == 0
    assert prepare(capsys, source, tmp_path / "out")[0] == 0
    assert len(load_prepared(tmp_path / "out").images) == 1


@pytest.mark.parametrize(
    "manifest", ['{"name": "mine"}', '{"schema_version": 1}', "[1]", "{", "[" * 100_000]
)
def test_dataset_json_of_somebody_else_is_not_taken_for_ours(
    tmp_path, capsys, good_members, manifest
):
    mine = tmp_path / "mine"
    (mine / "images").mkdir(parents=True)
    (mine / "images" / "holiday.jpg").write_bytes(b"mine")
    (mine / "dataset.json").write_text(manifest)
    code, error = prepare(capsys, write_zip(tmp_path / "a.zip", good_members), mine, "--force")
    assert code == 1
    assert "not StripSight's" in error
    assert list_files(mine) == ["dataset.json", "images", "images/holiday.jpg"]


@pytest.mark.parametrize("state", ["whole", "unfinished"])
def test_only_recorded_images_are_deleted(tmp_path, capsys, good_members, state):
    out = tmp_path / "out"
    assert prepare(capsys, write_zip(tmp_path / "a.zip", good_members), out)[0] == 0
    (out / "images" / "holiday.jpg").write_bytes(b"mine")
    if state == "unfinished":
        (out / "dataset.json").unlink()
        (out / ".stripsight-unfinished").write_text("a.jpg\n")
    other = [
        ("train.csv", f"{HEADER}b.jpg,2,1 5\n".encode()),
        ("train_images/b.jpg", make_jpeg(tmp_path / "b.jpg", 5)),
    ]
    assert prepare(capsys, write_zip(tmp_path / "b.zip", other), out, "--force")[0] == 0
    assert list_files(out / "images") == ["b.jpg", "holiday.jpg"]


@pytest.mark.parametrize("link", ["images", "splits", ".stripsight-unfinished"])
def test_linked_folder_in_the_destination_is_refused(tmp_path, capsys, good_members, link):
    archive = write_zip(tmp_path / "a.zip", good_members)
    out, outside = tmp_path / "out", tmp_path / "outside"
    assert prepare(capsys, archive, out)[0] == 0
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"mine")
    if (out / link).exists():
        shutil.rmtree(out / link)
    (out / link).symlink_to(outside)
    code, error = prepare(capsys, archive, out, "--force")
    assert code == 1
    assert "is a link" in error
    assert (outside / "a.jpg").read_bytes() == b"mine"
    assert list_files(outside) == ["a.jpg"]


def test_linked_folder_below_the_images_is_neither_filled_nor_emptied(
    tmp_path, capsys, good_members
):
    jpeg = good_members[1][1]
    members = [good_members[0], ("train_images/x/a.jpg", jpeg), ("train_images/y/b.jpg", jpeg)]
    archive = write_zip(tmp_path / "a.zip", members)
    out, outside = tmp_path / "out", tmp_path / "outside"
    assert prepare(capsys, archive, out)[0] == 0
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"mine")
    shutil.rmtree(out / "images" / "x")
    (out / "images" / "x").symlink_to(outside)
    code, error = prepare(capsys, archive, out, "--force")
    assert code == 1
    assert "is a link" in error
    assert prepare(capsys, write_zip(tmp_path / "b.zip", good_members), out, "--force")[0] == 0
    assert list_files(outside) == ["a.jpg"]
    assert (outside / "a.jpg").read_bytes() == b"mine"


def test_second_prepare_into_one_destination_is_told_so(tmp_path, capsys, good_members):
    archive = write_zip(tmp_path / "a.zip", good_members)
    out = tmp_path / "out"
    out.mkdir()
    with claim_destination(out, force=False):
        for options in ((), ("--force",)):
            code, error = prepare(capsys, archive, out, *options)
            assert code == 1
            assert "another prepare" in error
    assert prepare(capsys, archive, out)[0] == 0


def test_data_set_finished_by_another_in_the_meantime_stays(tmp_path, capsys, good_members):
    out = tmp_path / "out"
    assert prepare(capsys, write_zip(tmp_path / "a.zip", good_members), out)[0] == 0
    before = list_files(out)
    with (
        pytest.raises(DatasetError, match="in the meantime"),
        claim_destination(out, force=False),
    ):
        pass
    assert list_files(out) == before


def test_destination_that_is_a_dangling_link_is_refused(tmp_path, capsys, good_members):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    code, error = prepare(capsys, write_zip(tmp_path / "a.zip", good_members), tmp_path / "out")
    assert code == 1
    assert "link to nothing" in error


def test_longest_name_that_a_file_may_have_is_unpacked(tmp_path, capsys, good_members):
    name = "a" * 251 + ".jpg"
    members = [
        ("train.csv", f"{HEADER}{name},1,1 5\n".encode()),
        (f"train_images/{name}", good_members[1][1]),
    ]
    code, error = prepare(capsys, write_zip(tmp_path / "a.zip", members), tmp_path / "out")
    assert code == 0, error
    assert load_prepared(tmp_path / "out").images["id"].tolist() == [name]


def test_images_named_as_those_of_a_folder_elsewhere_are_not_deleted(
    tmp_path, capsys, good_members
):
    source, out = tmp_path / "source", tmp_path / "out"
    archive = write_zip(tmp_path / "a.zip", good_members)
    with zipfile.ZipFile(archive) as file:
        file.extractall(source)
    assert prepare(capsys, source, out)[0] == 0
    (out / "images").mkdir()
    (out / "images" / "a.jpg").write_bytes(b"mine")
    other = [
        ("train.csv", f"{HEADER}b.jpg,2,1 5\n".encode()),
        ("train_images/b.jpg", make_jpeg(tmp_path / "b.jpg", 5)),
    ]
    assert prepare(capsys, write_zip(tmp_path / "b.zip", other), out, "--force")[0] == 0
    assert (out / "images" / "a.jpg").read_bytes() == b"mine"
