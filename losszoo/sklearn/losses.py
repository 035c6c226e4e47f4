"""Which losses an estimator can be trained with, checked before training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from losszoo.errors import UsageError
from losszoo.losses.introspection import fitting_signatures, infer_signature
from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE
from losszoo.losses.sums.leaves import leaves
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.registry.compatibility import leaves as calls_of
from losszoo.registry.expressions import parse
from losszoo.registry.import_target import resolve
from losszoo.registry.registry import installed
from losszoo.training.data.batch_inputs import predicting_signature

LossLike = str | Callable[..., Any]

# The kinds of task that the estimators make of labels, of two labels, and of numbers, and what they learn to embed by.
LABELS, TWO_LABELS, NUMBERS, EMBEDDING = "multiclass", "binary", "regression", "embedding"
# Those that they make of y (N, K): of yes and no in each column, and of numbers.
LABEL_SETS, OUTPUTS = "multilabel", "multi-output"


def fitting_kind(kind: str) -> tuple[str, ...]:
    """The signatures that can be trained on a kind of task."""
    return installed().taken_by(kind)


def without_head() -> tuple[str, ...]:
    """The signatures that learn an embedding from labels."""
    return tuple(name for name in fitting_kind(LABELS) if not TABLE[name].has_head)


def fresh(given: Any) -> Any:
    """A loss or a network that may be trained: what the caller keeps stays as it is."""
    return given if isinstance(given, str) else copy.deepcopy(given)


def signature_of_own(loss: LossLike, fitting: tuple[str, ...], default: str) -> str | None:
    """What to take losses of one's own for, where none of them says so by its arguments; None where one does.

    Args:
        loss: as the estimator has it.
        fitting: the signatures that fit it.
        default: the one of those for arguments of any name.
    """
    own = [thing for _, thing in _members(loss) if not isinstance(thing, str)]
    if not own or any(infer_signature(thing) for thing in own):
        return None
    shared = [name for name in fitting if all(name in fitting_signatures(thing) for thing in own)]
    return shared[0] if shared else default


def predicting(loss: LossLike, fitting: tuple[str, ...], default: str) -> str:
    """The signature that a loss predicts by; arguments as of :func:`signature_of_own`."""
    own = signature_of_own(loss, fitting, default) or default
    return predicting_signature(tuple(found[0] if len(found) == 1 else own for _, found in _signatures(loss)))


def with_arguments(loss: LossLike, arguments: Mapping[str, Any]) -> str:
    """The text of a loss with other arguments.

    Raises:
        UsageError: it is no text, or a sum.

    Example:
        >>> with_arguments("softmax-focal(gamma=2)", {"gamma": 0.5})
        'softmax-focal(gamma=0.5)'
    """
    terms = parse(loss) if isinstance(loss, str) else ()
    if len(terms) != 1 or terms[0].call.inner:
        names = ", ".join(f"loss__{name}" for name in arguments)
        raise UsageError(
            f"{names} must go with a loss that is one name, got loss={loss!r}; list whole losses instead: "
            "{'loss': ['focal(gamma=0.5)', 'focal(gamma=2)']}"
        )
    call = terms[0].call
    return str(replace(terms[0], call=replace(call, arguments={**call.arguments, **arguments})))


def check_fits(loss: LossLike, fitting: tuple[str, ...], estimator: str) -> None:
    """Refuse a loss that the estimator cannot be trained with.

    Raises:
        UsageError: names the loss, its signature, and the losses that fit.
    """
    if not isinstance(loss, str) and not callable(loss):
        raise UsageError(f"loss must be a name, an expression or a callable, got {loss!r}")
    for name, signatures in _signatures(loss):
        if signatures and not any(one in fitting or installed().penalizes(one) for one in signatures):
            stable = [spec for spec in installed().losses.values() if spec.status == "stable"]
            able = [spec.name for signature in fitting for spec in stable if spec.signature == signature]
            more = f" and {len(able) - 8} more (losszoo list --signature {fitting[0]})" if len(able) > 8 else ""
            raise UsageError(
                f"loss of {estimator} must have one of the signatures {', '.join(fitting)}, got {name} of the "
                f"signature {' or '.join(signatures)}; those that fit: {', '.join(able[:8])}{more}"
            )


def _signatures(loss: LossLike) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name of every loss inside, and the signatures that it may have; none where its arguments do not say."""
    for name, thing in _members(loss):
        yield name, (installed().loss(thing).signature,) if isinstance(thing, str) else _signatures_of(thing)
    if isinstance(loss, Loss | SumLoss):
        yield from ((leaf.identity.name, (leaf.signature,)) for leaf in leaves(loss))


def _signatures_of(thing: Any) -> tuple[str, ...]:
    inferred = infer_signature(thing)
    return (inferred,) if inferred else fitting_signatures(thing)


def _members(loss: LossLike) -> Iterator[tuple[str, Any]]:
    """Name of every loss inside, and the object where it is one's own, else the name again."""
    if isinstance(loss, str):
        for call in calls_of(installed(), parse(loss)):
            yield call.name, resolve(call.name) if ":" in call.name else call.name
    elif not isinstance(loss, Loss | SumLoss):
        yield getattr(loss, "__name__", type(loss).__name__), loss
