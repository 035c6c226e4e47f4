"""The files of a new plugin, from templates."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from losszoo.common.files import made_folder, unwritable
from losszoo.errors import UsageError
from losszoo.registry.registry import RESERVED, Registry
from losszoo.registry.specs import DOWNLOAD, NAME

# Path in the package, in which MODULE is the name of its module, and the template that makes it.
_FILES = (
    ("pyproject.toml", "pyproject.toml.jinja"),
    ("README.md", "readme.md.jinja"),
    ("MODULE/__init__.py", "plugin.py.jinja"),
    ("MODULE/losses.py", "losses.py.jinja"),
    ("tests/test_conformance.py", "conformance.py.jinja"),
    (".github/workflows/test.yml", "ci.yml.jinja"),
)


@dataclass(frozen=True)
class NewPlugin:
    """What was written.

    Args:
        folder: of the package.
        files: in it.
        loss: its name.
        task: an installed one to try it on; "" where none fits.
    """

    folder: Path
    files: tuple[str, ...]
    loss: str
    task: str


def write_package(name: str, out: str | Path, registry: Registry) -> NewPlugin:
    """A package of that name in a new folder. Nothing that exists is written to.

    Args:
        name: of the distribution, kebab-case.
        out: folder in which the new one is made.
        registry: whose names the new loss must not take.

    Raises:
        UsageError: the name cannot be that of a package or loss, or the folder exists or cannot be made.
    """
    module = name.replace("-", "_")
    _check_name(name, module)
    loss = name if name.endswith("-loss") else f"{name}-loss"
    taken = {*registry.losses, *registry.tasks, *registry.aliases, *RESERVED}
    if loss in taken:
        raise UsageError(f"NAME must give its loss a name of its own, got {name}: {loss} is taken; choose another")
    task = _task_for(_template("losses.py.jinja"), registry)
    folder = made_folder(out) / name
    try:
        folder.mkdir()
    except FileExistsError:
        raise UsageError(
            f"the folder must be a new one, got {folder}, which exists; choose another NAME or --out"
        ) from None
    except OSError as error:
        raise unwritable(error, folder) from error
    words = {"name": name, "module": module, "loss": loss, "function": loss.replace("-", "_"), "task": task}
    try:
        files = tuple(_write(folder, path.replace("MODULE", module), source, words) for path, source in _FILES)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise unwritable(error, folder) from error
    return NewPlugin(folder, files, loss, task)


def _write(folder: Path, path: str, source: str, words: dict[str, str]) -> str:
    from jinja2 import Environment, StrictUndefined

    # These are no pages: nothing is escaped.
    pages = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    made = pages.from_string(_template(source))
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(made.render(words), "utf-8")
    return path


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text("utf-8")


def _task_for(losses: str, registry: Registry) -> str:
    """An installed task to try the loss of the template on; "" where none fits."""
    (signature,) = re.findall(r'@loss\(signature="([\w-]+)"', losses)
    able = [task for task in registry.tasks.values() if registry.kinds[task.kind].natural == signature]
    return next((task.name for task in able if DOWNLOAD not in task.tags), "")


def _check_name(name: str, module: str) -> None:
    """The name of a distribution, a module and, nearly, a loss."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"NAME must be in lower case with dashes between words (a-z, 0-9, -), as my-losses, got {name!r}"
        )
    why = ""
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        why = "a word of Python"
    elif module in sys.stdlib_module_names:
        why = "a module of Python itself"
    elif importlib.util.find_spec(module) is not None:
        why = f"the module {module}, which is installed"
    elif any(_is(name, distribution) for distribution in importlib.metadata.distributions()):
        why = "a distribution that is installed"
    if why:
        raise UsageError(f"NAME must be free for a package of yours, got {name}: that is {why}; choose another")


def _is(name: str, distribution: importlib.metadata.Distribution) -> bool:
    known = distribution.metadata["Name"] if distribution.metadata is not None else None
    return str(known or "").lower().replace("_", "-").replace(".", "-") == name
