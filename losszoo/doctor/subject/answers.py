"""What a call of a loss gives, and which part of its answer is the loss: of a tuple, a dict or an object too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from losszoo.common.text import kind_name

# Under which a dict of losses, or an object with fields, holds what is trained; the first that is there.
_TOTALS = ("loss", "total_loss", "loss_total", "losses", "total", "objective", "criterion")
_PART = "loss"

# Keys, places and fields that lead to a tensor inside an answer; a field is a name with a dot before it.
Path = tuple[Any, ...]


class NoValueError(TypeError):
    """A loss gave back what has no gradient: nothing, a number, whole numbers."""


@dataclass(frozen=True)
class Taken:
    """The part of an answer that is examined.

    Args:
        paths: of the tensors whose sum it is; of one tensor as a rule.
        shape: what the answer is, in words.
    """

    paths: tuple[Path, ...] = ((),)
    shape: str = ""

    @property
    def code(self) -> str:
        """What is written behind a call to get it: ``["loss"]``."""
        return _code(self.paths[0]) if len(self.paths) == 1 else ""

    @property
    def words(self) -> str:
        """What is taken of what; "" where it is all."""
        if self.paths == ((),):
            return ""
        what = " + ".join(_code(path) for path in self.paths)
        return f"{what} of {self.shape} is examined"

    def of(self, answer: Any) -> Tensor | None:
        """That part of another answer of the same shape; None where it has no such part."""
        try:
            parts = [_at(answer, path) for path in self.paths]
        except (LookupError, AttributeError, TypeError):
            return None
        if not parts or not all(map(_is_floating, parts)):
            return None
        total: Tensor = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


def taken_of(answer: Any) -> Taken:
    """What of an answer is the loss.

    Raises:
        NoValueError: it holds no floating tensor.
    """
    answer = _unwrapped(answer)
    paths = _paths(answer)
    if not paths:
        raise NoValueError(_refusal(answer))
    return Taken(tuple(paths), _shape(answer))


def as_values(answer: Any, taken: Taken | None = None) -> Tensor:
    """The floating tensor that a loss gave back, or that part of its answer.

    Raises:
        NoValueError: it is something else.
    """
    answer = _unwrapped(answer)
    known = None if taken is None else taken.of(answer)
    found = taken_of(answer).of(answer) if known is None else known
    assert found is not None
    return found


def _unwrapped(answer: Any) -> Any:
    """The values of what a loss of the zoo gives back before its reduction."""
    if isinstance(answer, Mapping | list | tuple):
        return answer
    return answer.values if hasattr(answer, "values") and hasattr(answer, "counts") else answer


def _refusal(answer: Any) -> str:
    came = f"a tensor of {answer.dtype}" if isinstance(answer, Tensor) else kind_name(answer)
    return (
        f"a loss must return a floating tensor, got {came}: nothing can be trained with it; return the tensor that "
        "was computed from the inputs (without .item(), float() or detach())"
    )


def _paths(answer: Any) -> list[Path]:
    """The paths of the tensors to sum; none where there is no floating tensor."""
    if isinstance(answer, Tensor):
        return [()] if _is_floating(answer) else []
    fields = dict(_fields(answer))
    for name in _TOTALS:
        if name in fields and (inner := _paths(fields[name][1])):
            key = fields[name][0]
            return [(key, *path) for path in inner]
    tensors = list(_tensors(answer))
    named = [path for path, x in tensors if _is_part(path) and x.requires_grad and x.numel() == 1]
    if named:
        return named
    if isinstance(answer, list) and len(tensors) == len(answer) and all(x.numel() == 1 for _, x in tensors):
        return [path for path, _ in tensors]  # of each level or head
    return _first(tensors)


def _first(tensors: Sequence[tuple[Path, Tensor]]) -> list[Path]:
    """The first scalar with a gradient, else the first tensor with one, else the first scalar."""
    wanted: tuple[Callable[[Tensor], bool], ...] = (
        lambda x: x.requires_grad and x.numel() == 1,
        lambda x: x.requires_grad,
        lambda x: x.numel() == 1,
        lambda x: True,
    )
    return next(([path] for fits in wanted for path, x in tensors if fits(x)), [])


def _is_part(path: Path) -> bool:
    return isinstance(path[-1], str) and _PART in path[-1].lower()


def _fields(answer: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Name in lower case, key and value of everything that has a name."""
    if isinstance(answer, Mapping):
        yield from ((key.lower(), (key, value)) for key, value in answer.items() if isinstance(key, str))
    elif isinstance(answer, tuple) and hasattr(answer, "_fields"):
        yield from ((name.lower(), (f".{name}", getattr(answer, name))) for name in answer._fields)
    elif is_dataclass(answer) or isinstance(answer, SimpleNamespace) or hasattr(answer, _PART):
        yield from ((name.lower(), (f".{name}", value)) for name, value in vars(answer).items())


def _tensors(answer: Any) -> Iterator[tuple[Path, Tensor]]:
    """Every floating tensor with its path, in the order of the answer."""
    if _is_floating(answer):
        yield (), answer
        return
    items: Sequence[tuple[Any, Any]] = [pair for _, pair in _fields(answer)]
    if not items and isinstance(answer, list | tuple):
        items = list(enumerate(answer))
    for key, value in items:
        yield from (((key, *path), x) for path, x in _tensors(value))


def _at(answer: Any, path: Path) -> Any:
    for key in path:
        answer = getattr(answer, key[1:]) if isinstance(key, str) and key.startswith(".") else answer[key]
    return answer


def _code(path: Path) -> str:
    return "".join(key if isinstance(key, str) and key.startswith(".") else f"[{key!r}]" for key in path)


def _shape(answer: Any) -> str:
    if isinstance(answer, Mapping):
        return f"the dict with {', '.join(map(str, answer))}"
    return f"the {type(answer).__name__} of {len(answer)}" if isinstance(answer, list | tuple) else kind_name(answer)


def _is_floating(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


@dataclass(frozen=True)
class Outcome:
    """One call: the values, the gradient of each leaf that is trained, or what was raised."""

    values: Tensor | None = None
    gradients: tuple[Tensor | None, ...] = ()
    error: Exception | None = None

    @property
    def is_detached(self) -> bool:
        """Whether there is a value, and no gradient of anything."""
        return self.values is not None and self.values.numel() > 0 and not any(True for _ in self.moved())

    @property
    def total(self) -> float:
        """Mean of the values, as a number."""
        return float("nan") if self.values is None or not self.values.numel() else self.values.double().mean().item()

    def moved(self) -> Iterator[Tensor]:
        """The gradients that there are."""
        return (gradient for gradient in self.gradients if gradient is not None)


@dataclass(frozen=True)
class Refusal:
    """A legal input of the user's that the loss has no answer to.

    Args:
        leaves: of the input.
        error: that it raises.
        remedy: in words.
        sentinel: the label that it has no answer to, if it is one.
    """

    leaves: list[Any]
    error: Exception
    remedy: str
    sentinel: int | None = None
