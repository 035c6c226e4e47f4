"""The specs of losses and tasks. Frozen and torch-free, so that listing them is quick."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from losszoo.errors import UsageError
from losszoo.registry.faulty_specs import fault_of, keeps_fault
from losszoo.registry.params import Param, is_a, is_strings, require

EXPECTS = ("logits", "probabilities", "log-probabilities")
STATUSES = ("stable", "exhibit")
# The tag of a task whose data are not part of a package.
DOWNLOAD = "download"

_PLAIN = "in printable letters"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@keeps_fault
@dataclass(frozen=True, kw_only=True)
class LossSpec:
    r"""The spec of a loss: what its plugin says of it, without importing torch.

    Args:
        name: kebab-case, unique in the zoo.
        target: "package.module:name" of a pure function, a row function or an ``nn.Module`` class.
        signature: name of one that is installed.
        summary: one line.
        formula: LaTeX.
        reference: author, title, year, link.
        params: the hyperparameters, in the order in which they are shown.
        expects: what the predictions are: "logits", "probabilities" or "log-probabilities".
        tags: free words to filter by.
        aliases: other names by which the loss is found, each in the form of a name.
        status: "stable", or "exhibit" for a known-unstable form that is kept to teach.
        stable_twin: for an exhibit, the loss to use instead.
        description: when to use it and what to know, in one line; mathematics as ``$...$``.
    """

    name: str
    target: str
    signature: str
    summary: str
    formula: str
    reference: str
    params: tuple[Param, ...] = ()
    expects: str = "logits"
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    status: str = "stable"
    stable_twin: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        _check_spec(self, "loss")
        require(_is_printable(self.formula), self, "formula", f"text {_PLAIN}")
        require(_is_printable(self.description), self, "description", f"text {_PLAIN}")
        _check_aliases(self)
        _check_made(self)
        require(_is_params(self.params), self, "params", "a tuple of Param, each with a name of its own")
        object.__setattr__(self, "params", tuple(self.params))
        for param in self.params:
            _check_texts(self.name, param)
        require(_is_printable(self.signature) and bool(self.signature), self, "signature", "the name of a signature")
        require(self.expects in EXPECTS, self, "expects", f"one of {', '.join(EXPECTS)}")
        require(self.status in STATUSES, self, "status", f"one of {', '.join(STATUSES)}")
        require(self.stable_twin is None or _is_printable(self.stable_twin), self, "stable_twin", "a name")
        if (self.status == "exhibit") != (self.stable_twin is not None):
            raise UsageError(
                f"loss {self.name}: an exhibit, and nothing else, must name its stable_twin, got "
                f"status={self.status!r}, stable_twin={self.stable_twin!r}"
            )

    def param(self, name: str) -> Param | None:
        """The parameter of that name, or None."""
        return next((p for p in self.params if p.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@keeps_fault
@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """The spec of a task: what its plugin says of it, without importing torch.

    Args:
        name: kebab-case, unique in the zoo.
        target: "package.module:name" of a :class:`losszoo.Task` subclass.
        kind: name of one that is installed; it decides which losses fit.
        summary: one line.
        metric: name of the metric that decides: one of the kind, or the name of a scorer of scikit-learn.
        direction: "max" or "min"; of a metric that says itself which way is better, that way counts.
        published: results of others, as (method, value, spread or None, source).
        reference: where the data come from.
        tags: free words; "download" says that the data are not part of a package.
    """

    name: str
    target: str
    kind: str
    summary: str
    metric: str
    direction: str = "max"
    published: tuple[tuple[str, float, float | None, str], ...] = ()
    reference: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_spec(self, "task")
        require(_is_printable(self.metric) and bool(self.metric), self, "metric", "the name of a metric")
        require(_is_printable(self.kind) and bool(self.kind), self, "kind", "the name of a kind of task")
        require(self.direction in ("max", "min"), self, "direction", "max or min")
        rows = f"rows of (method, value, spread or None, source), with texts {_PLAIN}"
        require(_is_published(self.published), self, "published", rows)
        object.__setattr__(self, "published", tuple(tuple(row) for row in self.published))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _check_spec(spec: Any, what: str) -> None:
    """What losses and tasks have in common."""
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        raise UsageError(f"name of a {what} must be kebab-case (a-z, 0-9, -), got {spec.name!r}")
    target, summary = spec.target, spec.summary
    require(isinstance(target, str) and bool(TARGET.fullmatch(target)), spec, "target", "'package.module:name'")
    one_line = _is_printable(summary) and bool(summary.strip())
    require(one_line, spec, "summary", f"one line of text {_PLAIN}")
    require(_is_printable(spec.reference), spec, "reference", f"text {_PLAIN}")
    words = is_strings(spec.tags) and all(map(_is_printable, spec.tags))
    require(words, spec, "tags", f"a tuple of strings {_PLAIN}")
    object.__setattr__(spec, "tags", tuple(spec.tags))


def _check_aliases(spec: LossSpec) -> None:
    named = is_strings(spec.aliases) and all(map(NAME.fullmatch, spec.aliases)) and spec.name not in spec.aliases
    require(named, spec, "aliases", "a tuple of other names, kebab-case (a-z, 0-9, -)")
    object.__setattr__(spec, "aliases", tuple(dict.fromkeys(spec.aliases)))


def _is_printable(text: Any) -> bool:
    """Whether this can be shown in a terminal as it is: a control character could rewrite the whole screen."""
    return isinstance(text, str) and text.isprintable()


def _check_texts(owner: str, param: Param) -> None:
    shown = ("summary", param.summary), ("choices", "".join(param.choices)), ("default", param.default)
    for name, text in shown:
        if not (_is_printable(text) or (name == "default" and not isinstance(text, str))):
            raise UsageError(f"{owner}: {name} of {param.name} must be text {_PLAIN}, got {text!r}")


def _check_made(spec: LossSpec) -> None:
    """A parameter that was made while a registry collects may have kept its fault until here."""
    for param in spec.params if isinstance(spec.params, tuple | list) else ():
        if isinstance(param, Param) and (fault := fault_of(param)) is not None:
            raise UsageError(f"{spec.name}: {fault}")


def _is_params(params: Any) -> bool:
    if not isinstance(params, tuple | list) or not all(isinstance(param, Param) for param in params):
        return False
    return len({param.name for param in params}) == len(params)


def _is_published(rows: Any) -> bool:
    return isinstance(rows, tuple | list) and all(
        isinstance(row, tuple | list)
        and len(row) == 4
        and _is_printable(row[0])
        and _is_printable(row[3])
        and is_a(row[1], "float")
        and (row[2] is None or is_a(row[2], "float"))
        for row in rows
    )


def _plain(value: Any) -> Any:
    """Tuples to lists, and infinities to None, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
