"""Which images a scoring takes, by which ids, in which order."""

import os
import zipfile
from pathlib import Path

import pytest

from stripsight.errors import ArchiveError, ScoringError, UsageError
from stripsight.scoring.inputs import Item, check_inputs, list_inputs, show_name, walk_images


def list_in_order(*inputs: str, lists: tuple[Path, ...] = ()) -> list[Item]:
    listed = sorted(list_inputs(inputs, lists), key=lambda entry: (entry.source, entry.key))
    return [entry.item for entry in listed]


def list_ids(*inputs: str, lists: tuple[Path, ...] = ()) -> list[str]:
    return [item.id for item in list_in_order(*inputs, lists=lists)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.jpg", "a.PNG", "deep/c.jpeg", "deep/er/a.jpg", ".hidden.jpg", "notes.txt"):
        path = tmp_path / "coil" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "coil"


def test_a_folder_gives_paths_below_it(folder: Path) -> None:
    expected = ["a.PNG", "b.jpg", "deep/c.jpeg", "deep/er/a.jpg"]
    assert list_ids("coil") == list_ids("coil/") == list_ids(str(folder)) == expected
    assert all(Path(item.path).is_file() for item in list_in_order("coil"))


def test_folders_with_the_same_names_stay_apart(folder: Path) -> None:
    assert list_ids("coil/deep", "coil/deep/er") == [
        "coil/deep/c.jpeg",
        "coil/deep/er/a.jpg",
        "coil/deep/er/a.jpg",
    ]
    other = folder.with_name("other")
    other.mkdir()
    (other / "b.jpg").write_bytes(b"")
    assert list_ids("other", "coil")[:3] == ["other/b.jpg", "coil/a.PNG", "coil/b.jpg"]


def test_a_file_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert list_in_order("coil/notes.txt") == [Item("coil/notes.txt", "coil/notes.txt")]


def test_a_pattern_takes_images_only(folder: Path) -> None:
    assert list_ids("coil/*") == ["coil/a.PNG", "coil/b.jpg"]
    assert list_ids("coil/**/*.jp*g") == ["coil/b.jpg", "coil/deep/c.jpeg", "coil/deep/er/a.jpg"]
    (folder / "odd[1].jpg").write_bytes(b"")
    assert list_ids("coil/odd[1].jpg") == ["coil/odd[1].jpg"]


def test_a_list_gives_its_lines_as_they_are(folder: Path) -> None:
    path = folder / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfcoil/b.jpg\r\n\r\ncoil/a.PNG\n  \nnot there.jpg")
    expected = ["coil/b.jpg", "coil/a.PNG", "not there.jpg"]
    assert list_ids("@coil/list.txt") == expected
    assert list_ids(lists=(path,)) == expected
    assert list_ids("coil/deep/er", lists=(path,))[0] == "coil/deep/er/a.jpg"


@pytest.mark.parametrize("line", [b"a\0b.jpg", b"x" * 5000])
def test_a_list_that_is_none_is_refused_by_its_line(folder: Path, line: bytes) -> None:
    (folder / "list.txt").write_bytes(b"coil/b.jpg\n" + line + b"\n")
    with pytest.raises(ScoringError, match=r"list\.txt: line 2 is no path"):
        list_ids("@coil/list.txt")


def test_a_zip_gives_its_images(folder: Path) -> None:
    with zipfile.ZipFile(folder / "coil.zip", "w") as file:
        for name in ("z.jpg", "deep/a.png", "notes.txt", ".hidden.jpg", "__MACOSX/z.jpg"):
            file.writestr(name, b"")
    assert list_in_order("coil/coil.zip") == [
        Item("coil/coil.zip!z.jpg", "coil/coil.zip", "z.jpg"),
        Item("coil/coil.zip!deep/a.png", "coil/coil.zip", "deep/a.png"),
    ]


def test_a_zip_that_must_not_be_read_is_refused(folder: Path) -> None:
    with zipfile.ZipFile(folder / "evil.zip", "w") as file:
        file.writestr("../a.jpg", b"")
    with pytest.raises(ArchiveError, match=r"leaves the archive's root"):
        list_ids("coil/evil.zip")


def test_links_are_followed_but_not_in_circles(folder: Path) -> None:
    (folder / "deep" / "up").symlink_to(folder)
    assert list_ids("coil") == ["a.PNG", "b.jpg", "deep/c.jpeg", "deep/er/a.jpg"]
    (folder.parent / "away").mkdir()
    (folder.parent / "away" / "x.jpg").write_bytes(b"")
    (folder / "more").symlink_to(folder.parent / "away")
    assert list_ids("coil")[-1] == "more/x.jpg"


def test_patterns_do_not_go_in_circles(folder: Path) -> None:
    expected = ["coil/b.jpg", "coil/deep/c.jpeg", "coil/deep/er/a.jpg"]
    for link in ("up", "again"):
        (folder / "deep" / link).symlink_to(folder)
    assert list_ids("coil/**/*.jp*g") == expected
    assert set(list_ids("c*/**/e*/**/**/*.jpg")) == {"coil/deep/er/a.jpg"}
    assert list_ids("**/?.jp*g") == expected
    assert list_ids("coil/deep/er/**") == expected[2:]
    assert list_ids(f"{folder.parent}/**/b.jpg") == [f"{folder}/b.jpg"]


@pytest.mark.parametrize("word", ["coil", "coil/*.jpg", "coil/**/*.jpg"])
def test_a_link_to_itself_is_an_image_or_nothing(folder: Path, word: str) -> None:
    for name in ("loop.jpg", "loop"):
        (folder / name).symlink_to(name)
    assert "loop.jpg" in {Path(id_).name for id_ in list_ids(word)}
    assert "loop" not in {Path(id_).name for id_ in list_ids(word)}


def test_a_folder_that_cannot_be_read_is_an_error_or_is_reported(folder: Path) -> None:
    deep = folder
    while len(str(deep)) < 3900:  # an error for everyone, root too
        deep = deep / ("d" * 100)
    deep.mkdir(parents=True)
    descriptor = os.open(deep, os.O_RDONLY)
    os.mkdir("x" * 200, dir_fd=descriptor)
    os.close(descriptor)
    with pytest.raises(OSError, match="File name too long"):
        list_ids(str(folder))
    errors: list[OSError] = []
    assert sorted(walk_images(str(folder), errors.append))[:2] == ["a.PNG", "b.jpg"]
    assert len(errors) == 1


def test_names_that_are_no_text_have_ids_that_are(folder: Path) -> None:
    name = os.fsdecode(b"k\xe4lte.jpg")
    (folder / "deep" / name).write_bytes(b"")
    (item,) = [item for item in list_in_order("coil/deep") if "lte" in item.id]
    assert item.id == r"k\xe4lte.jpg"
    assert Path(item.path).is_file()
    assert show_name("läuft.jpg") == "läuft.jpg"


def test_what_is_not_there_is_told_before_anything_is_opened(folder: Path) -> None:
    Path("list.txt").write_bytes(b"")
    check_inputs(["coil", "coil/b.jpg", "coil/*.jpg", "nothing/*.jpg", "@list.txt"])
    with pytest.raises(UsageError, match="no INPUT"):
        check_inputs([])
    with pytest.raises(UsageError, match=r"gone\.jpg: no such file, folder or zip"):
        check_inputs(["coil", "gone.jpg"])
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        check_inputs(["coil"], [Path("gone.txt")])


def test_nothing_at_all_is_wrong_usage(folder: Path) -> None:
    with pytest.raises(UsageError, match="no INPUT"):
        list_ids()
    with pytest.raises(UsageError, match=r"gone\.jpg: no such file, folder or zip"):
        list_ids("coil", "gone.jpg")


@pytest.mark.parametrize("word", ["empty", "empty/*.jpg", "@empty.txt"])
def test_an_input_without_images_is_an_error(folder: Path, word: str) -> None:
    Path("empty").mkdir()
    Path("empty.txt").write_bytes(b"\n")
    with pytest.raises(ScoringError, match="no JPEG or PNG in"):
        list_ids(word)
