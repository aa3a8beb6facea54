"""Faults fed through `stripsight score`: bad images, full disks, kills, scores that are none."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import odd_images
from odd_images import SIZE, SUSPECT, encode, noise
from stripsight.bundle.folder import open_bundle, seal_file, write_manifest
from stripsight.cli.app import run_command
from stripsight.scoring.journal import FILE_NAME, name_partial, open_journal

MakeBundle = Callable[..., Path]

REFUSED = odd_images.REFUSED | {
    "other_size.jpg": (encode(noise(1, (64, 97))), "97x64 pixels, and the bundle accepts 96x64")
}


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", size=SIZE)


def score(*words: object) -> int:
    return run_command(["score", *map(str, words), "--threads", "1"])


def read_rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_bad_images_are_rows_for_review_and_the_others_are_scored(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coil = tmp_path / "coil"
    coil.mkdir()
    for name, (data, _) in (REFUSED | SUSPECT).items():
        (coil / name).write_bytes(data)
    (coil / "grey.jpg").write_bytes(encode(noise(2)))
    (coil / "equal_channels.png").write_bytes(encode(np.dstack([noise(2)] * 3), "PNG"))
    (coil / "gone.jpg").symlink_to(tmp_path / "gone")
    out = tmp_path / "out.jsonl"
    assert score(bundle, coil, "--out", out) == 1
    said = capsys.readouterr()
    assert "13 of 18 images could not be scored, --max-failed is 0" in said.err
    assert "and 8 more" in said.out
    assert score(bundle, coil, "--out", out, "--max-failed", len(REFUSED)) == 1
    assert score(bundle, coil, "--out", out, "--max-failed", len(REFUSED) + 1) == 0
    rows = {row["id"]: row for row in read_rows(out)}
    assert len(rows) == 18
    for name, (_, reason) in REFUSED.items():
        assert rows[name]["verdict"] == "review"
        kind = "wrong size: " if name == "other_size.jpg" else "unreadable: "
        assert rows[name]["reason"].startswith(kind)
        assert reason in rows[name]["reason"]
        assert rows[name]["classes"] == {}
    assert "No such file" in rows["gone.jpg"]["reason"]
    for name, (_, suspect) in SUSPECT.items():
        assert (rows[name]["suspect"], rows[name]["reason"]) == (suspect, None)
        assert len(rows[name]["classes"]) == 3
    assert rows["grey.jpg"]["reason"] is None
    assert rows["equal_channels.png"]["reason"] is None


def test_an_image_that_vanishes_after_it_was_listed_is_a_row(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coil = make_coil(tmp_path, 40)
    from stripsight.scoring import journal

    begin = journal.Journal.begin

    def begin_and_lose(self: object, *arguments: object) -> int:
        done = begin(self, *arguments)  # type: ignore[arg-type]
        (coil / "030.png").unlink()
        (coil / "031.png").unlink()
        (coil / "031.png").write_bytes(b"something else")
        return done

    monkeypatch.setattr(journal.Journal, "begin", begin_and_lose)
    assert score(bundle, coil, "--out", tmp_path / "out.jsonl", "--max-failed", 2) == 0
    rows = read_rows(tmp_path / "out.jsonl")
    failed = {row["id"]: row["reason"] for row in rows if row["reason"]}
    assert len(rows) == 40
    assert failed == {
        "030.png": "unreadable: cannot be read (No such file or directory)",
        "031.png": "unreadable: not a readable JPEG or PNG",
    }


def break_flat_images(folder: Path) -> None:
    """Give the network of a bundle 0/0 on an image that is the same all over."""
    import onnx
    from onnx import TensorProto, helper

    from stripsight.scoring.openvino_module import import_openvino

    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    for node in graph.node:
        if node.output[0] == "logits":
            node.output[0] = "mean_logits"
    last = graph.node[-1]
    del graph.node[-1]
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels"], ["lightest"], keepdims=0),
        helper.make_node("ReduceMin", ["pixels"], ["darkest"], keepdims=0),
        helper.make_node("Sub", ["lightest", "darkest"], ["range"]),
        helper.make_node("Div", ["range", "range"], ["one"]),
        last,
        helper.make_node("Mul", ["mean_logits", "one"], ["logits"]),
    ]
    graph.node.extend(nodes)
    model.ir_version = 9
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    ov = import_openvino()
    ov.save_model(ov.Core().read_model(data, b""), folder / "fp32.xml", compress_to_fp16=False)
    manifest = open_manifest_unsealed(folder)
    files = {name: seal_file(folder / name) for name in manifest.files}
    write_manifest(replace(manifest, files=files), folder)


def open_manifest_unsealed(folder: Path) -> object:
    from stripsight.bundle.reading import read_manifest

    return read_manifest((folder / "manifest.json").read_bytes())


def test_scores_that_are_no_numbers_are_review(
    make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle(tmp_path / "bundle", size=SIZE)
    break_flat_images(folder)
    coil = make_coil(tmp_path, 3)
    (coil / "flat.png").write_bytes(encode(np.full(SIZE, 99, np.uint8), "PNG"))
    out = tmp_path / "out.jsonl"
    assert score(folder, coil, "--out", out) == 1
    assert "1 of 4 images could not be scored" in capsys.readouterr().err
    rows = {row["id"]: row for row in read_rows(out)}
    assert rows["flat.png"]["verdict"] == "review"
    assert rows["flat.png"]["reason"] == "score not finite: scratch, spot, rust"
    assert {row["reason"] for id_, row in rows.items() if id_ != "flat.png"} == {None}
    assert run_command(["score", str(folder), str(coil), "--out", str(out.with_suffix(".csv"))])


def make_coil(folder: Path, number: int, size: tuple[int, int] = SIZE) -> Path:
    """Files of eight different images."""
    coil = folder / "coil"
    coil.mkdir()
    for n in range(number):
        path = coil / f"{n:03d}.png"
        if n < 8:
            path.write_bytes(encode(noise(n, size), "PNG"))
        else:
            path.hardlink_to(coil / f"{n % 8:03d}.png")
    return coil


@pytest.fixture(scope="module")
def large(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose images take long enough to be killed among them."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "large", size=(256, 1600), golden=1)


def start(*words: object, prelude: str = "") -> subprocess.Popen[str]:
    code = f"import sys\n{prelude}\nfrom stripsight.cli.app import run_command\n"
    code += "sys.exit(run_command(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "score", *map(str, words), "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_journal(process: subprocess.Popen[str], out: Path) -> None:
    while process.poll() is None and not (name_partial(out) / FILE_NAME).exists():
        time.sleep(0.01)


def test_killed_again_and_again_there_is_one_row_per_input(large: Path, tmp_path: Path) -> None:
    coil = make_coil(tmp_path, 160, (256, 1600))
    out = tmp_path / "out.jsonl"
    out.write_text("the old table\n")
    moments = random.Random(time.time_ns())
    ended = []
    for _ in range(5):
        process = start(large, coil, "--out", out)
        wait_for_journal(process, out)
        time.sleep(moments.uniform(0, 2))
        process.kill()
        process.communicate()
        ended.append(process.returncode)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        assert out.read_text() == "the old table\n"
    if 0 not in ended:
        last = start(large, coil, "--out", out)
        last.communicate()
        assert last.returncode == 0
    counts = Counter(row["id"] for row in read_rows(out))
    assert counts == Counter(f"{n:03d}.png" for n in range(160))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["coil", "out.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_every_row_so_far_is_kept(
    bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    coil = make_coil(tmp_path, 400)
    out = tmp_path / "out.jsonl"
    # After the thirtieth row, long before the first is stored because a second is over.
    prelude = f"""
import os
from stripsight.scoring import batch
batch._SECONDS_BETWEEN_WRITES = 1e9
from stripsight.scoring.rows import Row
to_line, count = Row.to_line, 0
def stop(self):
    global count
    count += 1
    if count == 30:
        os.kill(os.getpid(), {int(number)})
    return to_line(self)
Row.to_line = stop
"""
    process = start(bundle, coil, "--out", out, prelude=prelude)
    _, error = process.communicate()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert error.strip().endswith("nothing is lost: the same command goes on from here")
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()
    with open_journal(out, restart=False) as journal:
        stored = 400 - sum(1 for _ in journal.find_pending())
    assert stored >= 29
    assert score(bundle, coil, "--out", out) == 0
    assert Counter(row["id"] for row in read_rows(out)) == Counter(
        f"{n:03d}.png" for n in range(400)
    )


def test_what_was_scored_is_not_scored_again(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coil, out = make_coil(tmp_path, 60), tmp_path / "out.jsonl"
    break_off(bundle, coil, out, after=20)
    assert score(bundle, coil, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["scored_before"] == 20
    assert len({row["id"] for row in read_rows(out)}) == len(read_rows(out)) == 60


def break_off(bundle: Path, coil: Path, out: Path, *, after: int) -> None:
    from stripsight.scoring.batch import score_inputs
    from stripsight.scoring.engine import EngineSettings
    from stripsight.scoring.opening import ScoreOptions

    def stop(done: int, total: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_inputs(
            *(bundle, [str(coil)], out, ScoreOptions(EngineSettings(threads=1))),
            report_progress=stop,
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--variant", "int8"], "broken off here has variant fp32, this one variant int8"),
        (["--engine", "onnxruntime"], "has engine openvino, this one engine onnxruntime"),
        (["--box-level", "0.4"], "has box level of the bundle, this one box level 0.4"),
        (["--overlays", "pictures"], "overlays none, this one overlays of what is not clean"),
        (["coil/000.png"], "the inputs are not those"),
    ],
)
def test_a_restart_of_something_else_is_told_apart(
    change: list[str],
    said: str,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make_coil(tmp_path, 20)
    out = Path("out.csv")
    break_off(bundle, Path("coil"), out, after=5)
    words = [bundle, "coil", *change] if change[0] != "coil/000.png" else [bundle, *change]
    assert score(*words, "--out", out) == 1
    error = capsys.readouterr().err.strip()
    assert said in error
    assert error.endswith("--restart throws away what out.csv.partial holds and begins anew")
    assert score(*words, "--out", out, "--restart") == 0
    assert not name_partial(out).exists()


def test_a_bundle_under_other_thresholds_is_told_apart(
    make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_bundle(tmp_path / "first", size=SIZE)
    second = make_bundle(tmp_path / "second", size=SIZE, thresholds=(0.2, 0.8))
    assert open_bundle(first).manifest.bundle_id != open_bundle(second).manifest.bundle_id
    coil, out = make_coil(tmp_path, 20), tmp_path / "out.csv"
    break_off(first, coil, out, after=5)
    assert score(second, coil, "--out", out) == 1
    assert "broken off here has bundle_id" in capsys.readouterr().err


def test_two_at_once_the_second_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coil, out = make_coil(tmp_path, 20), tmp_path / "out.csv"
    with open_journal(out, restart=False) as held:
        assert score(bundle, coil, "--out", out) == 1
        assert score(bundle, coil, "--out", out, "--restart") == 1
        errors = capsys.readouterr().err.strip().splitlines()
        assert all("another process is writing to" in error for error in errors)
        assert len(errors) == 2
        assert not held.begun
    assert score(bundle, coil, "--out", out) == 0


def test_a_full_disk_loses_nothing(bundle: Path, tmp_path: Path) -> None:
    coil, out = make_coil(tmp_path, 300), tmp_path / "out.jsonl"
    out.write_text("the old table\n")
    full = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({150_000}, {resource.RLIM_INFINITY}))
"""
    process = start(bundle, coil, "--out", out, prelude=full)
    _, error = process.communicate()
    assert process.returncode == 1
    assert len(error.strip().splitlines()) == 1
    assert "out.jsonl" in error
    assert out.read_text() == "the old table\n"
    assert score(bundle, coil, "--out", out) == 0
    assert Counter(row["id"] for row in read_rows(out)) == Counter(
        f"{n:03d}.png" for n in range(300)
    )


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coil = make_coil(tmp_path, 2)
    assert score(bundle, coil, "--out", "/proc/out.csv") == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("stripsight: /proc/out.csv.partial: ")
    assert len(error.splitlines()) == 1


# Not ru_maxrss: a child begins with its parent's.
PRINT_PEAK = """
import atexit
from pathlib import Path
status = Path("/proc/self/status")
atexit.register(lambda: print(status.read_text().partition("VmHWM:")[2].split()[0]))
"""


def test_memory_does_not_follow_a_header(bundle: Path, tmp_path: Path) -> None:
    coil = make_coil(tmp_path, 8)
    peaks = []
    for extra in (b"", odd_images.REFUSED["huge.png"][0]):
        (coil / "zz.png").write_bytes(extra)
        process = start(bundle, coil, "--out", tmp_path / "out.csv", prelude=PRINT_PEAK)
        printed, _ = process.communicate()
        peaks.append(int(printed.split()[-1]))
    assert peaks[1] - peaks[0] < 50 * 1024


def test_no_file_stays_open(bundle: Path, tmp_path: Path) -> None:
    coil, out = make_coil(tmp_path, 4), tmp_path / "out.csv"
    assert score(bundle, coil, "--out", out) == 0
    open_files = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
    assert not [name for name in open_files if name.startswith(str(tmp_path))]
