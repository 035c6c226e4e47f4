"""From a spec of a signature or a kind to the object itself, loaded when it is first used."""

from __future__ import annotations

import inspect
from typing import Any

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import LosszooError, UsageError
from losszoo.registry.import_target import resolve
from losszoo.registry.signature_specs import KindSpec, SignatureSpec


def loaded(spec: SignatureSpec | KindSpec) -> Any:
    """The signature or kind, made.

    Raises:
        UsageError: it cannot be imported or made, is no such class, lacks a method, or is not what its spec says.
    """
    base, public = _base(spec)
    try:
        with foreign_code():
            offered = resolve(spec.target) if spec.made is None else spec.made
            _check_class(spec.target, offered, base, public)
            made = offered() if inspect.isclass(offered) else offered
            _check_alike(spec, made)
    except LosszooError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{spec.target} cannot be made: {in_one_line(error)}") from error
    return made


def _base(spec: SignatureSpec | KindSpec) -> tuple[type, str]:
    """The class that it must derive from, which imports torch, and its public name."""
    if isinstance(spec, SignatureSpec):
        from losszoo.losses.signatures.signature import Signature

        return Signature, "losszoo.Signature"
    from losszoo.losses.signatures.kind import Kind

    return Kind, "losszoo.Kind"


def _check_class(target: str, offered: Any, base: type, public: str) -> None:
    """It derives from the base class, and lacks no method."""
    if not isinstance(offered, base) and not (inspect.isclass(offered) and issubclass(offered, base)):
        raise UsageError(f"{target} must be a {public}, got {_kind_of(offered)}")
    lacking = sorted(getattr(offered, "__abstractmethods__", ()))
    if lacking:
        raise UsageError(f"{target} must define {', '.join(lacking)}, got no such method")


def _kind_of(offered: Any) -> str:
    return f"a class {offered.__qualname__}" if inspect.isclass(offered) else kind_name(offered)


def _check_alike(spec: SignatureSpec | KindSpec, made: Any) -> None:
    """The loaded class must be as its spec says. Row functions are streamed, where no option is looked at."""
    if isinstance(spec, SignatureSpec) and spec.options and made.forms_pairs:
        raise UsageError(f"{spec.target}: options must be left out where rows form pairs, got {list(spec.options)}")
    for name, said in vars(spec).items():
        if name in ("target", "made") or name.startswith("_"):
            continue
        value = getattr(made, name, None)
        value = tuple(value) if isinstance(value, list) else value
        if value != said:
            raise UsageError(f"{spec.target}: {name} must be that of its spec, {said!r}, got {value!r}")
