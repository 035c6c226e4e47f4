"""LaTeX as a terminal can show it, in Unicode: pylatexenc reads it and knows the symbols, the layout is ours."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pylatexenc import latex2text, latexwalker
from pylatexenc.macrospec import EnvironmentSpec, LatexContextDb, MacroSpec

_SUBSCRIPTS = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_SUPERSCRIPTS = dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))
_QUOTIENTS = {("1", "2"): "½", ("1", "3"): "⅓", ("1", "4"): "¼", ("3", "4"): "¾"}
_SPACES = {",": " ", ";": " ", ":": " ", " ": " ", "quad": "  ", "qquad": "  ", "!": ""}
_THIN = (",", ";", ":", " ")
_SIZES = ("left", "right", "bigl", "bigr", "Bigl", "Bigr", "big", "Big", "limits")
_QUOTED = ("text", "mathrm", "operatorname", "mathbf", "mathit", "mathcal")
# What pylatexenc has no letter for.
_SYMBOLS = {"ne": "≠", "|": "‖", "{": "{", "}": "}", "lVert": "‖", "rVert": "‖"}
# Spaces inside of brackets, and more than two of them.
_LOOSE = re.compile(r"(?<=[(⟨]) +| +(?=[)⟩])|(?<=  ) +")
_MATH = re.compile(r"\$([^$]+)\$")


def in_unicode(formula: str) -> str:
    r"""A formula in one line.

    Example:
        >>> in_unicode(r"\ell_i = -\log \frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}}")
        'ℓᵢ = -log (e^(sᵢᵢ/τ) / (∑ⱼ e^(sᵢⱼ/τ)))'
        >>> in_unicode(r"\tfrac12 \max_{j \ne y} (z_j - z_y)^2")
        '½ max_(j≠y) (zⱼ - z_y)²'
    """
    walker = latexwalker.LatexWalker(formula, latex_context=_plain_context(), tolerant_parsing=True)
    nodes, _, _ = walker.get_latex_nodes()
    return _LOOSE.sub("", _text(nodes)).strip()


def prose_in_unicode(text: str) -> str:
    """Words in which mathematics stand between dollars."""
    return _MATH.sub(lambda match: in_unicode(match[1]), text)


class _Atom(NamedTuple):
    """A character, a macro by its name, or what stands in braces or in an environment."""

    kind: str
    name: str = ""
    inner: tuple[Any, ...] = ()


def _text(nodes: Iterable[Any]) -> str:
    return _Line(list(_atoms(nodes))).text()


def _atoms(nodes: Iterable[Any]) -> Iterator[_Atom]:
    """Characters one by one, macros with the space behind them, groups and environments."""
    for node in nodes:
        if isinstance(node, latexwalker.LatexMacroNode):
            yield _Atom("macro", node.macroname)
            yield from (_Atom("letter", letter) for letter in node.macro_post_space)
        elif isinstance(node, latexwalker.LatexGroupNode):
            yield _Atom("group", inner=tuple(node.nodelist))
        elif isinstance(node, latexwalker.LatexEnvironmentNode):
            yield _Atom("environment", inner=tuple(node.nodelist))
        else:
            yield from (_Atom("letter", letter) for letter in node.latex_verbatim())


_SPACE, _STAR = _Atom("letter", " "), _Atom("letter", "*")


class _Line:
    """What is left to be written, and what is written."""

    def __init__(self, atoms: list[_Atom]) -> None:
        self.atoms, self.written = atoms, ""
        # Whether a function such as log still waits for what it is taken of.
        self.function = False

    def text(self) -> str:
        while self.atoms:
            atom = self.atoms.pop(0)
            if atom.kind == "letter" and atom.name in "_^":
                self.written += _script(self._argument(), atom.name)
                continue
            waiting, self.function = self.function, self.function and atom == _SPACE
            self.written += self._one(atom, waiting)
        return self.written

    def _one(self, atom: _Atom, waiting: bool) -> str:
        if atom.kind == "letter":
            return "" if atom == _SPACE and self.written.endswith(" ") else atom.name
        if atom.kind == "group":
            return _text(atom.inner)
        if atom.kind == "environment":
            return _cases(list(_atoms(atom.inner)))
        return self._macro(atom.name, waiting)

    def _macro(self, name: str, waiting: bool) -> str:
        if name in _SPACES or name in _SIZES:
            self.function = waiting
            return "" if name in _THIN and self.written.endswith(" ") else _SPACES.get(name, "")
        if name.endswith("frac"):
            quotient = _quotient(self._argument(), self._argument())
            return f"({quotient})" if waiting and "/" in quotient else quotient
        if name == "sqrt":
            return f"√({self._argument()})"
        if name in _QUOTED:
            return self._name(self._argument(), function=name == "operatorname")
        known = _symbol(name)
        return self._name(known, function=True) if known.isascii() and known.isalpha() else known

    def _name(self, name: str, *, function: bool) -> str:
        """A function stands apart from a letter on either side."""
        self.function = function
        before = " " if function and self.written[-1:].isalnum() else ""
        following = self.atoms[0] if self.atoms else _SPACE
        spaced = following.kind == "macro" and following.name in (*_SIZES, *_SPACES)
        apart = function and not spaced and (following.kind != "letter" or following.name.isalnum())
        return f"{before}{name}{' ' if apart else ''}"

    def _argument(self) -> str:
        """The next group, macro or character; a star that belongs to the macro's name is passed over."""
        while self.atoms and self.atoms[0] in (_SPACE, _STAR):
            self.atoms.pop(0)
        return _Line([self.atoms.pop(0)]).text() if self.atoms else ""


def _script(text: str, mark: str) -> str:
    """Small letters where Unicode has them all, else the mark, with brackets where it is no single word."""
    text = text.replace(" ", "") if mark == "_" else text
    small = _SUBSCRIPTS if mark == "_" else _SUPERSCRIPTS
    if all(letter in small for letter in text):
        return "".join(small[letter] for letter in text)
    return f"{mark}{text}" if text.isalnum() else f"{mark}({text})"


def _quotient(above: str, below: str) -> str:
    if (above, below) in _QUOTIENTS:
        return _QUOTIENTS[above, below]
    above, below = (f"({part})" if " " in part else part for part in (above, below))
    return f"{above} / {below}" if "(" in below else f"{above}/{below}"


def _cases(atoms: list[_Atom]) -> str:
    """``{ a if x > 0; b if x <= 0 }``"""
    rows: list[list[list[_Atom]]] = [[[]]]
    for atom in atoms:
        if atom == _Atom("macro", "\\"):
            rows.append([[]])
        elif atom == _Atom("letter", "&"):
            rows[-1].append([])
        else:
            rows[-1][-1].append(atom)
    return f"{{ {'; '.join(' if '.join(_Line(cell).text().strip() for cell in row) for row in rows)} }}"


@functools.cache
def _symbols() -> Any:
    return latex2text.get_default_latex_context_db()


def _symbol(name: str) -> str:
    """The letter of a macro; its name where there is none."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    spec = _symbols().get_macro_spec(name)
    letter = getattr(spec, "simplify_repl", None)
    return letter if isinstance(letter, str) and letter else name


@functools.cache
def _plain_context() -> Any:
    """No macro takes an argument while it is read: the layout takes what follows it."""
    context = LatexContextDb()
    context.set_unknown_macro_spec(MacroSpec(""))
    context.set_unknown_environment_spec(EnvironmentSpec(""))
    return context
