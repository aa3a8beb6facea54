import os
import zipfile

import pytest

from stripsight.data.source import FolderTree, is_image, open_source, read_file
from stripsight.errors import ArchiveError, UsageError


def write(path, data=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_zip(path, names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, name)


def test_folder_lists_files_but_hidden_ones_and_prepared_data_sets(tmp_path):
    for name in ("b/2.jpg", "a.csv", ".hidden", ".git/x.jpg", "__MACOSX/a.jpg"):
        write(tmp_path / name)
    write(tmp_path / "set" / "dataset.json")
    write(tmp_path / "set" / "images" / "a.jpg")
    write(tmp_path / "half" / ".stripsight-unfinished")
    write(tmp_path / "half" / "images" / "a.jpg")
    assert FolderTree(tmp_path).files == ("a.csv", "b/2.jpg")


def test_linked_folders_are_followed_and_loops_end(tmp_path):
    write(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "img").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "s" / "loop").symlink_to(tmp_path / "s")
    assert FolderTree(tmp_path / "s").files == ("img/a.jpg",)


def test_reading_stops_one_byte_over_the_limit(tmp_path):
    write(tmp_path / "a", b"12345")
    assert read_file(tmp_path / "a", 5) == b"12345"
    assert read_file(tmp_path / "a", 3) == b"1234"


def test_pipe_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="not a regular file"):
        read_file(tmp_path / "a.jpg", 10)


def test_one_zip_several_zips_and_a_folder_of_zips(tmp_path):
    (tmp_path / "zips").mkdir()
    write_zip(tmp_path / "zips" / "ann.zip", ["a.jpg.json"])
    write_zip(tmp_path / "zips" / "img.zip", ["a.jpg", "d/b.jpg"])
    with open_source([tmp_path / "zips" / "img.zip"]) as tree:
        assert tree.files == ("a.jpg", "d/b.jpg")
        assert tree.read("d/b.jpg", 100) == b"d/b.jpg"
    both = ("ann/a.jpg.json", "img/a.jpg", "img/d/b.jpg")
    with open_source([tmp_path / "zips"]) as tree:
        assert tree.files == both
        assert tree.folder is None
    with open_source(sorted((tmp_path / "zips").iterdir())) as tree:
        assert tree.files == both
        assert tree.read("img/d/b.jpg", 100) == b"d/b.jpg"


def test_zips_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / "a" / "x.zip", tmp_path / "b" / "X.zip"]
    for path in paths:
        path.parent.mkdir()
        write_zip(path, ["a.jpg"])
    with pytest.raises(ArchiveError, match="same name"), open_source(paths):
        pass


def test_folder_among_several_sources_is_wrong_usage(tmp_path):
    write_zip(tmp_path / "a.zip", ["a.jpg"])
    with pytest.raises(UsageError, match="zip files"), open_source([tmp_path / "a.zip", tmp_path]):
        pass
    with pytest.raises(UsageError, match="does not exist"), open_source([tmp_path / "b.zip"]):
        pass


def test_images_are_known_by_their_suffix():
    assert [is_image(n) for n in ("a.jpg", "a.JPEG", "b/a.Png", "a.tif", "jpg")] == [
        True, True, True, False, False,
    ]  # fmt: skip
