"""The one template and the one style sheet of every page, and how words are set in them."""

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_template(**values: object) -> str:
    """The template with its values, and the style sheet inside."""
    template = _environment().get_template("page.html.j2")
    return template.render(style=_read_style(), **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("stripsight.reporting", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_tie_units,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _tie_units(value: object) -> object:
    # No line may end between a number and its percent sign.
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value


@cache
def _read_style() -> Markup:
    # Markup: the style sheet is ours and holds `>`; nothing of a data set enters it.
    return Markup(resources.files("stripsight.reporting").joinpath("style.css").read_text("utf-8"))
