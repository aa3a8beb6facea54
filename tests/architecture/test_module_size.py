"""A module holds one concept: over 300 lines it wants splitting."""

from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "stripsight"
MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_is_over_300_lines(module: Path) -> None:
    lines = len(module.read_text(encoding="utf-8").splitlines())
    assert lines <= 300, f"{lines} lines: split it by concept"


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert not [path for path in MODULES if path.stem in vague]
