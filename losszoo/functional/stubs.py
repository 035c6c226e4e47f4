"""Writes ``__init__.pyi``, by which an editor completes the losses: ``python -m losszoo.functional.stubs``.

The file in the package holds the losses of this distribution. ``--all`` prints one for everything that is installed.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from losszoo.functional.describe import described, signature_of, written
from losszoo.registry.import_target import resolve
from losszoo.registry.registry import OWN_DISTRIBUTION, installed
from losszoo.registry.specs import LossSpec

FILE = Path(__file__).with_name("__init__.pyi")
_HEAD = '''"""Every installed loss as a function. Written by ``python -m losszoo.functional.stubs``: do not edit."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NoReturn

from torch import Tensor

from losszoo.losses.declare import Floats
from losszoo.pairs.streaming import Streaming

'''
_TAIL = """# What a plugin adds is found when it is called.
def __getattr__(name: str) -> Callable[..., Tensor]: ...
"""


def stub(distribution: str | None = OWN_DISTRIBUTION) -> str:
    """The text of the file, for the losses of one distribution, or of all."""
    registry = installed()
    specs = [
        spec
        for name, spec in sorted(registry.losses.items())
        if distribution in (None, registry.origin("loss", name).distribution)
    ]
    return _HEAD + "".join(f"{_function(spec)}\n" for spec in specs) + _TAIL


def _function(spec: LossSpec) -> str:
    # A class keeps parameters of its own, which is refused in a call.
    returned = "NoReturn" if inspect.isclass(resolve(spec.target)) else "Tensor"
    text = described(spec).rstrip()
    raw = "r" if "\\" in text else ""
    lines = [f"def {spec.name.replace('-', '_')}(", *_arguments(spec), f") -> {returned}:"]
    body = textwrap.indent(f'{raw}"""{text}\n"""', "    ")
    return "\n".join([*lines, body, ""])


def _arguments(spec: LossSpec) -> Iterator[str]:
    by_name = False
    for parameter in signature_of(spec).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not by_name:
            by_name = True
            yield "    *,"
        default = "" if parameter.default is parameter.empty else f" = {written(parameter.default)}"
        yield f"    {parameter.name}: {parameter.annotation}{default},"


if __name__ == "__main__":
    if sys.argv[1:] == ["--all"]:
        sys.stdout.write(stub(None))
    else:
        FILE.write_text(stub(), "utf-8")
