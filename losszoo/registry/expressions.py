"""The language of ``--loss``: names, calls, weighted sums. A parser of our own grammar; nothing is evaluated.

    expression := ["+" | "-"] term (("+" | "-") term)*
    term       := factor ("*" factor)*                    all factors but one are numbers or schedules
    factor     := number | schedule | loss | "(" expression ")"
    schedule   := ("linear" | "cosine" | "step") "(" number "," number "," [("epochs" | "steps") "="] number ")"
                | "constant" "(" number ")"
    loss       := (name | target) ["(" argument ("," argument)* ")"]
    argument   := key "=" value | expression              expressions only for a loss that combines losses
    value      := number | string | "true" | "false" | "none" | "[" number ("," number)* "]" | word

A target whose path has a space or a sign in it is written as a string: "my losses/a+b.py:Mine".
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from losszoo.errors import UsageError
from losszoo.losses.sums.schedules import Schedule
from losszoo.losses.sums.words import KINDS, WORDS
from losszoo.registry.expression_terms import TOKENS
from losszoo.registry.expression_terms import Call as Call
from losszoo.registry.expression_terms import Weighted as Weighted

# A Python file without the name of what is in it.
_FILE = re.compile(r"""[^\s()*+,="'\[\]:]+\.py(?!\w|:[A-Za-z_])""")
# A name with dots alone, as Python writes it.
_DOTTED = re.compile(r"[A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)++(?![:.])")
# What could be a sum, or a path with a sign in it.
_SIGNED = re.compile(r"""([^\s()*,="'\[\]:]{1,300}+):[A-Za-z_][\w.]*+""")
# What a path ends with, and what one of Windows begins with, also where a shell has taken its backslashes away.
_END_OF_FILE = re.compile(r"\.py:[A-Za-z_][\w.]*")
_WINDOWS = re.compile(r"\s*[A-Za-z]:(?:[\\/][^:]*|[^\s:+*]*)\.py:")
# Two words with a space or a * between them, and the numbers that a term may begin with.
_JOINED = re.compile(r"[\w.~-][ *]+[\w.~-]")
_NUMBERS = re.compile(r"^(?:[0-9.]+ *\* *)+")
# Deep enough for any loss, shallow enough for the recursive parser.
_DEEPEST = 40
_LONGEST = 10_000


def parse(text: str) -> tuple[Weighted, ...]:
    """The terms of an expression, products and brackets multiplied out.

    Raises:
        UsageError: the text is not of the grammar; says at which position, and what was expected there.

    Example:
        >>> [str(term) for term in parse("0.5*(bce + 2*dice(smooth=0.1))")]
        ['0.5*bce', 'dice(smooth=0.1)']
    """
    if len(text) > _LONGEST:
        raise UsageError(f"a loss expression must have at most {_LONGEST} characters, got {len(text)}")
    return _Parser(text).whole()


def _unquoted(text: str, position: int) -> str:
    """What to add where a path without quotes may be meant; else nothing."""
    if os.name != "nt" and _WINDOWS.match(text):
        return "; this is a Windows path: here the parts of a path are joined by /"
    end = _END_OF_FILE.search(text, position)
    if end is None or '"' in text:
        return ""
    start = position
    while start and (text[start - 1].isalnum() or text[start - 1] in "_ .~-*"):
        start -= 1
    path = _NUMBERS.sub("", text[start : end.end()].strip())
    if TOKENS.match(text, position) and not _JOINED.search(path):
        return ""
    quoted = shlex.quote(f'"{path}"') if path == text.strip() else f"""'... "{path}" ...'"""
    return f"; a path with a space or a sign in it must be in quotes: --loss {quoted}"


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, RuntimeError):  # too long for a path, no such ~user
        return False


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class _Product:
    """What a factor or a term has become so far: a number, schedules, and terms once a loss has been seen."""

    scale: float = 1.0
    schedules: tuple[Schedule, ...] = ()
    terms: tuple[Weighted, ...] = ()

    def times(self, other: _Product) -> _Product:
        scale, schedules = self.scale * other.scale, self.schedules + other.schedules
        return _Product(scale, schedules, self.terms or other.terms)

    def spread(self) -> tuple[Weighted, ...]:
        return tuple(replace(t, scale=self.scale * t.scale, schedules=self.schedules + t.schedules) for t in self.terms)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0
        self.depth = 0

    def _tokens(self) -> Iterator[_Token]:
        position = 0
        while position < len(self.text):
            if self.text[position].isspace():
                position += 1
                continue
            if nameless := _FILE.match(self.text, position):
                self._fail(position, f"the loss in the file, {nameless.group()}:NAME", nameless.group())
            if dotted := _DOTTED.match(self.text, position):
                module, _, name = dotted.group().rpartition(".")
                self._fail(position, f"module and name apart, {module}:{name}", dotted.group())
            signed = _SIGNED.match(self.text, position) if ".py:" in self.text else None
            if signed and "+" in signed[1] and _is_file(signed[1]):
                quoted = shlex.quote(f'"{signed.group()}"')
                self._fail(position, f"a path with a + in it in quotes, --loss {quoted}", signed.group())
            match = TOKENS.match(self.text, position)
            if match is None:
                self._fail(position, "a loss, a number or one of + - * ( )", repr(self.text[position]))
            yield _Token(str(match.lastgroup), match.group(), position)
            position = match.end()
        yield _Token("end", "", len(self.text))

    def _fail(self, position: int, expected: str, came: str) -> NoReturn:
        start = max(0, position - 60)
        lead = "..." if start else ""
        shown = lead + re.sub(r"\s", " ", self.text[start : start + 100])
        shown += "..." if len(self.text) > start + 100 else ""
        caret = f"\n  {shown}\n  {' ' * (len(lead) + position - start)}^"
        where = f"cannot read the loss expression at position {position + 1}"
        raise UsageError(f"{where}: expected {expected}, got {came}{_unquoted(self.text, position)}{caret}")

    def _unexpected(self, expected: str) -> NoReturn:
        token = self.tokens[self.at]
        self._fail(token.position, expected, repr(token.text) if token.text else "the end")

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def _take(self, *texts: str) -> str | None:
        """The mark that stands next, where it is one of these."""
        token = self.tokens[self.at]
        if token.kind == "mark" and token.text in texts:
            self.at += 1
            return token.text
        return None

    def _need(self, mark: str) -> None:
        if self._take(mark) is None:
            self._unexpected(repr(mark))

    def whole(self) -> tuple[Weighted, ...]:
        terms = self.expression()
        if self.token.kind != "end":
            self._unexpected("+, -, * or the end")
        return terms

    def expression(self) -> tuple[Weighted, ...]:
        self.depth += 1
        if self.depth > _DEEPEST:
            self._fail(self.token.position, f"at most {_DEEPEST} levels of brackets", "one more")
        sign = -1.0 if self._take("+", "-") == "-" else 1.0
        terms = self.term(sign)
        while mark := self._take("+", "-"):
            terms += self.term(-1.0 if mark == "-" else 1.0)
        self.depth -= 1
        return terms

    def term(self, sign: float) -> tuple[Weighted, ...]:
        start = self.token.position
        product = _Product(scale=sign).times(self.factor())
        while self._take("*"):
            position = self.token.position
            factor = self.factor()
            if product.terms and factor.terms:
                self._fail(position, "a number or a schedule (a product holds one loss)", "a second loss")
            product = product.times(factor)
        if not product.terms:
            self._fail(start, "a loss in every term", "only numbers and schedules")
        terms = product.spread()
        if not all(math.isfinite(term.scale) for term in terms):
            self._fail(start, "a finite weight", "a product that overflows")
        return terms

    def factor(self) -> _Product:
        token = self.token
        if token.kind == "number":
            self.at += 1
            return _Product(scale=self._finite(token))
        if self._take("("):
            terms = self.expression()
            self._need(")")
            return _Product(terms=terms)
        if token.kind == "name" and token.text in KINDS:
            self.at += 1
            return _Product(schedules=(self.schedule(token),))
        if token.kind not in ("name", "target", "string"):
            self._unexpected("a loss, a number or '('")
        if not self._name_of(token):
            self._unexpected("the name of a loss")
        self.at += 1
        return _Product(terms=(Weighted(self.call(token)),))

    @staticmethod
    def _name_of(token: _Token) -> str:
        return token.text[1:-1] if token.kind == "string" else token.text

    def _finite(self, token: _Token) -> float:
        number = float(token.text)
        if number in (float("inf"), float("-inf")):
            self._fail(token.position, "a finite number", token.text)
        return number

    def schedule(self, token: _Token) -> Schedule:
        names = ("start",) if token.text == "constant" else ("start", "end", "epochs")
        given: dict[str, float] = {}
        self._need("(")
        for name in names:
            if given and self._take(",") is None:
                self._unexpected(f"', {name}', as in {token.text}({', '.join(names)})")
            key = "steps" if name == "epochs" and self.token.text == "steps" else name
            if self.token.kind == "name" and self.token.text == key:
                self.at += 1
                self._need("=")
            given[key] = self.signed_number(key)
        self._need(")")
        try:
            return Schedule(token.text, **given)  # type: ignore[arg-type]
        except UsageError as error:
            self._fail(token.position, "a schedule that is possible", str(error))

    def signed_number(self, what: str) -> float:
        sign = -1.0 if self._take("+", "-") == "-" else 1.0
        token = self.token
        if token.kind != "number":
            self._unexpected(f"a number ({what})")
        self.at += 1
        number = sign * self._finite(token)
        return int(number) if what in ("epochs", "steps") and number == int(number) else number

    def call(self, token: _Token) -> Call:
        arguments: dict[str, Any] = {}
        inner: tuple[Weighted, ...] = ()
        if self._take("(") and not self._take(")"):
            while True:
                if self.token.kind == "name" and self.tokens[self.at + 1].text == "=":
                    key = self.token
                    self.at += 2
                    if key.text in arguments:
                        self._fail(key.position, "each argument once", key.text)
                    arguments[key.text] = self.value()
                elif self.token.kind == "number" and self.tokens[self.at + 1].text in (",", ")"):
                    self._unexpected("an argument by name, such as gamma=2")
                else:
                    inner += self.expression()
                if self._take(")"):
                    break
                if self._take(",") is None:
                    self._unexpected("',' or ')'")
        return Call(self._name_of(token), arguments, inner, token.position)

    def value(self) -> Any:
        token = self.token
        if token.kind == "string" or (token.kind == "name" and token.text.lower() in WORDS):
            self.at += 1
            return self._name_of(token) if token.kind == "string" else WORDS[token.text.lower()]
        if token.kind == "name":
            self.at += 1
            return token.text
        if self._take("["):
            return self.numbers()
        number = self.signed_number("a value")
        digits = self.tokens[self.at - 1].text
        if not digits.isdigit():
            return number
        return -int(digits) if math.copysign(1, number) < 0 else int(digits)

    def numbers(self) -> list[float]:
        items = [self.signed_number("in a list")]
        while self._take(","):
            items.append(self.signed_number("in a list"))
        self._need("]")
        return items
