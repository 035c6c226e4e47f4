"""What can be read off a callable before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from losszoo.common.text import kind_name, shown
from losszoo.errors import UsageError
from losszoo.losses.declare import declared
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.signature import Signature


def name_of(loss: Any) -> str:
    """The name of an object that stands for a loss.

    Raises:
        UsageError: it is nothing that could be one.
    """
    if not callable(loss):
        came = "None" if loss is None else f"{shown(loss)[:60]} of type {type(loss).__name__}"
        raise UsageError(
            "a loss must be a name, an expression, a target (file.py:MyLoss), a function or an nn.Module, got "
            f"{came}; losszoo list shows the names"
        )
    return str(getattr(loss, "__name__", type(loss).__name__))


def check_is_loss(thing: Any, name: str) -> None:
    """Refuse what is no loss before it is called: to call a class that is no module, say Popen, may do anything.

    Raises:
        UsageError: it is neither a function, nor a module, nor a module class.
    """
    if inspect.isclass(thing):
        if not issubclass(thing, nn.Module):
            raise UsageError(
                f"a loss must be a function or an nn.Module class, got {name}, the class {thing.__qualname__}; "
                "derive it from torch.nn.Module"
            )
    elif not callable(thing):
        raise UsageError(f"a loss must be callable, got {name}, {kind_name(thing)}")


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters by name; none for a builtin that does not say them.

    Example:
        >>> list(parameters_of(lambda logits, *, gamma=2.0: 0))
        ['logits', 'gamma']
    """
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def options_beside(rules: Signature, function: Callable[..., Any]) -> dict[str, Any]:
    """Options of a signature that a function or class does not have itself, with their defaults.

    A module that is made already has none: it takes no parameters.
    """
    if isinstance(function, nn.Module) or not rules.options:
        return {}
    own = parameters_of(function)
    return {name: option.get("default") for name, option in rules.options.items() if name not in own}


def infer_signature(thing: Any) -> str | None:
    """The signature that a callable is declared with, or whose argument names it has; None where several fit, or none.

    A row function over pairs says nothing of it, and has the first signature that forms pairs.

    Example:
        >>> infer_signature(lambda logits, labels: 0) is None
        True
        >>> infer_signature(lambda embeddings, labels: 0)
        'embedding'
    """
    declaration = declared(thing)
    if declaration is not None:
        return declaration.signature
    if hasattr(thing, "__losszoo_row__"):
        return next((name for name, rules in TABLE.items() if rules.forms_pairs), None)
    fitting = fitting_signatures(thing)
    return fitting[0] if len(fitting) == 1 else None


def fitting_signatures(thing: Any) -> tuple[str, ...]:
    """Every signature whose argument names a callable has, else every one whose synonyms it has.

    Example:
        >>> fitting_signatures(lambda predictions, targets: 0)
        ('binary', 'regression')
        >>> fitting_signatures(lambda feats, label: 0)
        ('embedding',)
    """
    names = positional_names(thing)
    exact = tuple(name for name, rules in TABLE.items() if names[: len(rules.arguments)] == rules.arguments)
    return exact or tuple(name for name, rules in TABLE.items() if _are_synonyms(names, rules))


def _are_synonyms(names: tuple[str, ...], rules: Signature) -> bool:
    """Whether a callable begins with the arguments of a signature, by these or other names of the field."""
    if len(names) < len(rules.arguments):
        return False
    pairs = zip(names, rules.arguments, strict=False)
    return all(name == argument or name in rules.synonyms.get(argument, ()) for name, argument in pairs)


def unknown_signature(thing: Any, name: str, fitting: Sequence[str], ways: str) -> str:
    """What to say of a callable whose signature must be named: which ones fit, and how to name one.

    Args:
        thing: the callable.
        name: what it is called.
        fitting: those that it may have; none where its arguments have other names.
        ways: to name one, with "{}" where it stands.
    """
    named = ", ".join(positional_names(thing)) or "none by name"
    whose = f"those of {' and of '.join(fitting)}" if fitting else "those of no signature"
    how = ways.replace("{}", fitting[0] if fitting else next(iter(TABLE), "NAME"))
    known = (
        "" if fitting else "; known: " + ", ".join(f"{key} ({', '.join(row.arguments)})" for key, row in TABLE.items())
    )
    return f"the signature of {name} must be given, got the arguments ({named}), {whose}: say which, {how}{known}"


def positional_names(thing: Any) -> tuple[str, ...]:
    """Names of the arguments that a callable, or the instances of a module class, take by position."""
    called = (
        thing.forward
        if isinstance(thing, nn.Module) or (inspect.isclass(thing) and issubclass(thing, nn.Module))
        else thing
    )
    parameters = parameters_of(called).values()
    return tuple(
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "self"
    )
