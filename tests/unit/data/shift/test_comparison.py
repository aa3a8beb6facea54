import io
import shutil

import numpy as np
import pytest
from PIL import Image

from stripsight.data.shift.comparison import COMPARED, compare_sets
from stripsight.data.shift.figure import draw_comparison
from stripsight.data.shift.image_set import open_image_set
from stripsight.data.shift.report import conclude, list_warnings, to_json
from stripsight.data.splits.store import make_split, save_split
from stripsight.errors import DataError, SplitError, UsageError


@pytest.fixture
def make_folder(tmp_path):
    """A folder of small strips; every option is taken for all of them."""

    def build(name, count, *, seed, mean=110, suffix=".jpg", border=0, **options):
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(seed)
        for number in range(count):
            level = rng.normal(mean, 10)
            grey = rng.normal(level, rng.uniform(5, 15), (32, 96)).clip(11, 255).astype(np.uint8)
            grey[:, :border] = 0
            Image.fromarray(grey).save(folder / f"{number:03d}{suffix}", **options)
        return folder

    return build


def compare(a, b, **options):
    return compare_sets(open_image_set(str(a)), open_image_set(str(b)), **options)


def shift_of(comparison, name):
    return next(s for s in comparison.shifts if s.name == name)


def test_brighter_images_are_told_apart_by_their_brightness(make_folder):
    result = compare(
        make_folder("a", 100, seed=0), make_folder("b", 100, seed=1, mean=135), workers=1
    )
    assert tuple(s.name for s in result.shifts) == COMPARED
    brightness = shift_of(result, "brightness")
    assert brightness.stability.verdict == "large"
    assert brightness.medians[0] == pytest.approx(110, abs=4)
    assert brightness.medians[1] == pytest.approx(135, abs=4)
    assert shift_of(result, "border_left").stability.psi == 0
    assert result.test.low > 0.8
    assert conclude(result).startswith(f"{result.title_b} differs from {result.title_a}")
    assert "brightness (PSI" in conclude(result)


def test_two_halves_of_one_kind_are_not(make_folder):
    result = compare(make_folder("a", 90, seed=0), make_folder("b", 80, seed=1), workers=1)
    assert result.test.low <= 0.5 <= result.test.high
    assert "cannot be told from" in conclude(result)
    assert "no statistic moved" in conclude(result)
    assert "too few for the usual limits" in list_warnings(result)[0]


def test_what_is_too_few_counts_look_alikes_once(make_folder):
    a, b = make_folder("a", 30, seed=0), make_folder("b", 25, seed=1)
    for number in range(7):
        shutil.copy(a / f"{number:03d}.jpg", a / f"again{number}.jpg")
    result = compare(a, b, workers=1)
    assert (result.images_a, result.images_b) == (37, 25)
    assert list_warnings(result)[0].startswith("30 and 25 images, look-alikes counted once,")
    assert to_json(result)["a"]["look_alikes_counted_once"] == 30


def test_another_quality_and_a_border_are_seen(make_folder):
    result = compare(
        make_folder("a", 60, seed=0, quality=90),
        make_folder("b", 60, seed=1, quality=70, border=16),
        workers=1,
    )
    assert shift_of(result, "jpeg_quality").medians == (90, 70)
    assert shift_of(result, "jpeg_quality").stability.verdict == "large"
    assert shift_of(result, "border_left").medians == (0, 16)
    assert shift_of(result, "border_left").stability.verdict == "large"


def test_png_has_no_quality_and_is_another_thing_than_jpeg(make_folder):
    a, b = make_folder("a", 50, seed=0, suffix=".png"), make_folder("b", 50, seed=1)
    result = compare(a, b, workers=1)
    quality = shift_of(result, "jpeg_quality")
    assert quality.medians == (None, 75)
    assert quality.stability.verdict == "large"
    assert to_json(result)["statistics"]["jpeg_quality"]["median_a"] is None
    draw_comparison(result)


def test_odd_images_come_first(make_folder):
    a, b = make_folder("a", 60, seed=0), make_folder("b", 60, seed=1)
    for number in range(12):
        stripes = np.tile(np.repeat([60, 160], number + 2), 96)[:96]
        Image.fromarray(np.tile(stripes.astype(np.uint8), (32, 1))).save(b / f"odd {number}.jpg")
    result = compare(a, b, workers=1, listed=6)
    assert len(result.most_unlike) == 6
    assert all(image.image.startswith("odd") for image in result.most_unlike)
    scores = [image.score for image in result.most_unlike]
    assert scores == sorted(scores, reverse=True)


def test_few_images_give_numbers_and_no_classifier(make_folder):
    result = compare(make_folder("a", 1, seed=0), make_folder("b", 3, seed=1))
    assert result.test is None
    assert result.most_unlike == ()
    assert "fewer than 40 images" in conclude(result)
    assert to_json(result)["too_few_images"]
    draw_comparison(result)


def test_the_same_files_are_refused_wherever_they_lie(make_folder):
    a, b = make_folder("a", 5, seed=0), make_folder("b", 5, seed=0)
    with pytest.raises(DataError, match="the same 5 files"):
        compare(a, b)


def test_shared_files_are_counted(make_folder):
    a, b = make_folder("a", 6, seed=0), make_folder("b", 5, seed=1)
    (b / "twin.jpg").write_bytes((a / "000.jpg").read_bytes())
    result = compare(a, b)
    assert result.shared == 1
    assert any("1 file stands in both" in line for line in list_warnings(result))


def test_unreadable_images_are_named(make_folder):
    a, b = make_folder("a", 5, seed=0), make_folder("b", 5, seed=1)
    (b / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    result = compare(a, b)
    assert list(result.unreadable_b) == ["broken.jpg"]
    assert result.images_b == 5
    assert "broken.jpg" in list_warnings(result)[-1]


def test_a_set_of_unreadable_images_is_refused(make_folder, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "x.jpg").write_bytes(b"text")
    with pytest.raises(DataError, match=r"no image of .*broken can be read"):
        compare(make_folder("a", 2, seed=0), broken)


def test_parts_of_a_split_are_taken(make_prepared):
    dataset = make_prepared([{1: "box"}, {2: "box"}, {}] * 10)
    split = make_split(dataset, "mine", fractions=(0.6, 0.2, 0.2), seed=0)
    save_split(dataset, split)
    images = open_image_set(f"{dataset.root}:mine/train")
    assert [file.key for file in images.files] == split.ids("train")
    assert len(open_image_set(str(dataset.root)).files) == 30


def test_look_alikes_of_a_data_set_are_one_group(make_prepared):
    dataset = make_prepared([{}] * 4, groups=[0, 1, 1, 2])
    groups = open_image_set(str(dataset.root)).groups
    assert groups[1] == groups[2]
    assert len(set(groups)) == 3


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("nowhere", UsageError, "nowhere is no folder"),
        ("{root}:mine", UsageError, "names no part: .*:mine/train"),
        ("{root}:mine/tset", UsageError, "tset is no part of mine: train, validation, test"),
        (
            "{root}:other/train",
            SplitError,
            r"'other' is not stored \(stored: cv-1, cv-2, mine\)",
        ),
        ("{root}:cv/train", SplitError, "'cv' is a set of 2 folds: name one of cv-1, cv-2"),
        ("{root}:../x/train", SplitError, "split name '../x'"),
        ("{empty}", DataError, "holds no image"),
    ],
)
def test_what_is_no_set_of_images_is_refused(make_prepared, tmp_path, given, error, message):
    dataset = make_prepared([{}] * 6)
    save_split(dataset, make_split(dataset, "mine", fractions=(0.4, 0.3, 0.3), seed=0))
    splits = dataset.root / "splits"
    for number in (1, 2):
        (splits / f"cv-{number}.csv").write_text("id,split\n")
        (splits / f"cv-{number}.json").write_text('{"fold": {"of": "cv"}}')
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        open_image_set(given.format(root=dataset.root, empty=tmp_path / "empty"))


@pytest.mark.parametrize("level", [0, 255])
def test_figures_of_flat_images_are_drawn(tmp_path, level):
    for name, size in (("a", 8), ("b", 9)):
        (tmp_path / name).mkdir()
        for number in range(3):
            grey = np.full((size, 20 + number), level, np.uint8)
            Image.fromarray(grey).save(tmp_path / name / f"{number}.png")
    result = compare(tmp_path / "a", tmp_path / "b", workers=1)
    assert shift_of(result, "sharpness").values_a.max() == 0
    draw_comparison(result)


def test_the_figure_is_a_png_of_its_size(make_folder):
    result = compare(make_folder("a", 10, seed=0), make_folder("b" * 200, 10, seed=1))
    plot = draw_comparison(result)
    with Image.open(io.BytesIO(plot.png)) as image:
        assert image.size == (plot.width, plot.height)
