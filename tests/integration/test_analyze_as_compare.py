"""`data analyze` and `data compare` judge one split alike."""

import json

import pytest

from stripsight.cli.app import run_command


@pytest.fixture
def look_alike_set(tmp_path, make_odd_dataset, odd_image):
    """Ten pictures, each a file of ten names in one part: few groups, and parts that differ."""
    images = [
        odd_image({1: "mask"} if n % 2 else {}, seed=n % 10, size=(32, 96)) for n in range(100)
    ]
    root = make_odd_dataset(tmp_path / "set", images, ["pit"])
    (root / "splits").mkdir()
    parts = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    rows = [f"{n:04d}.jpg,{parts[n % 10]}" for n in range(100)]
    (root / "splits" / "mine.csv").write_text("\n".join(["id,split", *rows]) + "\n")
    return root


def test_what_chance_explains_is_the_same(look_alike_set, capsys):
    root = look_alike_set
    assert run_command(["data", "analyze", str(root), "--split", "mine", "--json"]) == 0
    shifts = json.loads(capsys.readouterr().out)["split"]["shifts"]
    said = {(s["second"], s["measure"]): s["stability"] for s in shifts}
    alone = {}
    for part in ("validation", "test"):
        sets = [f"{root}:mine/train", f"{root}:mine/{part}"]
        assert run_command(["data", "compare", *sets, "--json"]) == 0
        for name, found in json.loads(capsys.readouterr().out)["statistics"].items():
            alone[part, name] = found
    assert said.keys() == {k for k, f in alone.items() if f["verdict"] in ("moderate", "large")}
    for key, stability in said.items():
        assert stability["psi"] == alone[key]["psi"]
        assert stability["chance"] == alone[key]["psi_by_chance_99"]
        assert stability["p_value"] == alone[key]["p_value"]
    # Ten independent pictures: nearly everything lies within chance, however far it moved.
    assert any(f["psi"] >= 0.25 and f["verdict"] == "within chance" for f in alone.values())


def test_a_real_shift_is_said_by_both(tmp_path, make_odd_dataset, odd_image, capsys):
    images = [odd_image({1: "mask"} if n % 2 else {}, size=(32, 96)) for n in range(60)]
    images += [odd_image({1: "mask"}, size=(32, 96), look="white") for _ in range(15)]
    images += [odd_image({}, size=(32, 96)) for _ in range(15)]
    root = make_odd_dataset(tmp_path / "set", images, ["pit"])
    (root / "splits").mkdir()
    parts = ["train"] * 60 + ["test"] * 30
    rows = [f"{n:04d}.jpg,{part}" for n, part in enumerate(parts)]
    (root / "splits" / "mine.csv").write_text("\n".join(["id,split", *rows]) + "\n")
    assert run_command(["data", "analyze", str(root), "--json"]) == 0
    shifts = json.loads(capsys.readouterr().out)["split"]["shifts"]
    sets = [f"{root}:mine/train", f"{root}:mine/test"]
    assert run_command(["data", "compare", *sets, "--json"]) == 0
    statistics = json.loads(capsys.readouterr().out)["statistics"]
    assert {s["measure"]: s["stability"]["psi"] for s in shifts} == {
        name: f["psi"] for name, f in statistics.items() if f["verdict"] in ("moderate", "large")
    }
