"""What may be replaced, and what is left when it goes wrong."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from stripsight import atomic
from stripsight.atomic import name_own_temporary, remove_dead_folders
from stripsight.bundle.folder import open_bundle
from stripsight.bundle.manifest import FILE_NAME, hash_content
from stripsight.errors import BundleError
from stripsight.export import destination
from stripsight.export.destination import check_destination, fill_folder

MakeBundle = Callable[..., Path]


def test_a_new_and_an_empty_folder_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("deep/new", "empty"):
        folder = tmp_path / name
        check_destination(folder, force=False)
        with fill_folder(folder) as place:
            (place / "file").write_text("x")
            assert not (folder / "file").exists()
        assert [path.name for path in folder.iterdir()] == ["file"]
    assert not list(tmp_path.rglob("*.partial"))


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    (tmp_path / "nearly").mkdir()
    (tmp_path / "nearly" / "manifest.json").write_text("{}")
    for name in ("photos", "file", "link", "nearly"):
        with pytest.raises(BundleError, match=r"name a new folder|manifest"):
            check_destination(tmp_path / name, force=True)


def test_a_bundle_is_replaced_only_by_force_and_at_the_end(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match="--force replaces it"):
        check_destination(folder, force=False)
    check_destination(folder, force=True)
    with fill_folder(folder) as place:
        (place / "new").write_text("x")
        open_bundle(folder)
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_that_is_replaced_is_never_missing(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle")
    done, missing = Event(), 0

    def watch() -> None:
        nonlocal missing
        while not done.is_set():
            missing += not (folder / FILE_NAME).exists()

    watcher = Thread(target=watch)
    watcher.start()
    try:
        for _ in range(60):
            with fill_folder(folder) as place:
                shutil.copytree(folder, place, dirs_exist_ok=True)
    finally:
        done.set()
        watcher.join()
    open_bundle(folder)
    assert missing == 0


def test_where_names_cannot_be_exchanged_a_bundle_is_replaced_all_the_same(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "_exchange", lambda one, other: False)
    test_a_bundle_is_replaced_only_by_force_and_at_the_end(make_bundle, tmp_path)


def test_a_kill_between_two_renames_leaves_the_old_bundle_to_be_found(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_bundle(tmp_path / "bundle", golden=0)
    rename = Path.rename

    def end(path: Path, target: Path) -> Path:
        if target == folder:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(destination, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", end)
    with pytest.raises(KeyboardInterrupt), fill_folder(folder):
        pass
    monkeypatch.setattr("stripsight.atomic._is_alive", lambda process: False)
    remove_dead_folders(tmp_path)
    (left,) = tmp_path.iterdir()
    open_bundle(left)


def test_files_that_are_not_the_bundles_save_it(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"notes\.txt is no part of the bundle"):
        check_destination(folder, force=True)
    with pytest.raises(BundleError, match="no part of the bundle"), fill_folder(folder) as place:
        (place / "new").write_text("x")
    open_bundle(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_error_leaves_the_old_and_nothing_else(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle")

    def fail() -> None:
        with fill_folder(folder) as place:
            (place / "new").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    open_bundle(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_leftovers_of_the_dead_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = name_own_temporary(folder, int(done.stdout))
    alive = name_own_temporary(folder, 1)
    # On a shared disk: a number that is dead here may be at work there.
    elsewhere = dead.with_name(dead.name.replace(dead.name.split(".")[2], "0" * 8))
    for path in (dead, alive, elsewhere):
        path.mkdir()
        (path / "fp32.xml").write_text("x")
    with fill_folder(folder):
        pass
    assert not dead.exists()
    assert alive.exists()
    assert elsewhere.exists()


def test_a_folder_of_another_host_is_removed_when_nobody_fills_it_any_more(tmp_path: Path) -> None:
    """A container is another host at each start."""
    folder = tmp_path / "bundle"
    name = name_own_temporary(folder, 1).name.split(".")
    others = [tmp_path / ".".join([*name[:2], host, *name[3:]]) for host in ("0" * 8, "1" * 8)]
    unnamed = tmp_path / ".".join([*name[:2], *name[3:]])  # as older versions named it
    for path, hours in ((others[0], 25), (others[1], 23), (unnamed, 25)):
        path.mkdir()
        when = time.time() - 3600 * hours
        os.utime(path, (when, when))
    remove_dead_folders(tmp_path, folder)
    assert list(tmp_path.iterdir()) == [others[1]]


def test_a_host_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "caf\udce9")
    atomic._name_host.cache_clear()
    try:
        name_own_temporary(Path("bundle"))
    finally:
        atomic._name_host.cache_clear()


def test_a_bundle_of_an_older_version_is_replaced(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle")
    document = json.loads((folder / FILE_NAME).read_text())
    old = {k: v for k, v in document.items() if k not in ("box_levels", "bundle_id")}
    old["schema_version"] = 1
    document = {"bundle_id": hash_content(old), **old}
    (folder / FILE_NAME).write_text(json.dumps(document))
    with pytest.raises(BundleError, match="of an older StripSight"):
        open_bundle(folder)
    check_destination(folder, force=True)
    document["bundle_id"] = "0" * 64
    (folder / FILE_NAME).write_text(json.dumps(document))
    with pytest.raises(BundleError, match="not as it was signed"):
        check_destination(folder, force=True)


def test_what_a_killed_set_policy_left_does_not_save_a_bundle(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    folder = make_bundle(tmp_path / "bundle", golden=0)
    name_own_temporary(folder / FILE_NAME, 1).write_text("half")
    check_destination(folder, force=True)
    name_own_temporary(folder / "golden" / "x", 1).parent.mkdir(exist_ok=True)
    name_own_temporary(folder / "golden" / "x", 1).write_text("somebody's")
    with pytest.raises(BundleError, match="no part of the bundle"):
        check_destination(folder, force=True)
