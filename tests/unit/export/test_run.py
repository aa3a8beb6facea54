"""What an export refuses before its work, and before it takes the place of another bundle."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from stripsight.bundle.folder import open_bundle
from stripsight.bundle.manifest import FILE_NAME
from stripsight.errors import BundleError, UsageError
from stripsight.export import run
from stripsight.export.run import export_runs
from stripsight.export.settings import ExportSettings


@pytest.mark.parametrize(
    ("folder", "name"), [("bundle", "line\nname"), ("bundle", "\x1b[2J"), ("a\nb", None)]
)
def test_a_name_that_is_no_line_is_refused_before_the_work(
    tmp_path: Path, folder: str, name: str | None
) -> None:
    with pytest.raises(UsageError, match="no name of a bundle"):
        export_runs([tmp_path / "no run"], tmp_path / folder, ExportSettings(name=name))


def test_what_its_own_reader_refuses_replaces_nothing(
    make_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_bundle(tmp_path / "bundle", golden=0)
    before = open_bundle(folder).manifest

    class Spoiled:
        def __init__(self, members: object, place: Path, *_: object) -> None:
            self.place = place

        def write(self, name: str) -> None:
            shutil.copytree(folder, self.place, dirs_exist_ok=True)
            (self.place / FILE_NAME).write_bytes(b"{}")

    monkeypatch.setattr(run, "open_members", lambda runs: SimpleNamespace(collapse=()))
    monkeypatch.setattr(run, "_Export", Spoiled)
    with pytest.raises(BundleError, match="damaged"):
        export_runs([tmp_path], folder, ExportSettings(force=True, allow_collapse=True))
    assert open_bundle(folder).manifest == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
