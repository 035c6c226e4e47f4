"""From a name, a call, an expression, a target or an object to a loss that is ready to be called."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from losszoo.common.text import in_one_line, kind_name, message_of, plain_list, shown
from losszoo.errors import UsageError, nearest, suggest
from losszoo.losses.configured_loss import LossInfo
from losszoo.losses.declare import declared
from losszoo.losses.introspection import (
    check_is_loss,
    fitting_signatures,
    infer_signature,
    name_of,
    options_beside,
    parameters_of,
    positional_names,
    unknown_signature,
)
from losszoo.losses.learned import as_numbers
from losszoo.losses.loss import Loss
from losszoo.losses.reduction import Policy
from losszoo.losses.signatures import TABLE
from losszoo.losses.sums.idle import refuse_idle
from losszoo.losses.sums.leaves import leaves as single_losses
from losszoo.losses.sums.sum_loss import SumLoss, Term
from losszoo.losses.sums.words import OF_ALL, OF_MINING
from losszoo.pairs.pair_labels import Relation
from losszoo.pairs.pairwise_loss import PairwiseLoss
from losszoo.pairs.streaming import Streaming
from losszoo.registry.compatibility import COMBINER, check_params, leaves, own_names
from losszoo.registry.expressions import Call, Weighted, parse
from losszoo.registry.import_target import resolve
from losszoo.registry.params import Param
from losszoo.registry.registry import installed
from losszoo.registry.specs import EXPECTS, LossSpec


def create(
    loss: str | Callable[..., Any] | Mapping[str, Any],
    *,
    reduction: str = "mean",
    empty: str = "zero",
    validate: bool | None = None,
    signature: str | None = None,
    expects: str | None = None,
    streaming: Streaming | None = None,
    relation: Relation | None = None,
    **params: Any,
) -> Loss | SumLoss:
    """A loss, ready to be called.

    Args:
        loss: a name ("focal"), a call ("focal(gamma=2)"), an expression ("0.7*bce + 0.3*smoothness"), a target
            ("file.py:MyLoss", "package.module:my_loss"), or a function, module or module class of your own. A mapping
            of such, ``{"ages": "mse", "sizes": "0.5*mae"}``, is a sum whose terms have these labels.
        reduction: "mean", "sum" or "none".
        empty: what a reduction over nothing gives: "zero", "nan" or "raise".
        validate: look at the numbers of the inputs too; None does so on the CPU.
        signature: of a target or object that is not in the registry; read off its argument names when left out.
            neighbors also turns a registered loss over embeddings into one of queries against candidates.
        expects: what such a loss expects: "logits", "probabilities" or "log-probabilities".
        streaming: how losses over pairs work through their pairs.
        relation: who is positive to whom, instead of equal labels: see :class:`losszoo.PairwiseLoss`.
        params: hyperparameters of a single loss.

    Returns:
        A module called as ``loss(*inputs, weight=None, mask=None, denominator=None)``.

    Raises:
        UsageError: unknown name (with the nearest ones), malformed expression, or a parameter that is not legal.

    Example:
        >>> import torch
        >>> create("focal", gamma=1.0)(torch.zeros(2), torch.ones(2))
        tensor(0.3466)
    """
    params = {name: plain_list(value) for name, value in params.items()}
    maker = Maker(CreateOptions(Policy(reduction, empty), validate, signature, expects, streaming, relation))
    made = _made(maker, loss, params)
    if (streaming or relation) and not any(isinstance(leaf, PairwiseLoss) for leaf in single_losses(made)):
        raise UsageError(
            "streaming and relation must go with a row function over pairs (losszoo.pairwise), "
            f"got {loss!r}, which has none"
        )
    return made


def _made(
    maker: Maker, loss: str | Callable[..., Any] | Mapping[str, Any], params: Mapping[str, Any]
) -> Loss | SumLoss:
    if isinstance(loss, Mapping):
        return _labelled(maker, loss, params)
    if not isinstance(loss, str):
        return maker.from_object(loss, name_of(loss), params)
    terms = parse(own_names(loss))
    refuse_idle(terms)
    _check_registered(terms, loss, maker.options)
    if params:
        return maker.from_call(_with_params(terms, loss, params))
    if len(terms) == 1 and terms[0].scale == 1 and not terms[0].schedules:
        return maker.from_call(terms[0].call)
    return maker.sum_of(terms)


def _labelled(maker: Maker, losses: Mapping[str, Any], params: Mapping[str, Any]) -> SumLoss:
    """A sum whose terms are called by names of the user's."""
    if params:
        raise UsageError(f"parameters must go with a single loss, got a mapping of losses with {', '.join(params)}")
    if not losses:
        raise UsageError("a mapping of losses must hold at least one, got none")
    terms = []
    for label, loss in losses.items():
        if not isinstance(label, str) or not label or label in ("parameters", "weight", "mask", "denominator"):
            raise UsageError(
                f"the label of a term must be a text other than parameters, weight, mask and denominator, got {label!r}"
            )
        made = _made(maker, loss, {})
        single = made.terms[0] if isinstance(made, SumLoss) and made.combiner is None and len(made.terms) == 1 else None
        terms.append(Term(label, made) if single is None else replace(single, label=label))
    return SumLoss(terms)


def _check_registered(terms: tuple[Weighted, ...], text: str, options: CreateOptions) -> None:
    """What is registered says itself what it is; only a loss over embeddings may be set against other candidates."""
    calls = list(leaves(installed(), terms, alone=True))
    if any(":" in call.name for call in calls):
        return
    against = {one.against for one in installed().signatures.values() if one.against}
    if (options.signature is not None and options.signature not in against) or options.expects:
        raise UsageError(f"signature and expects must go with a loss of your own, got {text!r}, which is registered")
    own = {installed().signatures[installed().loss(call.name).signature].against for call in calls}
    if options.signature is not None and options.signature not in own:
        raise UsageError(f"signature={options.signature!r} must go with a loss over embeddings, got {text!r}")


def _with_params(terms: tuple[Weighted, ...], text: str, params: Mapping[str, Any]) -> Call:
    if len(terms) > 1 or terms[0].scale != 1 or terms[0].schedules:
        raise UsageError(
            f"parameters must go with a single loss, got {text!r} with {', '.join(params)}; write them inside"
        )
    call = terms[0].call
    return Call(call.name, {**call.arguments, **params}, call.inner, call.position)


@dataclass(frozen=True)
class CreateOptions:
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
            raise UsageError(f"streaming must be a losszoo.Streaming, got {self.streaming!r}")
        if self.relation is not None and not callable(self.relation):
            raise UsageError(f"relation must be a function, got {self.relation!r}")


class Maker:
    """Makes losses that share a policy."""

    def __init__(self, options: CreateOptions) -> None:
        self.options = options

    def sum_of(self, terms: tuple[Weighted, ...], combiner: nn.Module | None = None) -> SumLoss:
        made = [Term(str(term.call), self.from_call(term.call), term.scale, term.schedules) for term in terms]
        return SumLoss(made, combiner)

    def from_call(self, call: Call) -> Loss | SumLoss:
        if ":" in call.name:
            thing = resolve(call.name)
            # A module in a file is there once for all runs of a process: what one learns, the next must not begin with.
            thing = copy.deepcopy(thing) if isinstance(thing, nn.Module) else thing
            return self.from_object(thing, call.name, call.arguments)
        spec = installed().loss(call.name)
        if not call.inner:
            return self.from_spec(spec, call.arguments)
        if COMBINER not in spec.tags:
            raise UsageError(f"arguments of {spec.name} must be given by name, {_names(spec)}, got {call}")
        if "tasks" in call.arguments:
            raise UsageError(f"{spec.name}: tasks must be left out where losses stand inside, got {call}")
        combiner = self.from_spec(spec, {**call.arguments, "tasks": len(call.inner)})
        return self.sum_of(call.inner, combiner)

    def from_spec(self, spec: LossSpec, arguments: Mapping[str, Any]) -> Loss:
        origin = installed().origin("loss", spec.name)
        check_params(spec, as_numbers(arguments), owner=str(origin))
        against = installed().signatures[spec.signature].against
        turned = bool(against) and self.options.signature == against
        signature = against if turned else spec.signature
        check = partial(check_params, spec, owner=str(origin))
        identity = LossInfo(spec.name, signature, spec.expects, str(origin), dict(arguments), check)
        try:
            function = resolve(spec.target)
        except UsageError as error:
            raise UsageError(f"loss {spec.name} of {origin} cannot be loaded: {error}") from error
        check_is_loss(function, f"{spec.name} of {origin}")
        if turned and not hasattr(function, "__losszoo_row__"):
            raise UsageError(
                f"{spec.name}: the signature {against} must go with a row function, got a loss that is none"
            )
        return self._wrap(function, identity)

    def from_object(self, thing: Any, name: str, params: Mapping[str, Any]) -> Loss | SumLoss:
        if isinstance(thing, Loss | SumLoss):
            if params or self.options != CreateOptions(Policy(), None, None, None, None, None):
                raise UsageError(
                    f"{name} is a loss of the zoo already and takes no options; give them where it is made"
                )
            return thing
        check_is_loss(thing, name)
        signature = self.options.signature or infer_signature(thing)
        if signature is None:
            ways = "as in losszoo.create(..., signature='{}'), on the command line --signature {}"
            raise UsageError(unknown_signature(thing, name, fitting_signatures(thing), ways))
        declaration = declared(thing)
        if declaration is not None and self.options.signature is None:
            _check_one_of(f"signature of {name}", signature, tuple(installed().signatures))
        expects = self.options.expects or (declaration.expects if declaration else "logits")
        check = partial(_check_beside, name, tuple(_beside(thing, signature)))
        check(as_numbers(params))
        return self._wrap(thing, LossInfo(name, signature, expects, "", dict(params), check))

    def _wrap(self, function: Any, identity: LossInfo) -> Loss:
        if inspect.isclass(function):
            identity = replace(identity, made_by=function)
            function = _construct(function, identity)
        elif isinstance(function, nn.Module):
            _refuse_params(function, identity)
        else:
            _check_keywords(function, identity)
        if isinstance(function, Loss):
            return function
        options = self.options
        if hasattr(function, "__losszoo_row__"):
            streaming = options.streaming or Streaming()
            loss: Loss = PairwiseLoss(function, identity, options.policy, options.validate, streaming, options.relation)
        else:
            loss = Loss(function, identity, options.policy, options.validate)
        loss.check_learned()
        return loss


def _beside(thing: Any, signature: str) -> Iterator[Param]:
    """The options of a signature that a loss of one's own does not have itself."""
    names = options_beside(TABLE[signature], thing)
    yield from (param for param in installed().signatures[signature].option_params() if param.name in names)


def _check_beside(name: str, beside: tuple[Param, ...], params: Mapping[str, Any]) -> None:
    for param in beside:
        complaint = param.complaint(params[param.name]) if param.name in params else None
        if complaint:
            raise UsageError(f"{name}: {param.name} {complaint}, got {shown(params[param.name])}")


def _check_one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        near = f"; {suggest(value, list(allowed))}" if nearest(value, list(allowed)) else ""
        raise UsageError(f"{name} must be one of {', '.join(allowed)}, got {value!r}{near}")


def _construct(function: type, identity: LossInfo) -> Any:
    of_all = [name for name in OF_ALL if name not in parameters_of(function)]
    beside = (*options_beside(TABLE[identity.signature], function), *_options_of_rows(function), *of_all)
    try:
        made = function(**{name: value for name, value in identity.params.items() if name not in beside})
    except TypeError as error:
        known = (*parameters_of(function), *beside)
        raise UsageError(
            f"{identity.name} cannot be made with ({', '.join(identity.params)}): {message_of(error)}; "
            f"pass arguments as {identity.name}(key=value)",
            argument=next((name for name in identity.params if name not in known), ""),
        ) from error
    except (OverflowError, MemoryError, RuntimeError) as error:
        raise UsageError(f"{identity} cannot be made: {in_one_line(error)}; choose other values") from error
    except SystemExit as error:
        raise UsageError(f"{identity.name} cannot be made: {in_one_line(error)}") from error
    if not callable(made):
        raise UsageError(f"{identity.name} must make something callable, got {kind_name(made)}")
    return made


def _refuse_params(function: nn.Module, identity: LossInfo) -> None:
    if identity.params:
        raise UsageError(
            f"parameters of {identity.name}, made already, must be left out, got {', '.join(identity.params)}; "
            f"make it with them, or pass the class {type(function).__name__}"
        )


def _check_keywords(function: Callable[..., Any], identity: LossInfo) -> None:
    """A function of one's own gets its parameters when it is called; a wrong name should not wait until then."""
    parameters = parameters_of(function)
    if not parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    own = [name for name in parameters if name not in positional_names(function)]
    known = [*own, *OF_ALL, *_options_of_rows(function), *options_beside(TABLE[identity.signature], function)]
    for name in identity.params:
        if name not in known:
            raise UsageError(f"{identity.name} has no parameter {name!r}: {suggest(name, known)}", argument=name)


def _options_of_rows(function: Callable[..., Any]) -> tuple[str, ...]:
    """What a row function over pairs has beside its own parameters."""
    contract = getattr(function, "__losszoo_row__", None)
    if contract is None:
        return ()
    return (
        "similarity",
        "symmetric",
        *OF_MINING,
        *(("temperature", "learned_temperature") if contract.temperature else ()),
    )


def _names(spec: LossSpec) -> str:
    return ", ".join(f"{param.name}=" for param in spec.params) or "none"
