"""Makes losses from calls, specs and objects: what :func:`losszoo.create` does once it knows what is meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from losszoo.common.text import in_one_line, message_of
from losszoo.errors import UsageError, suggest
from losszoo.losses.introspection import (
    check_is_loss,
    fitting_signatures,
    infer_signature,
    parameters_of,
    positional_names,
)
from losszoo.losses.loss import Identity, Loss
from losszoo.losses.reduction import Policy
from losszoo.losses.signatures import TABLE
from losszoo.losses.sums.sum_loss import SumLoss, Term
from losszoo.pairs.pair_labels import Relation
from losszoo.pairs.pairwise_loss import PairwiseLoss
from losszoo.pairs.streaming import Streaming
from losszoo.registry.compatibility import COMBINER, check_params
from losszoo.registry.expressions import Call, Weighted
from losszoo.registry.import_target import resolve
from losszoo.registry.registry import installed
from losszoo.registry.specs import EXPECTS, LossSpec


@dataclass(frozen=True)
class Making:
    """What all losses of an expression are made with."""

    policy: Policy
    validate: bool | None
    signature: str | None
    expects: str | None
    streaming: Streaming | None
    relation: Relation | None

    def __post_init__(self) -> None:
        _check_one_of("signature", self.signature, tuple(installed().signatures))
        _check_one_of("expects", self.expects, EXPECTS)
        if self.streaming is not None and not isinstance(self.streaming, Streaming):
            raise UsageError(f"streaming must be a losszoo.Streaming, however: streaming={self.streaming!r}")
        if self.relation is not None and not callable(self.relation):
            raise UsageError(f"relation must be a function, however: relation={self.relation!r}")


class Maker:
    """Makes losses that share a policy."""

    def __init__(self, making: Making) -> None:
        self.making = making

    def sum_of(self, terms: tuple[Weighted, ...], combiner: nn.Module | None = None) -> SumLoss:
        made = [Term(str(term.call), self.from_call(term.call), term.scale, term.schedules) for term in terms]
        return SumLoss(made, combiner)

    def from_call(self, call: Call) -> Loss | SumLoss:
        if ":" in call.name:
            return self.from_object(resolve(call.name), call.name, call.arguments)
        spec = installed().loss(call.name)
        if not call.inner:
            return self.from_spec(spec, call.arguments)
        if COMBINER not in spec.tags:
            raise UsageError(f"{spec.name} takes arguments by name, {_names(spec)}, however: {call}")
        if "tasks" in call.arguments:
            raise UsageError(f"{spec.name}: tasks must be left out where losses stand inside, however: {call}")
        combiner = self.from_spec(spec, {**call.arguments, "tasks": len(call.inner)})
        return self.sum_of(call.inner, combiner)

    def from_spec(self, spec: LossSpec, arguments: Mapping[str, Any]) -> Loss:
        origin = installed().origin("loss", spec.name)
        check_params(spec, arguments, owner=str(origin))
        against = installed().signatures[spec.signature].against
        turned = bool(against) and self.making.signature == against
        signature = against if turned else spec.signature
        check = partial(check_params, spec, owner=str(origin))
        identity = Identity(spec.name, signature, spec.expects, str(origin), dict(arguments), check)
        try:
            core = resolve(spec.target)
        except UsageError as error:
            raise UsageError(f"loss {spec.name} of {origin} cannot be loaded: {error}") from error
        check_is_loss(core, f"{spec.name} of {origin}")
        if turned and not hasattr(core, "__losszoo_row__"):
            raise UsageError(
                f"{spec.name}: the signature {against} must go with a row function, however: this loss is none"
            )
        return self._wrap(core, identity)

    def from_object(self, thing: Any, name: str, params: Mapping[str, Any]) -> Loss | SumLoss:
        if isinstance(thing, Loss | SumLoss):
            if params or self.making != Making(Policy(), None, None, None, None, None):
                raise UsageError(
                    f"{name} is a loss of the zoo already and takes no options; give them where it is made"
                )
            return thing
        check_is_loss(thing, name)
        signature = self.making.signature or infer_signature(thing)
        if signature is None:
            candidates = fitting_signatures(thing) or tuple(TABLE)
            raise UsageError(
                f"the signature of {name} cannot be read off its arguments: "
                f"say signature= one of {', '.join(candidates)} (on the command line, --signature)"
            )
        return self._wrap(thing, Identity(name, signature, self.making.expects or "logits", "", dict(params)))

    def _wrap(self, core: Any, identity: Identity) -> Loss:
        if inspect.isclass(core):
            identity = replace(identity, made_by=core)
            core = _construct(core, identity)
        elif isinstance(core, nn.Module):
            _refuse_params(core, identity)
        else:
            _check_keywords(core, identity)
        if isinstance(core, Loss):
            return core
        making = self.making
        if hasattr(core, "__losszoo_row__"):
            streaming = making.streaming or Streaming()
            return PairwiseLoss(core, identity, making.policy, making.validate, streaming, making.relation)
        return Loss(core, identity, making.policy, making.validate)


def _check_one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise UsageError(
            f"{name} must be one of {', '.join(allowed)}, however: {name}={value!r}; {suggest(value, list(allowed))}"
        )


def _construct(core: type, identity: Identity) -> Any:
    try:
        made = core(**identity.params)
    except TypeError as error:
        raise UsageError(
            f"{identity.name} cannot be made with ({', '.join(identity.params)}): {message_of(error)}; "
            f"pass arguments as {identity.name}(key=value)"
        ) from error
    except SystemExit as error:
        raise UsageError(f"{identity.name} cannot be made: {in_one_line(error)}") from error
    if not callable(made):
        raise UsageError(f"{identity.name} must make something callable, however: a {type(made).__name__}")
    return made


def _refuse_params(core: nn.Module, identity: Identity) -> None:
    if identity.params:
        raise UsageError(
            f"{identity.name} is already made, so it takes no parameters, however: {', '.join(identity.params)}; "
            f"make it with them, or pass the class {type(core).__name__}"
        )


def _check_keywords(core: Callable[..., Any], identity: Identity) -> None:
    """A function of one's own gets its parameters when it is called; a wrong name should not wait until then."""
    parameters = parameters_of(core)
    if not parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    contract = getattr(core, "__losszoo_row__", None)
    row = ["similarity", "symmetric"] if contract else []
    row += ["temperature"] if contract and contract.temperature is not None else []
    known = [*(name for name in parameters if name not in positional_names(core)), *row]
    for name in identity.params:
        if name not in known:
            raise UsageError(f"{identity.name} has no parameter {name!r}: {suggest(name, known)}")


def _names(spec: LossSpec) -> str:
    return ", ".join(f"{param.name}=" for param in spec.params) or "none"
