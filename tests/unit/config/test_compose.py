"""The configuration: what composes, what is refused, and in which words."""

from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from stripsight.config.compose import (
    compose_config,
    format_config,
    group_options,
    known_keys,
    load_config,
)
from stripsight.errors import ConfigError, TrainingError

ROOT = "data.root=/x"
YAML_FOLDER = Path(__file__).parents[3] / "src" / "stripsight" / "config" / "yaml"
OPTIONS = [
    f"{group}={option}"
    for group in ("data", "model", "loss", "optimizer", "augmentation", "training")
    for option in group_options(group)
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes(option: str) -> None:
    assert compose_config([ROOT, option])


def test_the_keys_that_keep_their_meaning_exist() -> None:
    promised = {
        "model.backbone", "model.num_classes", "model.pretrained", "training.batch_size",
        "training.learning_rate", "training.num_epochs", "data.image_size", "data.num_workers",
    }  # fmt: skip
    assert promised <= set(known_keys())


def test_overrides_win_over_groups() -> None:
    config = compose_config([ROOT, "loss=focal", "loss.gamma=3", "data.image_size=[128,800]"])
    assert (config.loss.name, config.loss.gamma) == ("focal", 3.0)
    assert config.data.image_size == [128, 800]
    assert isinstance(config.data.image_size, list)


def test_sgd_brings_its_own_rate_unless_one_is_given() -> None:
    assert compose_config([ROOT, "optimizer=sgd"]).training.learning_rate == 0.02
    asked = compose_config([ROOT, "optimizer=sgd", "training.learning_rate=0.1"])
    assert asked.training.learning_rate == 0.1


def test_round_trip_through_the_run_folder(tmp_path: Path) -> None:
    config = compose_config([ROOT, "loss.pos_weight=[1,2.5]", "optimizer=sgd"])
    (tmp_path / "config.yaml").write_text(format_config(config))
    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    "path", ["/a b/c", "/coil=3,4/x", "/it's/here", "C:\\data", "/back\\", "/ü/é"]
)
def test_paths_need_no_quoting(path: str) -> None:
    assert compose_config([f"data.root={path}"]).data.root == path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["training.num_epoch=3"], "did you mean 'training.num_epochs'"),
        (["trainin.num_epochs=3"], "did you mean 'training.num_epochs'"),
        (["loss=fokal"], "did you mean 'focal'"),
        (["los=focal"], "did you mean 'loss'"),
        (["data=null"], "data has no option None"),
        (["training.batch_size=abc"], "training.batch_size=abc: must be a whole number"),
        (["data.fractions=abc"], "must be a list of numbers such as [0.7, 0.15, 0.15]"),
        (["data.fractions=[1,a]"], "data.fractions=[1, 'a']: must be a list of numbers"),
        (["data.image_size=256"], "list of whole numbers such as [256, 1600] or null"),
        (["loss.alpha=x"], "loss.alpha=x: must be a number or null"),
        (["training.batch_size=0"], "training.batch_size=0: must be in [1, 2^32)"),
        (["training.learning_rate=nan"], "training.learning_rate=nan: must be above 0"),
        (["training.learning_rate=inf"], "training.learning_rate=inf: must be finite"),
        (["loss.gamma=1e400"], "loss.gamma=inf: must be finite"),
        (["loss.pos_weight=[1,inf]"], "loss.pos_weight=[1, inf]: must be finite"),
        (["data.num_workers=10000"], "data.num_workers=10000: must be 0 to 256"),
        (["training.precision=64"], "one of auto, 32, bf16, 16"),
        (["training.warmup_fraction=1"], "in [0, 1)"),
        (["data.fractions=[0.5,0.5,0.5]"], "sum to 1"),
        (["data.image_size=[10,10]"], "each at least 32"),
        (["loss.pos_weight=[1,-1]"], "loss.pos_weight"),
        (["model.pretrained=maybe"], "model.pretrained=maybe: must be true or false"),
        (["training.seed=1,2"], "several values"),
        (["data.split_seed=-1"], "data.split_seed=-1: must be in"),
        (["training.seed=100000000000000"], "training.seed="),
        (["training.seed=[1"], "cannot be read"),
        (["focal"], "is no override"),
        (["+new.key=1"], "unknown key '+new.key'"),
        (["~data.root=1"], "unknown key '~data.root'"),
    ],
)
def test_bad_words_are_named_in_one_line(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_config([ROOT, *words])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_data_set_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.root is not set: give data\.root=VALUE"):
        compose_config()


def test_no_global_hydra_state_stays() -> None:
    compose_config([ROOT])
    assert not GlobalHydra.instance().is_initialized()
    with pytest.raises(ConfigError):
        compose_config([ROOT, "training.batch_size=abc"])
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize("path", sorted(YAML_FOLDER.glob("*/*.yaml")), ids=lambda p: p.stem)
def test_every_key_has_a_comment_and_no_target(path: Path) -> None:
    text = path.read_text()
    assert "_target_" not in text
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if (
            isinstance(yaml.safe_load(line), dict)
            and next(iter(yaml.safe_load(line).values())) is None
        ):
            opens_block = line.rstrip().endswith(":")
            assert opens_block or "#" in line, line
            continue
        assert " # " in line, f"{path.name}: {line}"


@pytest.mark.parametrize("content", ["", "data: 3", "training: {num_epochs: 1}", "[", "\x00"])
def test_a_damaged_run_config_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(TrainingError, match="cannot be used"):
        load_config(tmp_path / "config.yaml")
