"""Of the text of a module, the statements that say what its losses are. Nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

Marked = ast.FunctionDef | ast.ClassDef

# What parsing raises, beside an error of syntax, where a text is nested too deeply or too long.
TOO_MUCH = (RecursionError, MemoryError)
# A decorator of that name, wherever it stands.
_MARK = re.compile(rb"(?:^|\r)[ \t\f]*@[ \t]*(?:\w+\.)*loss\b", re.MULTILINE)


def statements(text: bytes) -> tuple[list[ast.stmt], list[Marked | ast.AsyncFunctionDef]]:
    """Those at the top that can matter: assignments, and what is decorated, as far as its docstring.

    Returns:
        The statements, and what is marked as a loss elsewhere: within another statement, where its name may stand for
        anything, or async, which gives no value.

    Raises:
        SyntaxError: it is no Python; ValueError and :data:`TOO_MUCH` likewise.
    """
    marks = len(_MARK.findall(text))
    if not marks:
        return [], []
    try:  # the short cut does not know every form of a string, in which a decorator may stand
        body = [] if b"'''" in text else parsed(b"\n".join(_heads(text.split(b"\n")))).body
    except SyntaxError:
        body = []
    if len([*marked(body)]) == marks:
        return body, []
    tree = parsed(text)
    top = [node for node, _ in marked(tree.body)]
    found = (node for node in ast.walk(tree) if isinstance(node, Marked | ast.AsyncFunctionDef))
    return tree.body, [node for node in found if node not in top and any(map(_is_mark, node.decorator_list))]


def parsed(text: str | bytes) -> ast.Module:
    """The tree; Python warns of the text, say of a ``\\l`` outside a raw string, when it runs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def marked(body: Iterable[ast.AST]) -> Iterator[tuple[Marked, ast.expr]]:
    """The functions and classes at the top that are marked as losses, each with its decorator."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from ((node, decorator) for decorator in node.decorator_list if _is_mark(decorator))


def _is_mark(decorator: ast.expr) -> bool:
    return last_name(decorator) == "loss"


def last_name(node: ast.expr) -> str:
    """``loss`` of ``@loss``, ``@losszoo.loss`` and ``@losszoo.loss(...)``."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def assigned(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """What the names of a module stand for; a name that is assigned twice may stand for either, and is none of them."""
    values: dict[str, ast.expr] = {}
    for node in body:
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        plain = len(targets) == 1 and isinstance(targets[0], ast.Name) and not isinstance(node, ast.AugAssign)
        for name in [part for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]:
            values[name.id] = node.value if plain and name.id not in values else name
    return values


def _heads(lines: list[bytes]) -> Iterator[bytes]:
    """As many lines, empty where they cannot matter: to parse all code of all losses takes several times longer."""
    kept = decorated = inside = False
    head = b""  # of what is written, a function or a class
    for line in lines:
        indented = line[:1] in b" )]}"  # an empty line is in any bytes
        if indented and not kept and not head and b'"""' not in line:
            yield b""
            continue
        if not inside:
            if not indented:  # a new statement
                declares = line.startswith((b"def ", b"class "))
                kept = line.startswith(b"@") or (decorated if declares else b"=" in line)
                head = line[:3] if kept and declares else b""
                decorated = line.startswith(b"@")
            elif head == b"cla" and line.startswith((b"    def ", b"    @")):
                kept = line.startswith(b"    def __init__(")
        yield line if kept else b""
        if b'"""' in line:
            inside = inside != (line.count(b'"""') % 2 == 1)
            if head == b"def" and not inside:
                kept, head = False, b""
