"""Text from any source, escaped for its place on the page."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from losszoo.common.files import jsonable
from losszoo.common.text import printable

if TYPE_CHECKING:
    from jinja2 import Template

_LONGEST = 72


@cache
def asset(package: str, name: str) -> str:
    """The text of a file of a package."""
    return files(package).joinpath(name).read_text("utf-8")


@cache
def template(package: str, name: str) -> Template:
    """A page of a package. Every value in it is escaped, unless it is marked as safe."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    pages = Environment(
        loader=FunctionLoader(lambda file: asset(package, file)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_printable,
        keep_trailing_newline=True,
    )
    return pages.get_template(name)


def _printable(value: Any) -> Any:
    """Text without control characters; lines stay lines."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def in_plot(text: str) -> str:
    """As text of a plot: plotly reads tags, entities and ``%{meta}`` even in a name, and shows this one literally.

    Example:
        >>> in_plot("<b>%{meta}")
        '&lt;b&gt;%&#123;meta}'
    """
    if len(text) > _LONGEST:  # the middle goes, because names differ at their ends
        head = (_LONGEST - 1) * 2 // 3
        text = f"{text[:head]}…{text[head + 1 - _LONGEST :]}"
    return escape(printable(text), quote=False).replace("{", "&#123;")


def in_script(value: Any) -> str:
    r"""Plain data as JSON that may stand inside ``<script>``: ASCII alone, and nothing that ends the element.

    Example:
        >>> in_script(["</script>", float("nan")])
        '["\\u003c/script\\u003e",null]'
    """
    text = json.dumps(jsonable(value), allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def sha256(text: str) -> str:
    """As a Content-Security-Policy names what may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
