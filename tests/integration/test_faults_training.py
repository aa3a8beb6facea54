"""Faults 12 to 16 through `stripsight train` and `evaluate`: killed, broken, starved, damaged."""

import csv
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from stripsight.cli.app import run_command
from stripsight.training.checkpoint import read_checkpoint, write_checkpoint

KILLED_IN_EPOCH = """
from stripsight.training.module import DefectModule
step = DefectModule.training_step
def fatal(self, batch, index):
    if self.current_epoch == 1 and index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, index)
DefectModule.training_step = fatal
"""

KILLED_IN_WRITE = """
import stripsight.atomic
from pathlib import Path
target = stripsight.atomic.name_temporary(Path("last.ckpt")).stem
writes = []
sync = os.fsync
def fatal(handle):
    writes.append(target in os.readlink(f"/proc/self/fd/{handle}"))
    if writes[-1] and sum(writes) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(handle)
stripsight.atomic.os.fsync = fatal
"""

FULL_DISK = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from stripsight.training.callbacks import MetricsLog
end = MetricsLog.on_train_epoch_end
def fill(self, trainer, module):
    end(self, trainer, module)
    if trainer.current_epoch == 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
MetricsLog.on_train_epoch_end = fill
"""


def read_log(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))


def run_in_process(prelude: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    code = f"import os, signal, sys\n{prelude}\nfrom stripsight.cli.app import run_command\n"
    code += f"sys.exit(run_command({words!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Path:
    """Unbroken, in a process of its own: engines loaded by other tests change a last bit."""
    run = tmp_path_factory.mktemp("unbroken") / "run"
    done = run_in_process("", ["train", *tiny_overrides, "--run", str(run)])
    assert done.returncode == 0, done.stderr
    return run


def assert_same_run(first: Path, second: Path) -> None:
    """Weights of both kinds, optimiser, and every figure: bit for bit."""
    for name in ("best.ckpt", "last.ckpt"):
        one = read_checkpoint(first / "checkpoints" / name)
        two = read_checkpoint(second / "checkpoints" / name)
        assert one.keys() == two.keys()
        for key in one.keys() & {"state_dict", "current_model_state"}:
            assert one[key].keys() == two[key].keys()
            for weight in one[key]:
                assert torch.equal(one[key][weight], two[key][weight]), (name, key, weight)
        if name == "best.ckpt":
            continue
        for state, other in zip(
            one["optimizer_states"][0]["state"].values(),
            two["optimizer_states"][0]["state"].values(),
            strict=True,
        ):
            assert torch.equal(state["exp_avg_sq"], other["exp_avg_sq"])
    one_log, two_log = (
        [{key: value for key, value in row.items() if key != "seconds"} for row in read_log(run)]
        for run in (first, second)
    )
    assert one_log == two_log


@pytest.mark.parametrize("death", [KILLED_IN_EPOCH, KILLED_IN_WRITE], ids=["in-epoch", "in-write"])
def test_a_killed_run_resumes_bit_for_bit(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path, death: str
) -> None:
    run = tmp_path / "killed"
    done = run_in_process(death, ["train", *tiny_overrides, "--run", str(run)])
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(read_log(run)) in (1, 2)
    assert run_in_process("", ["train", "--resume", str(run)]).returncode == 0
    assert_same_run(tiny_run, run)
    assert sorted(os.listdir(run / "checkpoints")) == ["best.ckpt", "last.ckpt"]  # noqa: PTH208


def test_a_run_killed_in_its_first_epoch_starts_over(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    death = KILLED_IN_EPOCH.replace("current_epoch == 1", "current_epoch == 0")
    assert run_in_process(death, ["train", *tiny_overrides, "--run", str(run)]).returncode == -9
    assert run_in_process("", ["train", "--resume", str(run)]).returncode == 0
    assert_same_run(tiny_run, run)


def test_ctrl_c_says_how_to_go_on(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    interrupt = KILLED_IN_EPOCH.replace("SIGKILL", "SIGINT")
    done = run_in_process(interrupt, ["train", *tiny_overrides, "--run", str(run)])
    assert done.returncode == 130
    assert done.stderr.strip().splitlines()[-2:] == [
        f"go on with: stripsight train --resume {run}",
        "stripsight: interrupted",
    ]
    assert run_in_process("", ["train", "--resume", str(run)]).returncode == 0
    assert_same_run(tiny_run, run)


def test_a_finished_run_is_not_resumed(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["train", "--resume", str(tiny_run)]) == 1
    assert "finished on" in capsys.readouterr().err
    assert run_command(["train", "--resume", str(tiny_run), "training.num_epochs=9"]) == 2


def test_a_loss_that_is_not_finite_stops_the_run(
    tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["training.learning_rate=1e38", "training.warmup_fraction=0", "optimizer=sgd",
             "training.gradient_clip=0"]  # fmt: skip
    run = tmp_path / "run"
    assert run_command(["train", *tiny_overrides, *words, "--run", str(run)]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "not finite" in last or " is nan" in last or " is inf" in last
    assert "lower training.learning_rate" in last
    assert int(last.split("step ")[1].split()[0].rstrip(":")) <= 5
    assert not (run / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_later_nan_leaves_the_best_checkpoint(
    tiny_overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    from stripsight.training.module import DefectModule

    run = tmp_path / "run"
    best = run / "checkpoints" / "best.ckpt"
    kept: list[bytes] = []
    step = DefectModule.training_step

    def poisoned(self: DefectModule, batch: dict[str, object], index: int) -> torch.Tensor:
        if self.current_epoch == 1 and index == 1:
            kept.append(best.read_bytes())
            if what == "loss":
                with torch.no_grad():
                    self.network.head.weight.fill_(float("nan"))
            else:
                self.network.head.weight.register_hook(lambda grad: grad * float("nan"))
        return step(self, batch, index)

    monkeypatch.setattr(DefectModule, "training_step", poisoned)
    assert run_command(["train", *tiny_overrides, "--run", str(run)]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"the {what}" in last
    assert "is nan in epoch 2, step" in last
    assert best.read_bytes() == kept[0]


def test_a_class_that_training_never_shows_is_refused(
    make_dataset: Callable[..., Path],
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_dataset(np.tile([[0, 0], [1, 0]], (15, 1)))
    run = tmp_path / "run"
    words = [*tiny_overrides, f"data.root={root}", "--run", str(run)]
    assert run_command(["train", *words]) == 1
    assert "no image of the training split shows blob" in capsys.readouterr().err
    assert not run.exists()


def test_a_class_that_validation_never_shows_has_no_figure(
    make_dataset: Callable[..., Path],
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = np.tile([[0, 0], [1, 0]], (15, 1))
    labels[3, 1] = 1
    root, run = make_dataset(labels), tmp_path / "run"
    words = [*tiny_overrides, f"data.root={root}", "training.num_epochs=2"]
    assert run_command(["train", *words, "--run", str(run)]) == 0
    assert "no image of the validation split shows blob" in capsys.readouterr().err
    assert run_command(["evaluate", str(run)]) == 0
    captured = capsys.readouterr()
    assert "blob: no positive in validation" in captured.out
    assert "nan" not in (run / "metrics.json").read_text().lower()
    assert "nan" not in (run / "metrics.csv").read_text().lower()


def test_a_class_that_every_validation_image_shows_is_said_to_choose_nothing(
    make_dataset: Callable[..., Path],
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, run = make_dataset(np.tile([[1, 0], [1, 1]], (12, 1))), tmp_path / "run"
    words = [*tiny_overrides, f"data.root={root}", "training.num_epochs=1"]
    assert run_command(["train", *words, "--run", str(run)]) == 0
    said = capsys.readouterr().err
    assert "every image of the validation split shows bar: its AP is 1 whatever" in said
    assert "shows blob" not in said


def test_one_image_is_a_clear_error(
    make_dataset: Callable[..., Path],
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_dataset(np.array([[1, 1]]))
    words = [*tiny_overrides, f"data.root={root}", "--run", str(tmp_path / "run")]
    assert run_command(["train", *words]) == 1
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_fewer_images_than_the_batch_train(
    make_dataset: Callable[..., Path], tiny_overrides: list[str], tmp_path: Path
) -> None:
    root = make_dataset(np.tile([[0, 0], [1, 0], [0, 1]], (4, 1)))
    words = [*tiny_overrides, f"data.root={root}", "training.batch_size=64",
             "training.num_epochs=2", "--run", str(tmp_path / "run")]  # fmt: skip
    assert run_command(["train", *words]) == 0


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "payload", "missing"])
def test_a_damaged_checkpoint_is_refused_by_every_command(
    tiny_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    run, witness = tmp_path / "run", tmp_path / "it-ran"
    shutil.copytree(tiny_run, run)
    for name in ("best.ckpt", "last.ckpt"):
        path = run / "checkpoints" / name
        data = bytearray(path.read_bytes())
        if damage == "truncated":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "flipped":
            data[len(data) // 3] ^= 4
            path.write_bytes(data)
        elif damage == "payload":
            path.write_bytes(pickle.dumps({"state_dict": Payload(witness)}))
        elif name == "best.ckpt":
            path.unlink()
    record = (run / "provenance.json").read_text()
    assert run_command(["evaluate", str(run)]) == 1
    assert capsys.readouterr().err.strip().startswith("stripsight: ")
    if damage != "missing":
        finished = record[record.index('"finished"') :].split("\n", 1)[0]
        (run / "provenance.json").write_text(record.replace(finished, '"finished": null,'))
        assert run_command(["train", "--resume", str(run)]) == 1
        assert "last.ckpt" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not witness.exists()


def test_a_full_disk_leaves_the_old_files(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = run_in_process(FULL_DISK, ["train", *tiny_overrides, "--run", str(run)])
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("stripsight: ")
    assert "too large" in done.stderr or "No space" in done.stderr
    assert sorted(os.listdir(run / "checkpoints")) == ["best.ckpt", "last.ckpt"]  # noqa: PTH208
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 0
    assert run_in_process("", ["train", "--resume", str(run)]).returncode == 0
    assert_same_run(tiny_run, run)


def test_a_run_that_was_moved_keeps_its_best_epoch(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path
) -> None:
    killed = run_in_process(
        KILLED_IN_EPOCH, ["train", *tiny_overrides, "--run", str(tmp_path / "a")]
    )
    assert killed.returncode == -signal.SIGKILL
    (tmp_path / "a").rename(tmp_path / "b")
    assert run_in_process("", ["train", "--resume", str(tmp_path / "b")]).returncode == 0
    assert_same_run(tiny_run, tmp_path / "b")


def test_a_folder_in_use_is_refused(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from stripsight.training.lock import lock_run

    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    with lock_run(run, "evaluate"):
        assert run_command(["train", "--resume", str(run)]) == 1
    said = f"stripsight evaluate (process {os.getpid()}) is at work in {run}: wait"
    assert said in capsys.readouterr().err


def test_another_runs_checkpoint_is_refused(
    tiny_run: Path, tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, run = tmp_path / "other", tmp_path / "run"
    words = [*tiny_overrides, "training.num_epochs=1", "training.seed=7", "--run", str(other)]
    assert run_command(["train", *words]) == 0
    shutil.copytree(tiny_run, run)
    shutil.copy(other / "checkpoints" / "best.ckpt", run / "checkpoints" / "best.ckpt")
    assert run_command(["evaluate", str(run)]) == 1
    assert "belongs to another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("seed: 0\n", "seed: 5\n"), "config.yaml was changed"),
        (("backbone: test_resnet", "backbone: resnet18"), "config.yaml was changed"),
        (("dropout: 0.1", "dropout: [0.1"), "cannot be used"),
    ],
)
def test_an_edited_configuration_is_not_resumed(
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    edit: tuple[str, str],
    message: str,
) -> None:
    run = tmp_path / "run"
    run_in_process(KILLED_IN_EPOCH, ["train", *tiny_overrides, "--run", str(run)])
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(*edit))
    assert run_command(["train", "--resume", str(run)]) == 1
    assert message in capsys.readouterr().err


def test_a_lost_best_checkpoint_is_said_before_training_goes_on(
    tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run_in_process(KILLED_IN_EPOCH, ["train", *tiny_overrides, "--run", str(run)])
    (run / "checkpoints" / "best.ckpt").unlink()
    capsys.readouterr()
    assert run_command(["train", "--resume", str(run)]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert "best.ckpt of epoch 1 is gone" in lines[-1]
    assert not [line for line in lines if line.startswith("epoch")]


def test_weights_that_break_in_the_last_step_are_no_checkpoint(
    tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["training.learning_rate=1e30", "training.num_epochs=1", "training.batch_size=1000",
             "training.warmup_fraction=0", "--run", str(tmp_path / "run")]  # fmt: skip
    assert run_command(["train", *tiny_overrides, *words]) == 1
    assert "outputs of epoch 1 are not finite" in capsys.readouterr().err
    assert not list((tmp_path / "run").rglob("*.ckpt"))


@pytest.mark.parametrize(
    "content", ["{", '{"schema_version": 1}', "[]", '{"schema_version": 1, "finished": 3}']
)
def test_a_damaged_provenance_is_one_line(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    (run / "provenance.json").write_text(content)
    for words in (["train", "--resume", str(run)], ["evaluate", str(run)]):
        assert run_command(words) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "provenance.json" in line


def test_a_damaged_log_is_one_line(
    tiny_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run_in_process(KILLED_IN_EPOCH, ["train", *tiny_overrides, "--run", str(run)])
    (run / "metrics.csv").write_text("epoch,step\nx,1\n")
    assert run_command(["train", "--resume", str(run)]) == 1
    assert "metrics.csv is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["training.accelerator=gpu"], "PyTorch sees no GPU"),
        (["training.precision=16", "training.accelerator=cpu"], "needs a GPU"),
        (
            ["training.batch_size=1", "data.image_size=[32,32]", "data.allow_distortion=true"],
            "batch normalisation",
        ),
    ],
)
def test_what_the_machine_or_the_batch_cannot_do_is_one_line(
    tiny_overrides: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    if words == ["training.accelerator=gpu"] and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert run_command(["train", *tiny_overrides, *words, "--run", str(tmp_path / "run")]) in (1, 2)
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": None},
        {"classes": 5},
        {"config": None},
        {"config": {"data": 5}},
        {"image_size": None},
        {"pooling": "mean"},
    ],
    ids=str,
)
def test_a_whole_checkpoint_that_describes_no_network_is_one_line(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    path = run / "checkpoints" / "best.ckpt"
    content = read_checkpoint(path)
    content["stripsight"] |= change
    write_checkpoint(content, path)
    assert run_command(["evaluate", str(run)]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert str(path) in line
