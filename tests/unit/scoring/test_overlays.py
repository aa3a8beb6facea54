"""Pictures of what was found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from stripsight.decision.calibration import make_identity
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.labels import ClassList
from stripsight.scoring.engine import Output
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Refused, Taken
from stripsight.scoring.judging import Judge
from stripsight.scoring.overlays import Overlays, draw_overlay, name_overlay
from stripsight.scoring.pipeline import Scored
from stripsight.scoring.rows import Origin

CLASSES = ClassList.from_names(["scratch", "spot"])
POLICY = Policy("review", {}, (ClassPolicy(0.3, 0.7),) * 2)
LEVELS = (0.5, 0.5)
JUDGE = Judge(
    CLASSES.names, make_identity(2), POLICY, Origin("b" * 64, "a", "fp32", "openvino"), LEVELS
)
BAND = 26


def score(first: float, second: float, id_: str = "a.jpg", steel: int = 90) -> Scored:
    """A grey strip of 64 x 256 whose left fifth is hot for the first class, the right for both."""
    grey = np.full((64, 256), steel, np.uint8)
    logits = np.array([[first, second]], np.float32)
    maps = np.full((1, 2, 2, 8), -6, np.float32)
    maps[0, 0, :, 0] = maps[0, :, :, -1] = 6
    taken, output = Taken(grey, grey, None), Output(logits, maps)
    return Scored(Item(id_, id_), JUDGE.judge(id_, taken, output), taken, output)


def find_colored(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture)[-64:].astype(int)
    return (np.ptp(pixels, axis=2) > 30).nonzero()[1]


def test_a_called_class_is_drawn_around_its_pieces_and_the_steel_stays() -> None:
    picture = draw_overlay(score(5, -5), CLASSES, LEVELS)
    assert picture.size == (256, 64 + BAND)
    columns = find_colored(picture)
    assert columns.min() < 40
    assert columns.max() > 220
    assert not ((columns > 60) & (columns < 200)).any()
    inside = np.asarray(picture)[BAND + 40 : BAND + 60, 4:12]
    assert (inside == 90).all()


def test_what_is_clean_is_not_drawn() -> None:
    assert find_colored(draw_overlay(score(-5, -5), CLASSES, LEVELS)).size == 0
    only_right = find_colored(draw_overlay(score(-5, 5), CLASSES, LEVELS))
    assert only_right.min() > 200


def test_review_is_dashed() -> None:
    drawn = [find_colored(draw_overlay(score(logit, -5), CLASSES, LEVELS)) for logit in (5, 0)]
    assert 0 < drawn[1].size < drawn[0].size


@pytest.mark.parametrize("color", ["#0072B2", "#009E73", "#808080", "#F0E442"])
@pytest.mark.parametrize("steel", [0, 60, 105, 128, 170, 255])
def test_a_contour_stands_out_from_any_steel_in_grey_print(
    steel: int, color: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClassList, "color", lambda self, column: color)
    picture = draw_overlay(score(5, -5, steel=steel), CLASSES, LEVELS)
    # The vertical piece of the left contour, below the box's mark.
    grey = np.asarray(picture.convert("L")).astype(int)[BAND + 30 : BAND + 60, 20:60]
    assert (np.abs(grey - steel).max(axis=1) >= 100).all()


@pytest.mark.parametrize("width", [24, 200, 256, 1600])
def test_the_band_names_every_class_within_the_picture(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[float, str]] = []
    draw_text = ImageDraw.ImageDraw.text

    def note(self: Any, xy: Any, text: str, *words: Any, **options: Any) -> None:
        written.append((xy[0] + options["font"].getlength(text), text))
        draw_text(self, xy, text, *words, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    names = ["crazing", "inclusion", "pitted_surface", "a" * 64]
    classes = ClassList.from_names(names)
    policy = Policy("review", {}, (ClassPolicy(0.3, 0.7),) * 4)
    judge_ = Judge(classes.names, make_identity(4), policy, JUDGE.origin, (0.5,) * 4)
    grey = np.full((64, width), 90, np.uint8)
    taken = Taken(grey, grey, "saturated")
    maps = np.full((1, 4, 2, 2), -6, np.float32)
    maps[0, 1] = 6
    output = Output(np.array([[0, 4, 4, 4]], np.float32), maps)
    scored = Scored(Item("a", "a"), judge_.judge("a", taken, output), taken, output)
    picture = draw_overlay(scored, classes, (0.5,) * 4)
    said = "".join(text for _, text in written).replace(" ", "")
    assert "1crazing0.50(review),noplace2inclusion0.98,overthewholeimage3pitted" in said
    assert "a" * 64 in said
    assert "suspectimage:saturated" in said
    assert max(end for end, _ in written) <= picture.width
    # The strip itself stands below the band, whole and at its own scale.
    strip = np.asarray(picture)[picture.height - 64 :, :width]
    # Below the marks and inside the box around all of it.
    np.testing.assert_array_equal(strip[30:60, 2 : width - 2], np.full((30, width - 4, 3), 90))


def test_only_what_is_not_clean_gets_a_picture_unless_all_do(tmp_path: Path) -> None:
    refused = Scored(Item("c.jpg", "c"), JUDGE.refuse("c.jpg", Refused("the file is empty")))
    for everything, expected in ((False, {"a.jpg"}), (True, {"a.jpg", "b.jpg"})):
        folder = tmp_path / str(everything)
        overlays = Overlays(folder, CLASSES, LEVELS, everything)
        for one in (score(5, -5), score(-5, -5, "b.jpg"), refused):
            overlays.save(one)
        names = {path.name.removesuffix(".overlay.jpg") for path in folder.iterdir()}
        assert names == expected
    with Image.open(tmp_path / "True" / "a.jpg.overlay.jpg") as picture:
        assert picture.size == (256, 64 + BAND)


def test_a_picture_that_cannot_be_written_is_named_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jpg.overlay.jpg").mkdir()  # no file can take its place
    with pytest.raises(OSError, match="directory") as caught:
        Overlays(tmp_path, CLASSES, LEVELS).save(score(5, -5))
    assert "partial" not in str(caught.value.filename)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg.overlay.jpg"]


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("deep/a.jpg", "deep/a.jpg"),
        ("coil.zip!a.jpg", "coil.zip!a.jpg"),
        ("/mnt/a.jpg", "_root/mnt/a.jpg"),
    ],
)
def test_a_plain_id_is_the_path(id_: str, name: str) -> None:
    assert name_overlay(id_) == f"{name}.overlay.jpg"


_PARTS = st.sampled_from(["", ".", "..", "a", "a.jpg", "_up", "_root", "x" * 300, "ä" * 150, "b"])


@given(st.lists(_PARTS, min_size=1, max_size=4), st.lists(_PARTS, min_size=1, max_size=4))
def test_every_id_has_a_path_of_its_own_inside_the_folder(one: list[str], other: list[str]) -> None:
    first, second = "/".join(one), "/".join(other)
    path = name_overlay(first)
    parts = path.split("/")
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(parts)
    assert all(len(part.encode()) <= 255 for part in parts)
    assert first == second or path != name_overlay(second)
