"""Images in, pixels or a reason out."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stripsight.bundle.manifest import InputContract
from stripsight.errors import ImageError
from stripsight.imaging import resize_grey
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Intake, Refused, Taken, prepare_image

CONTRACT = InputContract(32, 64, ((32, 64),))


def encode(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def paint(height: int = 32, width: int = 64) -> np.ndarray:
    return np.random.default_rng(1).integers(20, 200, (height, width), dtype=np.uint8)


def take(item: Item) -> Taken | Refused:
    with Intake(CONTRACT) as intake:
        return intake.take(item)


def test_pixels_come_as_they_are() -> None:
    taken = prepare_image(encode(paint()), CONTRACT)
    assert np.array_equal(taken.stored, paint())
    assert taken.scored is taken.stored


def test_an_accepted_size_is_brought_to_the_graphs() -> None:
    contract = InputContract(32, 64, ((64, 128), (32, 64)))
    taken = prepare_image(encode(paint(64, 128)), contract)
    assert taken.stored.shape == (64, 128)
    assert np.array_equal(taken.scored, resize_grey(paint(64, 128), (32, 64)))


@pytest.mark.parametrize("sizes", [((32, 64),), ((32, 64), (64, 128))])
def test_another_size_is_refused(sizes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ImageError, match="64x33 pixels"):
        prepare_image(encode(paint(33, 64)), InputContract(32, 64, sizes))


def test_a_readable_image_of_another_size_is_not_called_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(paint(33, 64)))
    said = take(Item("a", str(path)))
    assert said == Refused("wrong size: 64x33 pixels, and the bundle accepts 64x32")


@pytest.mark.parametrize(("value", "suspect"), [(0, "all black"), (255, "all white")])
def test_a_suspect_image_is_taken_and_flagged(value: int, suspect: str) -> None:
    taken = prepare_image(encode(np.full((32, 64), value, np.uint8)), CONTRACT)
    assert taken.suspect == suspect


@pytest.mark.parametrize(
    ("make", "reason", "away"),
    [
        (lambda path: None, "cannot be read (No such file or directory)", True),
        (Path.mkdir, "cannot be read (Is a directory)", False),
        (os.mkfifo, "cannot be read (not a regular file)", False),
        (lambda path: path.write_bytes(b""), "the file is empty", False),
        (lambda path: path.write_bytes(b"text"), "not a readable JPEG or PNG", False),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links", False),
    ],
)
def test_what_is_wrong_with_a_file_is_a_reason(
    tmp_path: Path, make: object, reason: str, away: bool
) -> None:
    path = tmp_path / "a.jpg"
    make(path)  # type: ignore[operator]
    refused = take(Item("a", str(path)))
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert refused.away == away
    assert str(tmp_path) not in refused.reason


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripsight.scoring.intake._LIMIT", 100)
    (tmp_path / "a.png").write_bytes(encode(paint()))
    refused = take(Item("a", str(tmp_path / "a.png")))
    assert refused == Refused("unreadable: more than 100 bytes, the limit")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.png", encode(paint()))
    assert take(Item("a", str(tmp_path / "a.zip"), "a.png")) == refused


def test_a_file_of_which_the_size_is_too_much_is_not_read_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sparse.jpg"
    path.write_bytes(b"")
    os.truncate(path, 300 * 2**30)
    monkeypatch.setattr("os.fdopen", lambda fd, mode: Unread(fd))
    assert take(Item("a", str(path))) == Refused(
        "unreadable: more than 67,108,864 bytes, the limit"
    )


class Unread(io.FileIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("it is read")


def test_members_of_a_zip_are_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "coil.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", encode(paint()))
        file.writestr("b.png", b"no image")
    with Intake(CONTRACT) as intake:
        taken = intake.take(Item("", str(path), "a.png"))
        assert isinstance(taken, Taken)
        assert np.array_equal(taken.stored, paint())
        assert isinstance(intake.take(Item("", str(path), "b.png")), Refused)
        assert intake.take(Item("", str(path), "c.png")) == Refused(
            "unreadable: is no longer in the zip"
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coil.zip"]


def test_a_zip_that_changed_since_is_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "coil.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", encode(paint(256, 512)))  # more than a buffer keeps
    with Intake(InputContract(256, 512, ((256, 512),))) as intake:
        assert isinstance(intake.take(Item("", str(path), "a.png")), Taken)
        with path.open("r+b") as file_:
            file_.write(bytes(path.stat().st_size // 2))
        assert isinstance(intake.take(Item("", str(path), "a.png")), Refused)
        os.truncate(path, 3)
        assert isinstance(intake.take(Item("", str(path), "a.png")), Refused)
    path.unlink()
    gone = take(Item("", str(path), "a.png"))
    assert gone == Refused("unreadable: cannot be read (No such file or directory)", away=True)
