"""From a name, a call, an expression, a target or an object to a loss that is ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from losszoo.errors import UsageError
from losszoo.loss_maker import Maker, Making
from losszoo.losses.loss import Loss
from losszoo.losses.reduction import Policy
from losszoo.losses.sums import sum_loss
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.pairs.pair_labels import Relation
from losszoo.pairs.pairwise_loss import PairwiseLoss
from losszoo.pairs.streaming import Streaming
from losszoo.registry.compatibility import leaves
from losszoo.registry.expressions import Call, Weighted, parse
from losszoo.registry.registry import installed


def create(
    loss: str | Callable[..., Any],
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
            ("file.py:MyLoss", "package.module:my_loss"), or a function, module or module class of your own.
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
    maker = Maker(Making(Policy(reduction, empty), validate, signature, expects, streaming, relation))
    made = _made(maker, loss, params)
    if (streaming or relation) and not any(isinstance(leaf, PairwiseLoss) for leaf in sum_loss.leaves(made)):
        raise UsageError(
            "streaming and relation must go with a row function over pairs (losszoo.pairwise), "
            f"however: {loss!r} has none"
        )
    return made


def _made(maker: Maker, loss: str | Callable[..., Any], params: Mapping[str, Any]) -> Loss | SumLoss:
    if not isinstance(loss, str):
        return maker.from_object(loss, getattr(loss, "__name__", type(loss).__name__), params)
    terms = parse(loss)
    _check_registered(terms, loss, maker.making)
    if params:
        return maker.from_call(_with_params(terms, loss, params))
    if len(terms) == 1 and terms[0].scale == 1 and not terms[0].schedules:
        return maker.from_call(terms[0].call)
    return maker.sum_of(terms)


def _check_registered(terms: tuple[Weighted, ...], text: str, making: Making) -> None:
    """What is registered says itself what it is; only a loss over embeddings may be set against other candidates."""
    calls = list(leaves(installed(), terms, alone=True))
    if any(":" in call.name for call in calls):
        return
    against = {one.against for one in installed().signatures.values() if one.against}
    if (making.signature is not None and making.signature not in against) or making.expects:
        raise UsageError(f"signature and expects must go with a loss of your own, however: {text!r} is registered")
    own = {installed().signatures[installed().loss(call.name).signature].against for call in calls}
    if making.signature is not None and making.signature not in own:
        raise UsageError(
            f"signature={making.signature!r} must go with a loss over embeddings, however: {text!r} is none"
        )


def _with_params(terms: tuple[Weighted, ...], text: str, params: Mapping[str, Any]) -> Call:
    if len(terms) > 1 or terms[0].scale != 1 or terms[0].schedules:
        raise UsageError(
            f"parameters must go with a single loss, however: {text!r} with {', '.join(params)}; write them inside"
        )
    call = terms[0].call
    return Call(call.name, {**call.arguments, **params}, call.inner, call.position)
