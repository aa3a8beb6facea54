"""A report goes into a folder of its own, or not at all."""

import json

import pytest

from stripsight.errors import UsageError
from stripsight.reporting.folder import check_report_folder


def check(folder):
    check_report_folder(
        folder, numbers="a.json", keys=("made by", "rows"), others=("a.html", "figures")
    )


def test_a_new_an_empty_and_an_own_folder_are_taken(tmp_path):
    check(tmp_path / "new")
    check(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / ".12ab.77.partial").write_bytes(b"")
    check(tmp_path)  # what a killed report leaves
    (tmp_path / "a.json").write_text(json.dumps({"made by": "us", "rows": [], "more": 1}))
    (tmp_path / "notes.txt").write_text("mine")
    check(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "a.json"])
@pytest.mark.parametrize("content", ["{}", '{"made by": 1}', '["made by", "rows"]', "{"])
def test_other_things_are_left_alone(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=f"other things \\({name}\\)"):
        check(tmp_path)


def test_a_link_to_nothing_is_no_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="link to nothing"):
        check(tmp_path / "link")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        check(tmp_path / "file")
