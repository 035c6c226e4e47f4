"""Losses read from their source: ``@losszoo.loss``, annotations and docstring. Nothing is imported or evaluated."""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from typing import Any

from losszoo.errors import UsageError, suggest
from losszoo.losses.sums.words import SIMILARITIES
from losszoo.registry.faulty_specs import collecting, faulty
from losszoo.registry.from_source.docstring import Docstring, read_docstring
from losszoo.registry.from_source.statements import (
    TOO_MUCH,
    Marked,
    assigned,
    last_name,
    marked,
    statements,
)
from losszoo.registry.params import Param
from losszoo.registry.specs import LossSpec

DECLARES = ("signature", "tags", "aliases", "status", "stable_twin", "expects", "name")
_RANGE = ("bounds", "log", "search")
# What a function is given by the zoo, and not by the user of the loss.
_GIVEN = ("mask", "row_labels", "column_labels")
_ROWS = ("pairwise", "softmax_row")
TYPES = {
    frozenset({"float"}): "float",
    frozenset({"int", "float"}): "float",
    frozenset({"int"}): "int",
    frozenset({"bool"}): "bool",
    frozenset({"str"}): "str",
    frozenset({"Floats"}): "floats",
}

_SIMILARITY = "how alike two rows are; of a distance the negative"
_TEMPERATURE = "what the similarities are divided by"
_LEARNED, _IS_LEARNED = "learned_temperature", "whether the temperature is learned, as exp(log_temperature)"
_SYMMETRIC = "the mean of both directions, first to second and second to first"


class _UnreadableError(Exception):
    """A part of the source that does not say what it must, or not in literals."""

    def __init__(self, node: ast.AST, rule: str) -> None:
        super().__init__(rule)
        self.line = getattr(node, "lineno", 1)


class _Module:
    """A module as text: its name, where it lies, and what its names stand for where that is one assignment."""

    def __init__(self, name: str, place: str, names: dict[str, ast.expr]) -> None:
        self.name, self.place, self.names = name, place, names

    def resolved(self, node: ast.expr) -> ast.expr:
        """What a name of this module stands for; anything else as it is."""
        for _ in self.names:
            if not isinstance(node, ast.Name) or node.id not in self.names:
                break
            node = self.names[node.id]
        return node


def losses_in(*modules: str) -> list[LossSpec]:
    """The losses of modules and whole packages, as specs. Imports none of them.

    Everything that :func:`losszoo.loss` marks is read from the source: name, summary (the docstring's first line),
    formula (its ``.. math::``), parameters with types, defaults, ranges (``Annotated[float, Range(0, None)]``) and
    summaries (``Args:``), reference, and what the decorator says. Literals only, or names that the module sets once, to
    a literal.

    Args:
        modules: as an import names them: "my_package.losses".

    Returns:
        One spec a loss, in the order of the modules and their lines. In a plugin's hook a loss that cannot be read is
        recorded with file and line; the other losses are kept.

    Raises:
        UsageError: outside of a hook, a loss that cannot be read.

    Example:
        >>> [spec.name for spec in losses_in("losszoo_plugins.metric.pairs")]
        ['contrastive']
    """
    return [spec for module in modules for spec in _losses_of(module)]


def _losses_of(name: str) -> Iterator[LossSpec]:
    count = 0
    for module, place, text in _sources(name):
        for spec in _losses_in_text(module, place, text):
            count += 1
            yield spec
    if not count:
        why = "must hold a loss marked with @losszoo.loss(...), and holds none" if _find(name) else "is not there"
        yield faulty(LossSpec, f"losses_in: module {name} {why}")


def _losses_in_text(name: str, place: str, text: bytes | None) -> Iterator[LossSpec]:
    if text is None:
        yield faulty(LossSpec, f"module {name} has no source to read; give its losses as losszoo.LossSpec")
        return
    try:
        body, hidden = statements(text)
    except (SyntaxError, ValueError, *TOO_MUCH) as error:
        said, line = getattr(error, "msg", error), getattr(error, "lineno", 1)
        yield faulty(LossSpec, f"module {name} cannot be read: {said} ({place}:{line})")
        return
    module = _Module(name, place, assigned(body))
    for node, decorator in marked(body):
        yield _loss(module, node, decorator)
    for other in hidden:
        how = "must be a function or class at the top of its file, got one within another statement, or async"
        yield faulty(LossSpec, f"loss {_dashed(other)}: {how} ({place}:{other.lineno})")


def _loss(module: _Module, node: Marked, decorator: ast.expr) -> LossSpec:
    """The spec, or one that keeps what is wrong."""
    with collecting(False):
        line = node.lineno
        try:
            return _spec(module, node, decorator)
        except _UnreadableError as error:
            line, said = error.line, f"loss {_dashed(node)}: {error}"
        except TOO_MUCH as error:
            said = f"loss {_dashed(node)} cannot be read: {error}"
        except (UsageError, TypeError) as error:
            said = str(error)
    return faulty(LossSpec, f"{said} ({module.place}:{line})")


def _spec(module: _Module, node: Marked, decorator: ast.expr) -> LossSpec:
    declared = _declared(module, decorator)
    doc = read_docstring(ast.get_docstring(node) or "")
    missing = [
        what
        for what, there in (
            ("a summary in its first line", doc.summary),
            ("a formula (a line .. math:: ...)", doc.formula),
            ("a section Reference:", doc.reference),
        )
        if not there
    ]
    if missing:
        raise _UnreadableError(node, f"the docstring must have {', '.join(missing)}; it has none")
    return LossSpec(
        name=declared.pop("name", None) or _dashed(node),
        target=f"{module.name}:{node.name}",
        summary=doc.summary,
        formula=doc.formula,
        reference=doc.reference,
        description=doc.description,
        params=tuple(_params(module, node, doc)),
        **declared,
    )


def _dashed(node: Marked | ast.AsyncFunctionDef) -> str:
    """``laplace-nll`` of ``laplace_nll`` and of ``LaplaceNLL``."""
    if not isinstance(node, ast.ClassDef):
        return node.name.replace("_", "-").lower()
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", node.name).lower()


def _declared(module: _Module, decorator: ast.expr) -> dict[str, Any]:
    """The arguments of ``@loss(...)``."""
    if not isinstance(decorator, ast.Call) or decorator.args:
        raise _UnreadableError(decorator, 'the decorator must be written with keywords, @loss(signature="binary")')
    found = _keywords(module, decorator, DECLARES, "@loss")
    if "signature" not in found:
        raise _UnreadableError(decorator, 'the decorator must name the signature, @loss(signature="binary")')
    return found


def _keywords(module: _Module, call: ast.Call, known: tuple[str, ...], what: str) -> dict[str, Any]:
    for keyword in call.keywords:
        if keyword.arg not in known:
            near = suggest(str(keyword.arg), list(known)) if keyword.arg else f"known: {', '.join(known)}"
            raise _UnreadableError(keyword.value, f"{what} has no argument {keyword.arg or '**'}; {near}")
    return {str(k.arg): _literal(module, k.value, f"{k.arg} of {what}") for k in call.keywords}


def _literal(module: _Module, node: ast.expr, what: str) -> Any:
    node = module.resolved(node)
    if isinstance(node, ast.Constant):  # as most are
        return node.value
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        shown = ast.unparse(node)
        rule = f"{what} must be a literal, or a name that this file sets once, to a literal, got {shown}"
        raise _UnreadableError(node, rule) from None


def _params(module: _Module, node: Marked, doc: Docstring) -> Iterator[Param]:
    """The function's own, then those that a row function has by its decorator."""
    for argument, default in _keyword_arguments(node):
        if argument.arg not in _GIVEN and not _is_input(module, argument):
            yield _param(module, argument, default, doc.arguments.get(argument.arg, ""))
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and last_name(decorator) in _ROWS:
            yield from _row_params(module, decorator, doc)


def _is_input(module: _Module, argument: ast.arg) -> bool:
    """Whether it is an input that may be left out, ``Tensor | None``: no parameter is a tensor."""
    return argument.annotation is not None and {"Tensor", "None"} == {
        "None" if _is_none(member) else last_name(member) for member in _members(module, argument.annotation)
    }


def _keyword_arguments(node: Marked) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """What a user may set: with a default or by keyword only; of a class, all arguments of its ``__init__``."""
    if isinstance(node, ast.ClassDef):
        made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        if not made:
            return
        function = made[-1]
        positional = [*function.args.posonlyargs, *function.args.args][1:]
    else:
        function = node
        positional = [*node.args.posonlyargs, *node.args.args]
        for argument in positional[len(positional) - len(node.args.defaults) : len(node.args.posonlyargs)]:
            raise _UnreadableError(argument, f"{argument.arg} must be taken by its name, got it before the /")
    defaults = function.args.defaults
    without = len(positional) - len(defaults)
    if isinstance(node, ast.ClassDef):
        yield from ((argument, None) for argument in positional[:without])
    yield from zip(positional[without:], defaults, strict=True)
    yield from zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)


def _param(module: _Module, argument: ast.arg, default: ast.expr | None, summary: str) -> Param:
    name = argument.arg
    if default is None:
        raise _UnreadableError(argument, f"{name} must have a default, as a loss is made by its name; it has none")
    if argument.annotation is None:
        raise _UnreadableError(argument, f"{name} must have a type, such as {name}: float; it has none")
    annotation, bounds = module.resolved(argument.annotation), None
    if isinstance(annotation, ast.Subscript) and last_name(annotation.value) == "Annotated":
        parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        annotation = parts[0]
        calls = [module.resolved(part) for part in parts[1:]]
        bounds = next((c for c in calls if isinstance(c, ast.Call) and last_name(c) == "Range"), None)
    kind, choices = _type(module, annotation, name)
    if kind in ("float", "floats") and bounds is None:
        written = f"Annotated[{ast.unparse(annotation)}, losszoo.Range(0, None)]"
        rule = f"{name} must say which values are legal, {name}: {written}; Range(None, None) where all are"
        raise _UnreadableError(argument, rule)
    if kind in ("bool", "str") and bounds is not None:
        raise _UnreadableError(argument, f"{name} must have no Range, as it is no number, got type {kind}")
    limits = {} if bounds is None else _range(module, bounds, name)
    value = _literal(module, default, f"default of {name}")
    return Param(name=name, type=kind, default=value, choices=choices, summary=summary, **limits)


def _type(module: _Module, node: ast.expr, name: str) -> tuple[str, tuple[str, ...]]:
    """The type of a parameter, and the strings that are legal."""
    members = [member for member in _members(module, node) if not _is_none(member)]
    if len(members) == 1 and isinstance(members[0], ast.Subscript) and last_name(members[0].value) == "Literal":
        found = _literal(module, members[0].slice, name)
        return "str", found if isinstance(found, tuple) else (found,)
    kind = TYPES.get(frozenset(last_name(member) for member in members))
    if kind is None:
        known = "float, int, bool, str, Literal[...] or losszoo.Floats, with or without | None"
        raise _UnreadableError(node, f"the type of {name} must be {known}, got {ast.unparse(node)}")
    return kind, ()


def _members(module: _Module, node: ast.expr) -> Iterator[ast.expr]:
    node = module.resolved(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _members(module, node.left)
        yield from _members(module, node.right)
    else:
        yield node


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _range(module: _Module, call: ast.Call, name: str) -> dict[str, Any]:
    """The fields of ``Range(low, high, bounds=, log=, search=)``; an end that is None is open."""
    if len(call.args) != 2:
        raise _UnreadableError(call, f"the Range of {name} must have two ends, Range(0, None), got {ast.unparse(call)}")
    low, high = (_literal(module, end, f"an end of the Range of {name}") for end in call.args)
    return limits(low, high, **_keywords(module, call, _RANGE, f"Range of {name}"))


def limits(low: float | None, high: float | None, bounds: Any = "[]", **rest: Any) -> dict[str, Any]:
    """The fields of a parameter by those of a Range; an end that is None is open."""
    if isinstance(bounds, str) and len(bounds) == 2:
        bounds = ("(" if low is None else bounds[0]) + (")" if high is None else bounds[1])
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    return {"range": ends, "bounds": bounds, **rest}


def _row_params(module: _Module, decorator: ast.Call, doc: Docstring) -> Iterator[Param]:
    """``similarity``, ``temperature`` and ``symmetric``, as :func:`losszoo.pairwise` gives them to a row function."""
    said = {
        str(keyword.arg): _literal(module, keyword.value, f"{keyword.arg} of @{last_name(decorator)}")
        for keyword in decorator.keywords
        if keyword.arg in ("similarity", "temperature", "temperature_search", "symmetric", _LEARNED)
    }
    words = {"similarity": _SIMILARITY, "temperature": _TEMPERATURE, "symmetric": _SYMMETRIC, _LEARNED: _IS_LEARNED}
    words |= doc.arguments
    yield Param(
        name="similarity",
        type="str",
        default=said.get("similarity", "euclidean"),
        choices=SIMILARITIES,
        summary=words["similarity"],
    )
    temperature = said.get("temperature", 1.0)
    if temperature is not None:
        yield Param(
            name="temperature",
            default=temperature,
            range=(0.0, math.inf),
            bounds="()",
            log=True,
            search=said.get("temperature_search"),
            summary=words["temperature"],
        )
    if said.get(_LEARNED):
        yield Param(name=_LEARNED, type="bool", default=True, summary=words[_LEARNED])
    if said.get("symmetric") is not None:
        yield Param(name="symmetric", type="bool", default=said["symmetric"], summary=words["symmetric"])


def marked_in(module: str) -> dict[str, str]:
    """File and line of each loss that the source of a module marks, by the name of its function or class."""
    text, place = next(((text, place) for _, place, text in _sources(module)), (None, ""))
    if text is None:
        return {}
    return {node.name: f"{place}:{node.lineno}" for node, _ in marked(statements(text)[0])}


def _sources(name: str) -> Iterator[tuple[str, str, bytes | None]]:
    """Name, place and text of a module, and of all that lie in it where it is a package; no parent is imported."""
    spec = _find(name)
    if spec is None or spec.loader is None:
        return
    inside = spec.submodule_search_locations
    if spec.origin is not None and spec.origin.endswith(".py") and hasattr(spec.loader, "get_data"):
        yield name, _place(spec.origin), spec.loader.get_data(spec.origin)
    elif inside is None:
        yield name, _place(spec.origin or name), None
    if inside is not None:
        import pkgutil  # here, as most manifests name their modules

        for child in sorted(pkgutil.iter_modules(inside), key=lambda child: child.name):
            yield from _sources(f"{name}.{child.name}")


def _find(name: str) -> ModuleSpec | None:
    """The spec of a module, from the folders of its parents; ``importlib.util.find_spec`` would import those."""
    package, _, _ = name.rpartition(".")
    path: Any = None
    if package:
        there = sys.modules.get(package)
        parent = _find(package) if there is None else there.__spec__
        path = None if parent is None else parent.submodule_search_locations
        if path is None:
            return None
    found = (finder.find_spec(name, path, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return next((spec for spec in found if spec is not None), None)


def _place(path: str) -> str:
    """The file with its folder, as in the errors of plugins."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])
