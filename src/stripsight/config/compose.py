"""From override words to a checked `Config`.

Hydra composes the packaged groups; nothing of Hydra or OmegaConf leaves this module, and no global
state stays behind. Its many error types become one `ConfigError` line that names the key and the
nearest valid one.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import NoneType, UnionType
from typing import get_args, get_type_hints

from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from stripsight.config.schema import Config
from stripsight.errors import ConfigError, TrainingError

_PATH_KEYS = ("data.root", "model.weights")
_TYPE_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list[int]: "a list of whole numbers such as [256, 1600]",
    list[float]: "a list of numbers such as [0.7, 0.15, 0.15]",
    NoneType: "null",
}


def compose_config(overrides: Sequence[str] = ()) -> Config:
    """Compose the packaged configuration with override words such as `loss=focal`.

    Raises:
        ConfigError: a word that is no override, an unknown key, group or option, or a value of
            the wrong type or out of range; the message names the nearest valid name.
    """
    words = [_quote_path(word) for word in overrides]
    for word in words:
        _check_override(word)
    try:
        with initialize_config_module("stripsight.config.yaml", version_base="1.3"):
            composed = compose("config", overrides=words)
        return _to_config(OmegaConf.to_yaml(composed))
    except HydraException as error:
        raise ConfigError(_first_line(error)) from error


def load_config(path: Path) -> Config:
    """Read the `config.yaml` of a run.

    Raises:
        TrainingError: missing, damaged, or of another StripSight: a fault of the run, not of usage.
    """
    try:
        return _to_config(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, ConfigError) as error:
        raise TrainingError(
            f"{path} cannot be used: {_describe_fault(error)}: put back the one that the run was"
            " trained with"
        ) from error


def format_config(config: Config) -> str:
    """The configuration as YAML that `load_config` reads."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def known_keys() -> list[str]:
    """Every key that can be set, as `group.key`."""
    return [
        f"{group.name}.{item.name}"
        for group in fields(Config)
        if is_dataclass(group.type)
        for item in fields(group.type)
    ]


def group_options(group: str) -> list[str]:
    """What a group can be set to, e.g. `loss`: asymmetric, bce, focal."""
    folder = resources.files("stripsight.config.yaml").joinpath(group)
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".yaml"))


def _quote_path(word: str) -> str:
    # A path may hold blanks, commas or equals signs, which mean something in Hydra's grammar.
    key, _, value = word.partition("=")
    if key not in _PATH_KEYS or value in ("", "null") or value[0] in "'\"":
        return word
    body = value.rstrip("\\")
    escaped = body.replace("'", "\\'") + "\\\\" * (len(value) - len(body))
    return f"{key}='{escaped}'"


def _check_override(word: str) -> None:
    if "=" not in word:
        raise ConfigError(
            f"{word!r} is no override: write key=value, such as training.num_epochs=50"
        )
    key = word.split("=", 1)[0]
    groups = [group.name for group in fields(Config)]
    if key not in groups and key not in known_keys():
        near = get_close_matches(key, [*known_keys(), *groups], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"groups: {', '.join(groups)}"
        raise ConfigError(f"unknown key {key!r}; {hint}")
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise ConfigError(f"{word!r} cannot be read: {_first_line(error)}") from error
    if override.is_sweep_override():
        raise ConfigError(f"{word!r} names several values: one run takes one (quote a comma)")
    if key in groups:
        options = group_options(key)
        value = override.value()
        if value not in options:
            near = get_close_matches(str(value), options, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(options)}"
            raise ConfigError(f"{key} has no option {value!r}; {hint}")


def _to_config(text: str) -> Config:
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(text))
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"{missing[0]} is not set: give {missing[0]}=VALUE")
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        key = str(getattr(error, "full_key", None) or "").split("[")[0]
        if key not in known_keys():
            raise ConfigError(_first_line(error)) from error
        value = OmegaConf.select(OmegaConf.create(text), key)
        raise ConfigError(f"{key}={value}: must be {_describe_type(key)}") from error
    except (ValueError, YAMLError) as error:
        raise ConfigError(_first_line(error)) from error
    assert isinstance(config, Config)
    return config


def _describe_type(key: str) -> str:
    """What a key takes, in words."""
    group, _, name = key.partition(".")
    wanted = get_type_hints(get_type_hints(Config)[group])[name]
    kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    return " or ".join(_TYPE_WORDS[kind] for kind in kinds)


def _describe_fault(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
