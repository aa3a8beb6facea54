import pytest

from stripsight.data.readers.detection import detect_layout
from stripsight.data.readers.folders import look_like_classes, read_folders
from stripsight.errors import DataError

KAGGLE = b"ImageId,ClassId,EncodedPixels\n"
OLD = b"ImageId_ClassId,EncodedPixels\n"
PLAIN = b"image,labels\n"
XML = b"<annotation></annotation>"


class FakeTree:
    """Files in memory, for a source."""

    folder = None
    title = "fake"

    def __init__(self, *names, **contents):
        self.contents = dict.fromkeys(names, b"") | contents
        self.files = tuple(sorted(self.contents))

    def read(self, name, limit):
        return self.contents[name][: limit + 1]


def make_tree(files):
    return FakeTree(
        *(f for f in files if isinstance(f, str)),
        **dict(f for f in files if not isinstance(f, str)),
    )


@pytest.mark.parametrize(
    ("files", "form", "annotations", "folder", "images"),
    [
        (
            [("train.csv", KAGGLE), "train_images/a.jpg", "test_images/b.jpg"],
            "kaggle", ("train.csv",), "train_images", ("train_images/a.jpg",),
        ),
        (
            [("x/train.csv", OLD), ("x/sample_submission.csv", OLD), "x/train_images/a.jpg"],
            "kaggle-old", ("x/train.csv",), "x/train_images", ("x/train_images/a.jpg",),
        ),
        (
            [("train.csv", KAGGLE), ("more/train.csv", KAGGLE), "a.JPG", "test_images/b.jpg"],
            "kaggle", ("train.csv",), "", ("a.JPG",),
        ),
        (
            ["ds/ann/a.jpg.json", "ds/img/a.jpg", "meta.json", "other/b.jpg"],
            "supervisely", ("ds/ann/a.jpg.json",), "ds/img", ("ds/img/a.jpg",),
        ),
        (
            ["1/ann/a.jpg.json", "1/img/a.jpg", "2/ann/b.png.json", "2/img/b.png"],
            "supervisely", ("1/ann/a.jpg.json", "2/ann/b.png.json"), "",
            ("1/img/a.jpg", "2/img/b.png"),
        ),
        (
            [("v/Annotations/a.xml", XML), "v/JPEGImages/a.jpg", "u/b.jpg"],
            "voc", ("v/Annotations/a.xml",), "v/JPEGImages", ("v/JPEGImages/a.jpg",),
        ),
        ([("a.xml", XML), "a.jpg"], "voc", ("a.xml",), "", ("a.jpg",)),
        (
            [("p/labels.csv", PLAIN), "p/a.jpg", "q/b.jpg"],
            "csv", ("p/labels.csv",), "p", ("p/a.jpg",),
        ),
        (["dent/a.jpg", "rust/b.jpg"], "folders", (), "", ("dent/a.jpg", "rust/b.jpg")),
        (
            [("annotations/a.xml", XML), "images/dent/a.jpg", "images/rust/b.jpg"],
            "voc", ("annotations/a.xml",), "images", ("images/dent/a.jpg", "images/rust/b.jpg"),
        ),
    ],
)  # fmt: skip
def test_form_and_images_are_found(files, form, annotations, folder, images):
    layout = detect_layout(make_tree(files))
    assert layout.format == form
    assert layout.annotation_files == annotations
    assert layout.image_folder == folder
    assert layout.image_files == images
    pictures = [f for f in make_tree(files).files if f.lower().endswith((".jpg", ".png"))]
    assert layout.images_elsewhere == len(pictures) - len(images)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train.txt"], "no image"),
        (["a.jpg"], "no annotation of any known form"),
        ([("a.csv", KAGGLE), ("b.csv", KAGGLE), "a.jpg"], r"kaggle \(a.csv\); kaggle \(b.csv\)"),
        ([("a.csv", PLAIN), ("v/a.xml", XML), "a.jpg"], r"csv \(a.csv\); voc \(v/a.xml\)"),
        ([("s.xml", b"<svg/>"), "a.jpg"], "no annotation of any known form"),
    ],
)
def test_nothing_or_too_much_is_refused(files, message):
    with pytest.raises(DataError, match=message):
        detect_layout(make_tree(files))


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["dent/a.jpg", "rust/a.jpg"], True),
        (["x/dent/a.jpg", "x/rust/a.jpg", "x/good/a.jpg"], True),
        (["dent/a.jpg"], False),
        (["dent/a.jpg", "a.jpg"], False),
        (["train/a.jpg", "test/a.jpg"], False),
        (["train_images/a.jpg", "rust/a.jpg"], False),
    ],
)
def test_folders_that_may_be_classes(images, expected):
    assert look_like_classes(images) is expected


@pytest.mark.parametrize("folder", ["clean", "OK", "Good", "no_defect"])
def test_folders_without_a_defect(folder):
    (row,) = read_folders([f"{folder}/a.jpg"]).rows
    assert row.marks == ()


def test_image_in_no_folder_has_no_row():
    assert read_folders(["a.jpg"]).rows == ()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", "image,labels\n".encode("utf-16"), "t.csv: UTF-16"),
        ("t.csv", b"image;labels\na.jpg;rust\n", "separated by semicolons"),
        ("t.csv", b"image\tlabels\n", "separated by tabs"),
        ("t.csv", b"picture,kind\n", "its columns are 'picture, kind'"),
        ("t.csv", b"", "no header"),
        ("t.csv", b"b\xe9,labels\n", "not UTF-8"),
        ("coco.json", b"{}", "not named as its image"),
        ("a.xml", b"<other/>", "no <annotation>"),
        ("a.xml", "<annotation/>".encode("utf-16"), "UTF-16"),
        ("t.xlsx", b"PK", "save it as .csv"),
        ("readme", b"", "no file ends in .csv"),
    ],
)
def test_what_was_looked_at_and_why_it_did_not_fit(name, content, reason):
    with pytest.raises(DataError) as caught:
        detect_layout(make_tree(["a.jpg", (name, content)]))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_form_that_is_there_is_named_where_another_is_wanted():
    with pytest.raises(DataError, match=r"t\.csv: one of another form"):
        detect_layout(make_tree(["a.jpg", ("t.csv", PLAIN)]), "voc")


def test_only_the_first_misfits_are_named():
    with pytest.raises(DataError, match="and 7 more"):
        detect_layout(make_tree(["a.jpg", *((f"{i}.csv", b"x,y\n") for i in range(10))]))
