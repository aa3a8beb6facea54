import errno
import os

import pytest

from stripsight.atomic import check_writable, make_folder, open_atomically, write_atomically


def test_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a"
    write_atomically(path, b"old")

    def write_half():
        with open_atomically(path) as file:
            file.write(b"ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_is_there_until_the_block_ends(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, b"old")
    with open_atomically(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"


def test_absent_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "a", b"x")


def test_longest_name_that_a_file_may_have(tmp_path):
    path = tmp_path / ("\N{GREEK SMALL LETTER ALPHA}" * 127)
    write_atomically(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_the_file_that_was_written(tmp_path, monkeypatch, code):
    """The kernel names no file: `No space left on device` alone says nothing of which disk."""

    def fail(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match=str(tmp_path / "a")) as error:
        write_atomically(tmp_path / "a", b"new")
    assert error.value.filename == str(tmp_path / "a")


def test_a_folder_in_the_place_is_named_and_not_the_temporary_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(OSError, match="directory") as error:
        write_atomically(tmp_path / "a", b"new")
    assert error.value.filename == str(tmp_path / "a")
    with pytest.raises(OSError, match="No such file") as error:
        write_atomically(tmp_path / "x" / "a", b"new")
    assert error.value.filename == str(tmp_path / "x" / "a")


def test_the_first_error_is_told_where_nothing_can_be_removed(tmp_path, monkeypatch):
    def fail(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("pathlib.Path.open", fail)
    monkeypatch.setattr("pathlib.Path.unlink", fail)
    with pytest.raises(OSError, match="Read-only") as error:
        write_atomically(tmp_path / "a", b"new")
    assert error.value.filename == str(tmp_path / "a")


def test_folders_that_were_made_for_nothing_go_again(tmp_path):
    with pytest.raises(KeyError), make_folder(tmp_path / "a" / "b"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with pytest.raises(KeyError), make_folder(tmp_path / "a" / "b"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error, open_atomically(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert error.value.filename == str(tmp_path / "other")


def test_a_folder_is_tried_before_the_work_and_left_as_it_was(tmp_path, monkeypatch):
    check_writable(tmp_path / "not" / "yet")
    monkeypatch.chdir(tmp_path)
    check_writable(type(tmp_path)("relative"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file") as error:
        check_writable(tmp_path / "file")
    assert error.value.filename == str(tmp_path / "file")
