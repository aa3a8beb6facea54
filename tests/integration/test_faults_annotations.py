"""Annotations with faults, fed through `stripsight data prepare`."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared

HEIGHT, WIDTH = 16, 40
PIXELS = HEIGHT * WIDTH
HEADER = "ImageId,ClassId,EncodedPixels"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "train_images").mkdir(parents=True)
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        noise = np.random.default_rng(seed).integers(60, 190, (HEIGHT, WIDTH), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "train_images" / name)
    return folder


@pytest.fixture
def prepare(source, tmp_path, capsys):
    def run(*options):
        code = run_command(
            ["data", "prepare", str(source), str(tmp_path / "out"), *options, "--json"]
        )
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return run


def assert_adds_up(account):
    rows = account["rows"]
    assert rows["read"] == rows["used"] + rows["refused"]
    assert rows["refused"] == sum(rows["refused_by_kind"].values())
    assert rows["refused"] - rows["refused_because_missing"] == len(rows["refused_rows"])


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ("1 2 3", "come in pairs"),
        ("1 0", "length 0"),
        ("1 -3", "not a positive whole number"),
        ("0 3", "starts at 0"),
        (f"{PIXELS} 2", f"a {WIDTH}x{HEIGHT} image has {PIXELS}"),
        (f"1 {10**30}", "lies beyond any image"),
        (f"{10**30} 1", "lies beyond any image"),
        ("10 2 1 2", "--repair"),
        ("1 5 3 5", "--repair"),
        ("", "no run"),
        ("nan", "not a positive whole number"),
    ],
)
def test_run_lengths_that_are_no_mask(source, prepare, tmp_path, pixels, reason):
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\nb.jpg,2,{pixels}\n")
    code, account, error = prepare()
    assert code == 1
    assert "nothing was written because of 1 refused row (listed above)" in error
    assert "--skip-refused" in error
    assert not (tmp_path / "out").exists()
    (row,) = account["rows"]["refused_rows"]
    assert (row["file"], row["place"], row["image"]) == ("train.csv", "row 3", "b.jpg")
    assert reason in row["reason"]
    assert_adds_up(account)


def test_repair_sorts_and_merges_and_counts(source, prepare, tmp_path):
    (source / "train.csv").write_text(
        f"{HEADER}\na.jpg,1,20 4 1 5 3 6\nb.jpg,2,1 5\nc.jpg,2,9 2 1 2\n"
    )
    code, account, _ = prepare("--repair")
    assert code == 0
    assert account["rows"]["masks_repaired"] == 2
    table = load_prepared(tmp_path / "out").annotations
    assert table["rle"].tolist() == ["1 8 20 4", "1 5", "1 2 9 2"]
    assert table["area"].tolist() == [12, 5, 4]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + f"{HEADER}\na.jpg,1,1 5\nb.jpg,2,7 2\n",
        f"{HEADER}\r\na.jpg,1,1 5\r\nb.jpg,2,7 2\r\n",
        f"{HEADER}\ra.jpg,1,1 5\rb.jpg,2,7 2",
        '"ImageId","ClassId","EncodedPixels"\n"a.jpg","1","1 5"\n"b.jpg",2,"7 2"\n',
        f"{HEADER}\n\na.jpg,1,1 5\n   \nb.jpg,2,7 2\n\n",
        "EncodedPixels,extra,ClassId,ImageId\n1 5,,1,a.jpg\n7 2,x,2,b.jpg\n",
        f"{HEADER}\n a.jpg , 1 , 1  5 \nb.jpg,2,7 2\n",
    ],
    ids=["bom", "crlf", "cr", "quoted", "blank lines", "other columns", "blanks"],
)
def test_tables_as_other_programs_write_them(source, prepare, tmp_path, text):
    (source / "train.csv").write_bytes(text.encode())
    code, _, _ = prepare()
    assert code == 0
    table = load_prepared(tmp_path / "out").annotations
    assert table[["image_id", "class_id", "rle"]].to_numpy().tolist() == [
        ["a.jpg", 1, "1 5"],
        ["b.jpg", 2, "7 2"],
    ]


@pytest.mark.parametrize(
    ("row", "kind", "image", "reason"),
    [
        ('b.jpg,2,"7 2', "malformed row", "b.jpg", "quote is never closed"),
        ('b.jpg,2,"7"x 2', "malformed row", "b.jpg", ""),
        ("b.jpg,2", "malformed row", "b.jpg", "2 cells, 3 are expected"),
        ("b.jpg,2,7 2,9", "malformed row", "b.jpg", "4 cells, 3 are expected"),
        ("b.jpg,7,7 2", "unknown class", "b.jpg", "class '7' is not in the class list"),
        ("b.jpg,0,7 2", "unknown class", "b.jpg", "class '0'"),
        ("b.jpg,1.0,7 2", "unknown class", "b.jpg", "class '1.0'"),
        ("b.jpg,,7 2", "unknown class", "b.jpg", "the class is blank"),
        ("a.jpg,1,7 2", "row twice", "a.jpg", "has a row already (row 2)"),
        ("../b.jpg,2,7 2", "image id", "b.jpg", "holds a path"),
        ("train_images/b.jpg,2,7 2", "image id", "b.jpg", "holds a path"),
        ("..\\b.jpg,2,7 2", "image id", "b.jpg", "holds a path"),
        ("C:b.jpg,2,7 2", "image id", "C:b.jpg", "holds a path"),
    ],
)
def test_rows_that_cannot_be_used(source, prepare, tmp_path, row, kind, image, reason):
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\n{row}\nc.jpg,3,1 5\n")
    code, account, _ = prepare()
    assert code == 1
    assert not (tmp_path / "out").exists()
    (refused,) = account["rows"]["refused_rows"]
    assert (refused["place"], refused["kind"]) == ("row 3", kind)
    assert reason in refused["reason"]
    assert (account["rows"]["read"], account["rows"]["used"]) == (3, 2)
    assert_adds_up(account)
    if image == "C:b.jpg":
        return
    assert refused["image"] == image
    assert prepare("--skip-refused")[0] == 0
    dataset = load_prepared(tmp_path / "out")
    assert image not in set(dataset.labelled_images["id"])
    assert image not in set(dataset.annotations["image_id"])
    assert dataset.reconciliation["images"]["unlabelled"] == {image: "refused: row 3 of train.csv"}


@pytest.mark.parametrize("row", [",2,7 2", '"b.jpg,2,7 2', "\x01.jpg,2,7 2", "b.jpg;2;7 2"])
def test_row_that_names_no_image_cannot_be_skipped(source, prepare, tmp_path, row):
    # Some image has a defect that is now unknown; skipping the row would call that image clean.
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\n{row}\n")
    code, account, _ = prepare()
    assert code == 1
    assert account["rows"]["refused_rows"][0]["place"] == "row 3"
    code, _, error = prepare("--skip-refused")
    assert code == 1
    assert "row 3 names no image that is here and cannot be skipped" in error
    assert not (tmp_path / "out").exists()


def test_row_cut_off_before_its_image_cannot_be_skipped(source, prepare):
    (source / "train.csv").write_text("EncodedPixels,ClassId,ImageId\n1 5,1,a.jpg\n7 2,2\n")
    assert prepare()[0] == 1
    code, _, error = prepare("--skip-refused")
    assert code == 1
    assert "row 3 names no image" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no annotation of any known form"),
        (f"{HEADER}\n", "holds no defect"),
        (f"{HEADER}\n\n\n", "holds no defect"),
        ("ImageId_ClassId,EncodedPixels\n", "holds no defect"),
        ("ImageId_ClassId,EncodedPixels\na.jpg_1,\na.jpg_2,\n", "holds no defect"),
        ("image,labels\n", "a header and no row"),
        ("ImageId,EncodedPixels\na.jpg,1 5\n", "row 1: exactly one column 'ClassId'"),
        ("ClassId,EncodedPixels\n1,1 5\n", "row 1: exactly one column 'ImageId'"),
        ("picture,tags\na.jpg,rust\n", "no annotation of any known form"),
        (f"{HEADER},ClassId\na.jpg,1,1 5,2\n", "exactly one column 'ClassId'"),
    ],
)
def test_tables_without_anything_to_learn_from(source, prepare, tmp_path, text, message):
    (source / "train.csv").write_text(text)
    code, _, error = prepare("--skip-refused")
    assert code == 1
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_table_that_is_not_utf8_names_the_row(source, prepare):
    (source / "train.csv").write_bytes(f"{HEADER}\na.jpg,1,1 5\n".encode() + b"\xff.jpg,1,1 2\n")
    code, _, error = prepare()
    assert code == 1
    assert "train.csv, row 3: not UTF-8" in error


def test_listed_image_that_is_missing_is_counted_and_named(source, prepare, tmp_path):
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\nx.jpg,1,1 5\nx.jpg,2,0 0\n")
    code, account, _ = prepare()
    assert code == 0
    assert account["missing_images"] == ["x.jpg"]
    assert account["rows"]["refused_because_missing"] == 2
    assert_adds_up(account)
    assert load_prepared(tmp_path / "out").reconciliation["missing_images"] == ["x.jpg"]


def test_terminal_lists_twenty_names_and_the_number_of_the_rest(source, tmp_path, capsys):
    rows = "".join(f"x{i:02}.jpg,1,1 5\n" for i in range(33))
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\n{rows}")
    assert run_command(["data", "prepare", str(source), str(tmp_path / "out")]) == 1
    text = capsys.readouterr().out
    assert "annotated, but missing (33):" in text
    assert "  x19.jpg\n  ... and 13 more" in text
    assert "x20.jpg" not in text


def test_old_table_without_an_image_leaves_it_unlabelled(source, prepare, tmp_path):
    rows = [f"{i}.jpg_{c},{'1 5' if c == 1 else ''}" for i in "ab" for c in (1, 2, 3, 4)]
    (source / "train.csv").write_text("ImageId_ClassId,EncodedPixels\n" + "\n".join(rows))
    code, account, _ = prepare()
    assert code == 0
    assert account["images"]["unlabelled"] == {"c.jpg": "no annotation"}
    assert load_prepared(tmp_path / "out").labelled_images["id"].tolist() == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("a.jpg,1", "image id"),
        ("a.jpg_9,1 5", "unknown class"),
        ("a.jpg_,1 5", "unknown class"),
        ("_1,1 5", "image id"),
        ("../a.jpg_1,1 5", "image id"),
        ("b.jpg_1,", "row twice"),
    ],
)
def test_old_tables_rows_that_cannot_be_used(source, prepare, row, kind):
    rows = [f"{i}.jpg_{c},{'1 5' if c == 1 else ''}" for i in "b" for c in (1, 2, 3, 4)]
    (source / "train.csv").write_text(
        "\n".join(["ImageId_ClassId,EncodedPixels", *rows, row]) + "\n"
    )
    code, account, _ = prepare()
    assert code == 1
    (refused,) = account["rows"]["refused_rows"]
    assert (refused["place"], refused["kind"]) == ("row 6", kind)
    assert_adds_up(account)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("b.jpg,rust|", "malformed row"),
        ("b.jpg,rust|rust", "row twice"),
        ("a.jpg,rust", "row twice"),
        ("b.jpg,hole", "unknown class"),
        ("../b.jpg,rust", "image id"),
        (",rust", "image id"),
        ("b.jpg", "malformed row"),
    ],
)
def test_plain_tables_rows_that_cannot_be_used(source, prepare, tmp_path, row, kind):
    (source / "labels.csv").write_text(f"image,labels\na.jpg,rust\n{row}\n")
    code, account, _ = prepare("--classes", "rust,dent")
    assert code == 1
    (refused,) = account["rows"]["refused_rows"]
    assert (refused["place"], refused["kind"]) == ("row 3", kind)
    assert_adds_up(account)
    assert prepare("--classes", "rust,dent", "--skip-refused")[0] == 0
    labelled = set(load_prepared(tmp_path / "out").labelled_images["id"])
    assert labelled <= {"a.jpg"}


def pack(data):
    return base64.b64encode(zlib.compress(data)).decode()


def encode_png(mask):
    stream = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(stream, "PNG")
    return stream.getvalue()


def bitmap(data, origin=(0, 0), title="defect_1"):
    return {
        "classTitle": title,
        "geometryType": "bitmap",
        "bitmap": {"data": data, "origin": list(origin)},
    }


SQUARE = encode_png(np.ones((8, 8), dtype=np.uint8))
GOOD = bitmap(pack(SQUARE))


def rectangle(*corners):
    exterior = [list(c) for c in corners]
    return {
        "classTitle": "defect_1",
        "geometryType": "rectangle",
        "points": {"exterior": exterior, "interior": []},
    }


@pytest.fixture
def write_json(source):
    def write(name, objects, size=(HEIGHT, WIDTH)):
        (source / "ann").mkdir(exist_ok=True)
        content = {"size": {"height": size[0], "width": size[1]}, "objects": objects}
        (source / "ann" / f"{name}.json").write_text(json.dumps(content))

    return write


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (bitmap(pack(SQUARE), (WIDTH - 7, 0)), "leaves the 40x16 image"),
        (bitmap(pack(SQUARE), (0, HEIGHT - 7)), "leaves the 40x16 image"),
        (bitmap(pack(SQUARE), (-1, 0)), "leaves the 40x16 image"),
        (bitmap(pack(SQUARE), (10**8, 0)), "leaves the 40x16 image"),
        (bitmap(pack(SQUARE), (10**12, 0)), "no whole number of pixels"),
        (bitmap(pack(SQUARE), (0.5, 0)), "no whole number of pixels"),
        (bitmap(pack(SQUARE), (float("nan"), 0)), "no whole number of pixels"),
        (bitmap("@@@not base64@@@"), "no base64"),
        (bitmap("eJ\u00e9"), "no base64"),
        (bitmap(base64.b64encode(b"no zlib").decode()), "no zlib stream"),
        (bitmap(base64.b64encode(zlib.compress(SQUARE)[:-9]).decode()), "cut off"),
        (bitmap(pack(b"no png")), "no readable PNG"),
        (bitmap(pack(SQUARE[:50])), "no readable PNG"),
        (bitmap(pack(bytes(80 * 2**20))), "unpacks to more than"),
        (bitmap(pack(encode_png(np.zeros((8, 8), dtype=np.uint8)))), "the bitmap is empty"),
        (bitmap(pack(SQUARE), title="defect_9"), "class 'defect_9' is not in the class list"),
        (bitmap(pack(SQUARE), title=""), "`classTitle` is missing"),
        ({"classTitle": "defect_1", "geometryType": "line", "points": {}}, "not supported"),
        ({"classTitle": "defect_1", "geometryType": "bitmap"}, "`bitmap.data` is missing"),
        (bitmap(pack(SQUARE), (1, 2, 3)), "must be [x, y]"),
        ("text", "`classTitle` is missing"),
        (rectangle((50, 0), (60, 9)), "outside the 40x16 image"),
        (rectangle((1, 1)), "not supported"),
    ],
)
def test_supervisely_objects_that_cannot_be_used(prepare, write_json, tmp_path, item, reason):
    write_json("a.jpg", [GOOD])
    write_json("b.jpg", [GOOD, item])
    code, account, _ = prepare()
    assert code == 1
    assert not (tmp_path / "out").exists()
    (row,) = account["rows"]["refused_rows"]
    assert (row["file"], row["place"], row["image"]) == ("ann/b.jpg.json", "object 2", "b.jpg")
    assert reason in row["reason"]
    assert (account["rows"]["read"], account["rows"]["used"]) == (3, 2)
    assert prepare("--skip-refused")[0] == 0
    assert load_prepared(tmp_path / "out").labelled_images["id"].tolist() == ["a.jpg"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("\xff\xfe", "no JSON"),
        ("[]", "`size` and `objects`"),
        ('{"objects": []}', "`size` and `objects`"),
        ('{"size": {"height": "x", "width": 3}, "objects": []}', "no whole number"),
    ],
)
def test_supervisely_files_that_cannot_be_read(
    source, prepare, write_json, tmp_path, content, reason
):
    write_json("a.jpg", [GOOD])
    (source / "ann" / "b.jpg.json").write_text(content, encoding="latin-1")
    code, account, _ = prepare()
    assert code == 1
    (row,) = account["rows"]["refused_rows"]
    assert (row["file"], row["place"], row["image"]) == ("ann/b.jpg.json", "file", "b.jpg")
    assert reason in row["reason"]
    assert prepare("--skip-refused")[0] == 0
    assert load_prepared(tmp_path / "out").labelled_images["id"].tolist() == ["a.jpg"]


@pytest.mark.parametrize("objects", [[], [GOOD]])
def test_supervisely_size_that_disagrees_with_the_image(prepare, write_json, objects):
    write_json("a.jpg", [GOOD])
    write_json("b.jpg", objects, size=(HEIGHT, WIDTH + 1))
    code, account, _ = prepare()
    assert code == 1
    (row,) = account["rows"]["refused_rows"]
    assert row["file"] == "ann/b.jpg.json"
    assert "it is for 41x16 pixels, b.jpg has 40x16" in row["reason"]


def voc(objects="", size="<size><width>40</width><height>16</height></size>"):
    return f"<annotation>{size}{objects}</annotation>"


def voc_object(xmin="1", ymin="1", xmax="5", ymax="5", name="dent"):
    return (
        f"<object><name>{name}</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>"
        f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
    )


BILLION_LAUGHS = (
    '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]>'
    "<annotation><filename>&y;</filename></annotation>"
)
OUTSIDE_FILE = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<annotation><filename>&x;</filename></annotation>"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no XML"),
        ("<annotation>", "no XML"),
        ("<html/>", "no VOC annotation"),
        (BILLION_LAUGHS, "no XML that may be read"),
        (OUTSIDE_FILE, "no XML that may be read"),
        (voc(voc_object(xmin="x")), "<xmin> is 'x'"),
        (voc(voc_object(xmin="nan")), "<xmin> is 'nan'"),
        (voc(voc_object(xmin="1e30")), "<xmin> is '1e30'"),
        (voc(voc_object(xmin="6")), "no area"),
        (voc(voc_object(xmin="41", xmax="50")), "outside the 40x16 image"),
        (voc(voc_object(name="")), "<name> is missing"),
        (voc("<object><name>dent</name></object>"), "<bndbox> is missing"),
        (voc(size="<size><width>16</width><height>40</height></size>"), "it is for 16x40 pixels"),
        (voc(voc_object(name="hole")), "class 'hole' is not in the class list"),
    ],
)
def test_voc_files_that_cannot_be_used(source, prepare, tmp_path, text, reason):
    (source / "annotations").mkdir()
    (source / "annotations" / "a.xml").write_text(voc(voc_object()))
    (source / "annotations" / "b.xml").write_text(text)
    code, account, _ = prepare("--classes", "dent,rust")
    assert code == 1
    (row,) = account["rows"]["refused_rows"]
    assert row["file"] == "annotations/b.xml"
    assert reason in row["reason"]
    assert_adds_up(account)
    assert prepare("--classes", "dent,rust", "--skip-refused")[0] == 0
    assert load_prepared(tmp_path / "out").labelled_images["id"].tolist() == ["a.jpg"]


def test_two_images_of_one_name_are_not_guessed_between(source, prepare):
    noise = np.random.default_rng(8).integers(60, 190, (HEIGHT, WIDTH), dtype=np.uint8)
    (source / "train_images" / "more").mkdir()
    Image.fromarray(noise).save(source / "train_images" / "more" / "a.jpg")
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\nb.jpg,1,1 5\n")
    code, account, _ = prepare()
    assert code == 1
    (row,) = account["rows"]["refused_rows"]
    assert "a.jpg or train_images/more/a.jpg" in row["reason"]
    code, account, _ = prepare("--skip-refused")
    assert code == 0
    assert sorted(account["images"]["unlabelled"]) == ["a.jpg", "more/a.jpg"]


def test_old_table_at_full_scale_is_read_whole():
    from stripsight.data.readers.kaggle import read_kaggle_old

    rows = [
        f"{i:09x}.jpg_{c},{'1 5 9 5 ' * 40 if c == 3 else ''}"
        for i in range(12568)
        for c in (1, 2, 3, 4)
    ]
    data = "\n".join(["ImageId_ClassId,EncodedPixels", *rows]).encode()
    table = read_kaggle_old(data, "train.csv")
    assert table.rows_read == len(table.rows) == 50_272
    assert not table.incomplete


@pytest.mark.parametrize(
    ("on_disk", "named"),
    [
        ("d.jpg", "D.JPG"),
        ("d.jpg", "d.png"),
        ("d.jpg", "d.jpeg"),
        ("D.jpg", "d"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}.jpg", "e\N{COMBINING ACUTE ACCENT}.jpg"),
        ("e\N{COMBINING ACUTE ACCENT}.jpg", "\N{LATIN SMALL LETTER E WITH ACUTE}.jpg"),
    ],
)
def test_image_named_almost_right_is_in_doubt_not_clean(source, prepare, tmp_path, on_disk, named):
    (source / "train_images" / "c.jpg").rename(source / "train_images" / on_disk)
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\n{named},2,3 2\n", "utf-8")
    code, account, _ = prepare()
    assert code == 0
    assert_adds_up(account)
    assert account["missing_images"] == [named]
    assert list(account["images"]["unlabelled"]) == [on_disk]
    assert "row 3 of train.csv" in account["images"]["unlabelled"][on_disk]
    images = load_prepared(tmp_path / "out").images
    assert dict(zip(images["id"], images["labelled"], strict=True)) == {
        "a.jpg": True,
        "b.jpg": True,
        on_disk: False,
    }


def test_refused_row_named_almost_right_puts_the_image_in_doubt(source, prepare, tmp_path):
    (source / "train.csv").write_text(f"{HEADER}\na.jpg,1,1 5\nB.JPG,,3 2\n")
    code, account, _ = prepare("--skip-refused")
    assert code == 0
    assert list(account["images"]["unlabelled"]) == ["b.jpg"]


@pytest.mark.parametrize("name", ["x.jpg", "A.jpg"])
def test_table_of_which_no_row_is_used_makes_nothing_clean(source, prepare, tmp_path, name):
    (source / "train.csv").write_text(f"{HEADER}\n{name},1,1 5\n")
    code, _, error = prepare()
    assert code == 1
    assert "every image would then be clean" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("label", ["99999999999", "1" + "0" * 60])
def test_number_that_no_table_can_hold_is_refused_before_writing(source, prepare, tmp_path, label):
    (source / "t.csv").write_text(f"image,labels\na.jpg,{label}\nb.jpg,1\n")
    code, _, error = prepare()
    assert code == 1
    assert "too large" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_label_of_thousands_of_digits_is_a_refused_row(source, prepare):
    (source / "t.csv").write_text(f"image,labels\na.jpg,{'9' * 5000}\nb.jpg,1\n")
    code, account, _ = prepare("--skip-refused")
    assert code == 0
    assert_adds_up(account)
    assert account["rows"]["refused_by_kind"] == {"unknown class": 1}
    assert "5,000 characters" in account["rows"]["refused_rows"][0]["reason"]


def test_class_title_that_is_no_text_is_a_refused_object(source, prepare):
    (source / "ann").mkdir()
    for name, title in (("a.jpg", "\ud800"), ("b.jpg", "rust")):
        bar = {"exterior": [[1, 1], [5, 5]], "interior": []}
        item = {"classTitle": title, "geometryType": "rectangle", "points": bar}
        content = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": [item]}
        (source / "ann" / f"{name}.json").write_text(json.dumps(content))
    code, account, _ = prepare("--skip-refused")
    assert code == 0
    assert_adds_up(account)
    assert "control characters" in account["rows"]["refused_rows"][0]["reason"]
    assert account["classes"].keys() == {"rust"}
