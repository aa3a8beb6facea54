import pytest

from stripsight.atomic import open_atomically, write_atomically


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
