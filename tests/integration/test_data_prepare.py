"""`stripsight data prepare` from every form, through the command line."""

import base64
import io
import json
import os
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared
from stripsight.data.rle import decode_mask, encode_mask

HEIGHT, WIDTH = 32, 64
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def write_image(path, seed=0, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(60, 190, size, dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=90)


def make_mask(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


MASKS = {
    ("a.jpg", 1): make_mask(2, 3, 9, 20),
    ("a.jpg", 3): make_mask(10, 0, 32, 64),
    ("b.jpg", 4): make_mask(0, 0, 1, 1),
}


def write_kaggle(root, masks=MASKS, images=("a.jpg", "b.jpg", "c.jpg")):
    for seed, name in enumerate(images):
        write_image(root / "train_images" / name, seed)
    rows = [f"{name},{class_id},{encode_mask(m)}" for (name, class_id), m in masks.items()]
    (root / "train.csv").write_text("\n".join(["ImageId,ClassId,EncodedPixels", *rows]) + "\n")
    return root


def pack_bitmap(mask, mode):
    picture = Image.fromarray(mask * np.uint8(255)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.fromarray(mask * np.uint8(255)))
    stream = io.BytesIO()
    picture.save(stream, "PNG", **({"transparency": 0} if mode == "P" else {}))
    return base64.b64encode(zlib.compress(stream.getvalue())).decode()


def make_bitmap(mask, title, mode="P"):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    origin = [int(columns[0]), int(rows[0])]
    return {
        "classTitle": title,
        "geometryType": "bitmap",
        "bitmap": {"data": pack_bitmap(part, mode), "origin": origin},
    }


def write_supervisely(root, objects_of, *, image_folder="img", size=(HEIGHT, WIDTH)):
    (root / "ann").mkdir(parents=True, exist_ok=True)
    for seed, (name, objects) in enumerate(objects_of.items()):
        write_image(root / image_folder / name, seed)
        content = {"size": {"height": size[0], "width": size[1]}, "objects": objects}
        (root / "ann" / f"{name}.json").write_text(json.dumps(content))
    return root


def prepare(capsys, *arguments):
    code = run_command(["data", "prepare", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def masks_of(dataset):
    sizes = {row.id: (row.height, row.width) for row in dataset.images.itertuples()}
    return {
        (row.image_id, row.class_id): decode_mask(row.rle, *sizes[row.image_id])
        for row in dataset.annotations.itertuples()
    }


def assert_same_masks(found, expected):
    assert found.keys() == expected.keys()
    for key, mask in expected.items():
        assert np.array_equal(found[key], mask), key


def test_kaggles_new_table(tmp_path, capsys):
    source = write_kaggle(tmp_path / "source")
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    dataset = load_prepared(tmp_path / "out")
    assert_same_masks(masks_of(dataset), MASKS)
    assert dataset.label_matrix().tolist() == [[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert dataset.classes.names == ("defect_1", "defect_2", "defect_3", "defect_4")
    assert dataset.image_root == (source / "train_images").resolve()
    assert dataset.annotations["area"].tolist() == [119, 1408, 1]
    assert account["rows"] | {"read": 3, "used": 3, "refused": 0} == account["rows"]
    assert account["images"]["clean"] == 1
    assert account["classes"]["defect_3"] == {"images": 1, "prevalence": pytest.approx(1 / 3)}
    assert dataset.reconciliation == account


def test_printed_account_names_the_next_command(tmp_path, capsys):
    write_kaggle(tmp_path / "source")
    assert run_command(["data", "prepare", str(tmp_path / "source"), str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "rows read                 3" in text
    assert "size 64x32" in text
    assert text.splitlines()[-1] == f"next: stripsight data analyze {tmp_path / 'out'}"
    for nothing in ("unreadable", "suspect", "refused", "missing", "clipped", "WARNING"):
        assert nothing not in text


@pytest.mark.parametrize("lost", [1, 5, 6])
def test_missing_images_are_said_loudly_and_most_of_them_refused(tmp_path, capsys, lost):
    names = [f"{i}.jpg" for i in range(10)]
    source = write_kaggle(
        tmp_path / "source", {(n, 1): make_mask(0, 0, 2, 2) for n in names}, names
    )
    for name in names[:lost]:
        (source / "train_images" / name).unlink()
    words = ["data", "prepare", str(source), str(tmp_path / "out")]
    if lost == 6:
        assert run_command(words) == 1
        error = capsys.readouterr().err
        assert "because of 6 missing images (of 10 annotated)" in error
        assert error.count("\n") == 1
        assert not (tmp_path / "out").exists()
        words.append("--skip-refused")
    assert run_command(words) == 0
    verb = "is" if lost == 1 else "are"
    sentence = f"{lost} of 10 annotated images {verb} missing from the images"
    warning = capsys.readouterr().out.splitlines()[-2]
    assert warning.startswith(f"WARNING: {sentence} (names above and in dataset.json)")
    assert run_command(["data", "check", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(f["severity"], f["kind"]) for f in report["findings"]] == [
        ("warning", "missing images")
    ]
    assert sentence in report["findings"][0]["message"]


def test_few_labelled_images_are_said(tmp_path, capsys):
    for seed, name in enumerate("abc"):
        write_image(tmp_path / "source" / f"{name}.jpg", seed)
    (tmp_path / "source" / "labels.csv").write_text("image,labels\na.jpg,rust\n")
    assert run_command(["data", "prepare", str(tmp_path / "source"), str(tmp_path / "out")]) == 0
    assert "WARNING: 1 of 3 images are labelled" in capsys.readouterr().out


def test_kaggles_old_table_says_of_every_class_whether_it_is_there(tmp_path, capsys):
    source = tmp_path / "source"
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")):
        write_image(source / "train_images" / name, seed)
    rows = [
        f"{name}_{class_id},{encode_mask(MASKS.get((name, class_id), np.zeros((1, 1))))}"
        for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
        for class_id in (1, 2, 3, 4)
    ]
    rows.remove("d.jpg_2,")
    (source / "train.csv").write_text("\n".join(["ImageId_ClassId,EncodedPixels", *rows]))
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    dataset = load_prepared(tmp_path / "out")
    assert_same_masks(masks_of(dataset), MASKS)
    assert account["rows"]["read"] == account["rows"]["used"] == 15
    assert account["images"]["unlabelled"] == {
        "d.jpg": "not every class is stated",
        "e.jpg": "no annotation",
    }
    assert dataset.labelled_images["id"].tolist() == ["a.jpg", "b.jpg", "c.jpg"]


def test_both_forms_give_the_same_data_set(tmp_path, capsys):
    write_kaggle(tmp_path / "kaggle")
    write_supervisely(
        tmp_path / "supervisely",
        {
            name: [
                make_bitmap(m, f"defect_{c}", mode)
                for ((n, c), m), mode in zip(MASKS.items(), ("P", "RGBA", "1"), strict=True)
                if n == name
            ]
            for name in ("a.jpg", "b.jpg", "c.jpg")
        },
    )
    assert prepare(capsys, tmp_path / "kaggle", tmp_path / "one")[0] == 0
    code, account, _ = prepare(capsys, tmp_path / "supervisely", tmp_path / "two")
    assert code == 0
    assert account["format"] == "supervisely"
    one, two = load_prepared(tmp_path / "one"), load_prepared(tmp_path / "two")
    assert one.content_hash() == two.content_hash()


def test_several_supervisely_objects_of_a_class_become_one_mask(tmp_path, capsys):
    parts = [make_mask(0, 0, 10, 10), make_mask(5, 5, 20, 12), make_mask(30, 60, 32, 64)]
    write_supervisely(
        tmp_path / "source", {"a.jpg": [make_bitmap(m, "defect_2", "L") for m in parts]}
    )
    code, account, _ = prepare(capsys, tmp_path / "source", tmp_path / "out")
    assert code == 0
    assert account["rows"]["used"] == 3
    union = np.maximum.reduce(parts)
    assert_same_masks(masks_of(load_prepared(tmp_path / "out")), {("a.jpg", 2): union})


def test_supervisely_rectangles_polygons_and_images_without_a_file(tmp_path, capsys):
    outline = [[10, 2], [30, 2], [30, 20], [10, 20]]
    hole = [[15, 5], [20, 5], [20, 10], [15, 10]]
    source = write_supervisely(
        tmp_path / "source",
        {
            "a.jpg": [
                {
                    "classTitle": "dent",
                    "geometryType": "rectangle",
                    "points": {"exterior": [[40, 3], [59, 12]], "interior": []},
                },
                {
                    "classTitle": "rust",
                    "geometryType": "polygon",
                    "points": {"exterior": outline, "interior": [hole]},
                },
            ],
            "b.jpg": [],
        },
    )
    write_image(source / "img" / "c.jpg", 9)
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    dataset = load_prepared(tmp_path / "out")
    canvas = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(canvas).polygon([tuple(p) for p in outline], fill=1)
    ImageDraw.Draw(canvas).polygon([tuple(p) for p in hole], fill=0)
    assert dataset.classes.names == ("dent", "rust")
    assert dataset.annotations["kind"].tolist() == ["box", "mask"]
    assert_same_masks(
        masks_of(dataset),
        {("a.jpg", 1): make_mask(3, 40, 13, 60), ("a.jpg", 2): np.asarray(canvas)},
    )
    assert account["images"]["unlabelled"] == {"c.jpg": "no annotation"}
    assert account["images"]["clean"] == 1


def test_damaged_archives_name_the_images_that_are_missing(tmp_path, capsys):
    source = write_supervisely(
        tmp_path / "s",
        {f"{i:02}.jpg": [make_bitmap(make_mask(i, 0, i + 1, 9), "defect_1")] for i in range(10)},
    )
    for lost in ("03.jpg", "07.jpg"):
        (source / "img" / lost).unlink()
    zips = tmp_path / "zips"
    zips.mkdir()
    for folder, name in (("ann", "ann_dmg"), ("img", "img_dmg")):
        with zipfile.ZipFile(zips / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for path in (source / folder).iterdir():
                file.write(path, path.name if folder == "img" else f"ann/{path.name}")
    code, account, _ = prepare(capsys, zips / "ann_dmg.zip", zips / "img_dmg.zip", tmp_path / "o1")
    assert code == 0
    assert account["missing_images"] == ["03.jpg", "07.jpg"]
    rows = account["rows"]
    assert (rows["read"], rows["used"], rows["refused_because_missing"]) == (10, 8, 2)
    assert prepare(capsys, zips, tmp_path / "o2")[0] == 0
    one, two = load_prepared(tmp_path / "o1"), load_prepared(tmp_path / "o2")
    assert one.content_hash() == two.content_hash()
    assert (one.image_root / "01.jpg").read_bytes() == (source / "img" / "01.jpg").read_bytes()


def test_kaggles_zip_is_unpacked_byte_for_byte(tmp_path, capsys):
    source = write_kaggle(tmp_path / "source")
    write_image(source / "test_images" / "t.jpg", 7)
    (source / "sample_submission.csv").write_text("ImageId_ClassId,EncodedPixels\nt.jpg_1,1 1\n")
    archive = shutil.make_archive(str(tmp_path / "severstal"), "zip", source)
    code, account, _ = prepare(capsys, archive, tmp_path / "out")
    assert code == 0
    dataset = load_prepared(tmp_path / "out")
    assert dataset.image_root == tmp_path / "out" / "images"
    assert sorted(p.name for p in dataset.image_root.iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]
    for name in dataset.images["file"]:
        original = source / "train_images" / name
        assert (dataset.image_root / name).read_bytes() == original.read_bytes()
    assert account["images"]["elsewhere_not_taken"] == 1
    prepare(capsys, source, tmp_path / "from_folder")
    assert load_prepared(tmp_path / "from_folder").content_hash() == dataset.content_hash()


VOC = """<annotation><filename>{name}</filename>
<size><width>64</width><height>32</height><depth>1</depth></size>{objects}</annotation>"""
VOC_OBJECT = """<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>
<ymax>{}</ymax></bndbox></object>"""


def write_voc(root, objects_of):
    (root / "annotations").mkdir(parents=True)
    for seed, (name, objects) in enumerate(objects_of.items()):
        write_image(root / "images" / name, seed)
        text = VOC.format(
            name="other.jpg", objects="".join(VOC_OBJECT.format(*box) for box in objects)
        )
        (root / "annotations" / f"{Path(name).stem}.xml").write_text(text)
    return root


def test_voc_boxes_count_from_one_and_include_their_last_pixel(tmp_path, capsys):
    source = write_voc(
        tmp_path / "source",
        {
            "x/a.jpg": [("rust", 1, 1, 64, 32), ("dent", 3, 5, 3, 5)],
            "y/b.jpg": [("dent", 60, 0, 70, 8), ("dent", 1, 1, 2, 2)],
            "y/c.jpg": [],
        },
    )
    write_image(source / "images" / "y" / "d.jpg", 9)
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    dataset = load_prepared(tmp_path / "out")
    assert dataset.classes.names == ("dent", "rust")
    assert set(dataset.annotations["kind"]) == {"box"}
    assert_same_masks(
        masks_of(dataset),
        {
            ("a.jpg", 1): make_mask(4, 2, 5, 3),
            ("a.jpg", 2): make_mask(0, 0, 32, 64),
            ("b.jpg", 1): make_mask(0, 59, 8, 64) | make_mask(0, 0, 2, 2),
        },
    )
    assert account["rows"]["shapes_clipped"] == 1
    assert account["images"]["unlabelled"] == {"d.jpg": "no annotation"}
    assert dataset.images["file"].tolist() == ["x/a.jpg", "y/b.jpg", "y/c.jpg", "y/d.jpg"]


def test_class_named_folders(tmp_path, capsys):
    source = tmp_path / "source"
    for seed, name in enumerate(("dent/1.jpg", "rust/1.jpg", "rust/2.jpg", "OK/3.jpg")):
        write_image(source / name, seed)
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    assert account["format"] == "folders"
    dataset = load_prepared(tmp_path / "out")
    assert dataset.images["id"].tolist() == ["2.jpg", "3.jpg", "dent/1.jpg", "rust/1.jpg"]
    assert dataset.classes.names == ("dent", "rust")
    assert dataset.label_matrix().tolist() == [[0, 1], [0, 0], [1, 0], [0, 1]]
    assert account["images"]["ids_from_path"] == 2
    assert dataset.annotations["rle"].isna().all()
    assert dataset.annotations["area"].isna().all()


@pytest.mark.parametrize("header", ["image,labels", "ImageId,class_ids", "file_name;x,Labels"])
def test_plain_table(tmp_path, capsys, header):
    source = tmp_path / "source"
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg", "d.jpg")):
        write_image(source / name, seed)
    header = header.replace("file_name;x", "file_name")
    (source / "labels.csv").write_text(f"{header}\na.jpg,rust|dent\nb.jpg,\nc.jpg,rust\n")
    code, account, _ = prepare(capsys, source, tmp_path / "out", "--classes", "rust,dent,hole")
    assert code == 0
    assert account["format"] == "csv"
    dataset = load_prepared(tmp_path / "out")
    assert dataset.label_matrix().tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert account["images"]["unlabelled"] == {"d.jpg": "no annotation"}
    assert set(dataset.annotations["kind"]) == {"presence"}


def test_numbers_stay_the_ids_of_their_classes(tmp_path, capsys):
    source = tmp_path / "source"
    for name in ("a.jpg", "b.jpg"):
        write_image(source / name, len(name))
    (source / "labels.csv").write_text("image,labels\na.jpg,3|7\nb.jpg,7\n")
    assert prepare(capsys, source, tmp_path / "out")[0] == 0
    dataset = load_prepared(tmp_path / "out")
    assert [(c.id, c.name) for c in dataset.classes] == [(3, "class_3"), (7, "class_7")]
    assert dataset.label_matrix().tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "a\nb\x1b[2J"], "--name 'a\\nb\\x1b[2J' is no name"),
        (["--name", "\udcff"], "--name '\\udcff' is no name"),
        (["--name", " "], "is no name: give one line of up to 200 characters"),
        (["--name", "n" * 201], "is no name"),
        (["--classes", "utf16.txt"], "--classes utf16.txt is not UTF-8"),
        (["--classes", "folder"], "--classes folder is a folder: give a,b,c or a file"),
    ],
)
def test_a_name_that_nothing_could_write_is_refused(tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "utf16.txt").write_bytes("rust\ndent\n".encode("utf-16"))
    assert run_command(["data", "prepare", "folder", "out", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_classes_from_a_file(tmp_path, capsys):
    source = write_kaggle(tmp_path / "source")
    (tmp_path / "classes.txt").write_text("cut\nhole\nscale\nspot\n\n")
    options = ("--classes", tmp_path / "classes.txt", "--name", "Mill 7")
    assert prepare(capsys, source, tmp_path / "out", *options)[0] == 0
    dataset = load_prepared(tmp_path / "out")
    assert dataset.classes.names == ("cut", "hole", "scale", "spot")
    assert dataset.name == "Mill 7"


def test_identical_files_share_a_group_and_disagreeing_labels_are_listed(tmp_path, capsys):
    source = write_kaggle(tmp_path / "source")
    shutil.copy(source / "train_images" / "a.jpg", source / "train_images" / "z.jpg")
    code, account, _ = prepare(capsys, source, tmp_path / "out")
    assert code == 0
    groups = load_prepared(tmp_path / "out").images.set_index("id")["duplicate_group"].to_dict()
    assert groups == {"a.jpg": 0, "b.jpg": 1, "c.jpg": 2, "z.jpg": 0}
    assert account["images"]["identical_to_another"] == 2
    assert account["images"]["identical"] == [["a.jpg", "z.jpg"]]
    assert account["images"]["identical_with_other_labels"] == ["a.jpg", "z.jpg"]


def test_what_severstals_names_stand_on_is_said(tmp_path, capsys):
    source = write_kaggle(tmp_path / "source")
    shutil.copy(source / "train_images" / "a.jpg", source / "train_images" / "z.jpg")
    assert run_command(["data", "prepare", str(source), str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "common usage and not the data owner's: Kaggle gives the classes numbers only." in text
    assert "groups of identical images (1)" in text
    own = ["--classes", "cut,hole,scale,spot"]
    assert run_command(["data", "prepare", str(source), str(tmp_path / "own"), *own]) == 0
    assert "common usage" not in capsys.readouterr().out


def test_ambiguous_source_names_its_candidates(tmp_path, capsys):
    source = tmp_path / "source"
    write_kaggle(source / "one")
    write_voc(source / "two", {"v.jpg": [("dent", 1, 1, 2, 2)]})
    code, account, error = prepare(capsys, source, tmp_path / "out")
    assert code == 1
    assert account is None
    assert "kaggle (one/train.csv); voc (two/annotations/v.xml)" in error
    assert "--format" in error
    assert not (tmp_path / "out").exists()
    code, account, _ = prepare(capsys, source, tmp_path / "out", "--format", "voc")
    assert code == 0
    assert account["format_reason"] == "given by --format"
    assert account["images"]["found"] == 1


@pytest.mark.parametrize("folders", [("train_images", "test_images"), ("images",), ("img", "val")])
def test_folders_with_a_usual_meaning_are_not_taken_for_classes(tmp_path, capsys, folders):
    for seed, name in enumerate(folders):
        write_image(tmp_path / "source" / name / "a.jpg", seed)
    code, _, error = prepare(capsys, tmp_path / "source", tmp_path / "out")
    assert code == 1
    assert "no annotation of any known form" in error


def test_wrong_usage_is_exit_code_two(tmp_path, capsys):
    assert prepare(capsys, tmp_path)[0] == 2
    assert prepare(capsys, tmp_path / "absent", tmp_path / "out")[0] == 2
    assert prepare(capsys, tmp_path, tmp_path / "out", "--format", "coco")[0] == 2
    assert prepare(capsys, tmp_path, tmp_path, tmp_path / "out")[0] == 2


def test_source_without_images_is_refused(tmp_path, capsys):
    (tmp_path / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.jpg,1,1 1\n")
    code, _, error = prepare(capsys, tmp_path, tmp_path / "out")
    assert code == 1
    assert "holds no image" in error


def test_preparing_twice_gives_the_same_bytes(tmp_path, capsys):
    source = write_kaggle(tmp_path / "source")
    prepare(capsys, source, tmp_path / "one", "--name", "x")
    prepare(capsys, source, tmp_path / "two", "--name", "x")
    for name in ("dataset.json", "images.parquet", "annotations.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.real_data
class TestRealData:
    @pytest.fixture(autouse=True)
    def _need_data(self):
        if not SHARED.is_dir():
            pytest.skip(f"no real data at {SHARED}")

    def test_severstal_sample(self, tmp_path, capsys):
        code, account, _ = prepare(capsys, SHARED / "severstal_sample", tmp_path / "out")
        assert code == 0
        assert account["first_annotation_file"] == "train.csv"
        assert account["image_folder"] == "train_images"
        assert "Kaggle's layout" in account["format_reason"]
        images, rows = account["images"], account["rows"]
        assert (images["found"], images["clean"], images["labelled"]) == (129, 51, 129)
        assert (rows["read"], rows["used"]) == (86, 86)

    def test_areas_equal_those_of_the_full_label_table(self, tmp_path, capsys):
        sample = SHARED / "severstal_sample"
        prepare(capsys, sample, tmp_path / "out")
        dataset = load_prepared(tmp_path / "out")
        found = {(row.image_id, row.class_id): row.area for row in dataset.annotations.itertuples()}
        lines = (sample / "labels_all_12568.csv").read_text().splitlines()[1:]
        table = {cells[0]: cells[1:] for cells in (line.split(",") for line in lines)}
        for name in dataset.images["id"]:
            areas = [found.get((name, class_id), 0) for class_id in (1, 2, 3, 4)]
            assert areas == [int(cell) for cell in table[name]], name

    def test_supervisely_and_kaggle_give_identical_masks(self, tmp_path, capsys):
        sample = SHARED / "severstal_sample"
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "ann").symlink_to(sample / "supervisely" / "ann")
        (tmp_path / "s" / "img").symlink_to(sample / "train_images")
        prepare(capsys, sample, tmp_path / "kaggle")
        code, account, _ = prepare(capsys, tmp_path / "s", tmp_path / "supervisely")
        assert code == 0
        assert len(account["images"]["unlabelled"]) == 127
        kaggle = masks_of(load_prepared(tmp_path / "kaggle"))
        found = masks_of(load_prepared(tmp_path / "supervisely"))
        assert {name for name, _ in found} == {"0002cc93b.jpg", "01afbfa7a.jpg"}
        assert_same_masks(found, {k: m for k, m in kaggle.items() if k in found})

    def test_presence_only_table(self, tmp_path, capsys):
        source = SHARED / "severstal_sample" / "presence_only"
        code, account, _ = prepare(capsys, source, tmp_path / "out")
        assert code == 0
        assert (account["rows"]["used"], account["images"]["labelled"]) == (21, 21)

    def test_neu_det(self, tmp_path, capsys):
        code, account, _ = prepare(capsys, SHARED / "neu_det" / "train", tmp_path / "out")
        assert code == 0
        assert account["images"]["found"] == 1440
        assert account["images"]["unlabelled"] == {"crazing_240.jpg": "no annotation"}
        labels = load_prepared(tmp_path / "out").label_matrix()
        assert labels.shape == (1439, 6)
        assert int((labels.sum(axis=1) > 1).sum()) == 100

    def test_partial_table_at_full_scale_adds_up(self, tmp_path, capsys):
        sample = SHARED / "severstal_sample"
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "train_images").symlink_to(sample / "train_images")
        shutil.copy(sample / "train_rle_partial.csv", tmp_path / "s" / "train.csv")
        code, account, _ = prepare(capsys, tmp_path / "s", tmp_path / "out", "--skip-refused")
        assert code == 0
        rows = account["rows"]
        assert (rows["read"], rows["used"], rows["refused_because_missing"]) == (3801, 86, 3715)
        assert rows["read"] == rows["used"] + rows["refused"]


@pytest.mark.parametrize("place", ["source", "destination", "parent", "link"])
def test_path_that_is_no_text_is_refused_in_one_line(tmp_path, capsys, place):
    bad = tmp_path / os.fsdecode(b"by\xffp")
    source, out = tmp_path / "s", tmp_path / "out"
    if place in {"source", "link"}:
        source = bad
    elif place == "destination":
        out = bad
    else:
        out = bad / "out"
    write_kaggle(source)
    if place == "link":
        source = tmp_path / "link"
        source.symlink_to(bad)
    code, _, error = prepare(capsys, source, out)
    assert code == 2
    assert "not UTF-8" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_image_whose_name_is_no_text_is_refused_and_other_files_are_not(tmp_path, capsys):
    source = write_kaggle(tmp_path / "s")
    (source / os.fsdecode(b"notes\xff.txt")).write_text("x")
    assert prepare(capsys, source, tmp_path / "one")[0] == 0
    write_image(source / "train_images" / os.fsdecode(b"d\xff.jpg"))
    code, _, error = prepare(capsys, source, tmp_path / "two")
    assert code == 1
    assert "rename it" in error
    assert not (tmp_path / "two").exists()
