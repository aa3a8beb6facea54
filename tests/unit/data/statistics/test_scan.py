import hashlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stripsight.data.lookalikes.fingerprint import compute_fingerprint
from stripsight.data.statistics import processes as measuring
from stripsight.data.statistics import scan as scan_module
from stripsight.data.statistics.measurement import measure_image
from stripsight.data.statistics.processes import measure_in_processes
from stripsight.data.statistics.scan import scan_dataset
from stripsight.data.statistics.worker import ImageFile, MeasuredImage, Wanted
from stripsight.errors import DataError
from stripsight.imaging import decode_grey


@pytest.fixture
def dataset(make_prepared):
    sizes = [(64, 96), (64, 96), (200, 200), (32, 160)] * 10
    return make_prepared([{}] * 40, sizes=sizes)


def path_of(dataset, row):
    return dataset.image_root / dataset.images.loc[row, "file"]


@pytest.mark.parametrize("workers", [1, 2, None])
def test_each_image_gets_the_numbers_of_its_own_pixels(dataset, workers):
    scan = scan_dataset(dataset, fingerprints=True, workers=workers)
    assert list(scan.statistics["id"]) == list(dataset.images["id"])
    assert list(scan.fingerprints) == list(dataset.images["id"])
    assert scan.unreadable == {}
    for row in (0, 7, 39):
        data = path_of(dataset, row).read_bytes()
        image = decode_grey(data)
        expected = measure_image(image, data)
        got = scan.statistics.iloc[row]
        assert got["brightness"] == np.float32(expected.brightness)
        assert got["sharpness"] == np.float32(expected.sharpness)
        assert got["jpeg_quality"] == expected.jpeg_quality == 95
        fingerprint = scan.fingerprints[got["id"]]
        assert np.array_equal(fingerprint.descriptors, compute_fingerprint(image).descriptors)


def test_one_image(make_prepared):
    scan = scan_dataset(make_prepared([{}]), fingerprints=False, workers=2)
    assert len(scan.statistics) == 1


def test_an_empty_data_set(make_prepared):
    scan = scan_dataset(make_prepared([]), fingerprints=True)
    assert scan.statistics.empty
    assert not scan.fingerprints


@pytest.mark.parametrize("workers", [1, 2])
def test_images_that_cannot_be_read_are_named_and_left_out(dataset, workers):
    path_of(dataset, 3).unlink()
    path_of(dataset, 11).write_bytes(b"no image")
    broken = path_of(dataset, 17)
    broken.write_bytes(broken.read_bytes()[:-200])
    dataset.images.loc[17, "sha256"] = hashlib.sha256(broken.read_bytes()).hexdigest()
    scan = scan_dataset(dataset, fingerprints=True, workers=workers)
    assert list(scan.unreadable) == ["003.jpg", "011.jpg", "017.jpg"]
    assert scan.unreadable["003.jpg"] == "cannot be read (No such file or directory)"
    assert "not those that were prepared" in scan.unreadable["011.jpg"]
    assert "damaged JPEG" in scan.unreadable["017.jpg"]
    assert len(scan.statistics) == len(scan.fingerprints) == 37


def test_identical_files_are_read_once(dataset):
    dataset.images.loc[5, "sha256"] = dataset.images.loc[0, "sha256"]
    path_of(dataset, 5).unlink()
    scan = scan_dataset(dataset, fingerprints=True)
    assert not scan.unreadable
    first, twin = scan.statistics.iloc[0], scan.statistics.iloc[5]
    assert first.drop("id").equals(twin.drop("id"))
    assert scan.fingerprints["005.jpg"] is scan.fingerprints["000.jpg"]


def test_statistics_of_the_same_files_are_used_again(dataset, monkeypatch):
    first = scan_dataset(dataset, fingerprints=False).statistics
    with monkeypatch.context() as patched:
        patched.setattr(scan_module, "measure_in_processes", None)  # would fail if called
        again = scan_dataset(dataset, fingerprints=False)
    pd.testing.assert_frame_equal(first, again.statistics)


def test_stored_statistics_do_not_hide_images_that_are_gone_or_changed(dataset):
    scan_dataset(dataset, fingerprints=False)
    path_of(dataset, 0).unlink()
    path_of(dataset, 4).write_bytes(b"no image")
    assert list(scan_dataset(dataset, fingerprints=False).unreadable) == ["000.jpg", "004.jpg"]


def test_other_bytes_are_measured_again(dataset):
    before = scan_dataset(dataset, fingerprints=False).statistics
    path = path_of(dataset, 2)
    Image.fromarray(np.full((200, 200), 200, np.uint8)).save(path, quality=50)
    dataset.images.loc[2, "sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    after = scan_dataset(dataset, fingerprints=False).statistics
    assert after.loc[2, "brightness"] == 200
    assert after.loc[2, "jpeg_quality"] == 50
    pd.testing.assert_frame_equal(before.drop(index=2), after.drop(index=2))


def test_progress_ends_at_all(dataset):
    calls = []
    scan_dataset(
        dataset, fingerprints=False, report_progress=lambda *numbers: calls.append(numbers)
    )
    assert calls[-1] == (40, 40)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_a_folder_that_cannot_be_written_gives_the_numbers_all_the_same(
    dataset, monkeypatch, caplog
):
    def fail(path, data):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("stripsight.data.statistics.table.write_atomically", fail)
    scan = scan_dataset(dataset, fingerprints=False)
    assert len(scan.statistics) == 40
    assert "not stored" in caplog.text


def children_of(process):
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in path.read_text().split()]


def test_a_killed_worker_is_one_clear_error(dataset):
    """Killed by what the kernel uses when memory runs out."""
    files = [ImageFile(str(row), path_of(dataset, row % 40)) for row in range(400)]
    results = measure_in_processes(files, Wanted(), workers=2)
    next(results)
    before = children_of(os.getpid())
    assert len(before) >= 2
    os.kill(before[-1], signal.SIGKILL)
    with pytest.raises(DataError, match=r"killed by SIGKILL at .*jpg or one of the 15 images"):
        list(results)
    assert not set(before) & set(children_of(os.getpid()))


def test_a_worker_that_cannot_start_is_one_clear_error(dataset, monkeypatch):
    monkeypatch.setattr(measuring, "_PROGRAM", "raise SystemExit(3)")
    with pytest.raises(DataError, match="ended with code 3"):
        scan_dataset(dataset, fingerprints=False, workers=2)


def test_a_reader_that_stops_half_way_leaves_no_process(dataset):
    files = [ImageFile(str(row), path_of(dataset, row % 40)) for row in range(400)]
    results = measure_in_processes(files, Wanted(), workers=2)
    next(results)
    started = children_of(os.getpid())
    results.close()
    assert not set(started) & set(children_of(os.getpid()))


def test_workers_import_nothing_heavy_and_find_the_package(dataset):
    code = """
import sys
from pathlib import Path
from stripsight.data.statistics.worker import ImageFile, Wanted, measure_file
measure_file(ImageFile("a", Path(sys.argv[1])), Wanted(fingerprint=True, texture=True))
print([m for m in ("torch", "pandas", "pyarrow", "sklearn", "typer", "rich") if m in sys.modules])
"""
    command = [sys.executable, "-c", code, str(path_of(dataset, 0))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_ends_the_workers_too(dataset, signal_number):
    code = """
import signal, sys
from pathlib import Path
from stripsight.data.statistics.worker import ImageFile, Wanted
from stripsight.data.statistics.processes import measure_in_processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" hands down deaf ears
files = [ImageFile("", path) for path in sorted(Path(sys.argv[1]).glob("*.jpg"))] * 3000
for number, _ in enumerate(measure_in_processes(files, Wanted(), workers=2)):
    if number == 0:
        print("begun", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(dataset.image_root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout.readline() == "begun\n"
        workers = children_of(process.pid)
        assert len(workers) == 2
        handles = [os.pidfd_open(worker) for worker in workers]
        if signal_number == signal.SIGINT:
            os.killpg(process.pid, signal_number)  # as a terminal does, to all of the group
        else:
            os.kill(process.pid, signal_number)
        process.wait(timeout=10)
        errors = process.stderr.read()
    for handle in handles:
        # Readable when the process has ended.
        assert select.select([handle], [], [], 10)[0], "a worker outlives the one that started it"
        os.close(handle)
    # Only the process that was interrupted says so, not each of its workers.
    assert errors.count("KeyboardInterrupt\n") == (signal_number == signal.SIGINT)


def test_a_result_carries_its_texture_where_wanted(dataset):
    (result,) = measure_in_processes([ImageFile("a", path_of(dataset, 0))], Wanted(texture=True))
    assert isinstance(result, MeasuredImage)
    assert result.texture.shape == (11,)
