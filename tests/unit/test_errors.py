import inspect
import re

import pytest

from stripsight import errors

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass)]


def read_drawn_tree():
    """Name and parent of every error as the module's docstring draws them."""
    parents = {}
    path = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    ([│ ├└─]*)(\w+Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            parents[found[2]] = path[depth - 1] if depth else "Exception"
    return parents


def test_drawn_tree_is_the_tree():
    assert read_drawn_tree() == {c.__name__: c.__base__.__name__ for c in CLASSES}


@pytest.mark.parametrize("error", CLASSES)
def test_wrong_usage_alone_has_exit_code_two(error):
    assert error.exit_code == (2 if issubclass(error, errors.UsageError) else 1)
