"""The signatures: what a loss is called with. Argument names, shapes, checks, and what a mask hides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Inputs = tuple[Any, ...]


class BrokenRule(Exception):  # noqa: N818 (a message in transit: Loss turns it into a UsageError with its own name)
    """An argument that breaks the rule of its signature: which one, the rule, and what came."""

    def __init__(self, argument: str, rule: str, came: str) -> None:
        super().__init__(f"{argument} must {rule}, however: {argument} {came}")


@dataclass(frozen=True)
class Context:
    """What a check must know of the loss: what it expects, the label it ignores."""

    expects: str = "logits"
    ignore_index: int | None = None


@dataclass(frozen=True)
class Signature:
    """One row of the table of signatures.

    Args:
        name: as in ``LossSpec.signature``.
        arguments: names, in order.
        prepare: checks shapes and dtypes, gives the inputs in the dtype that is computed in.
        element_shape: shape of what a mask may select from.
        hide: inputs with a harmless value wherever the (expanded) mask is False.
        check_values: checks that must look at the numbers.
        optional: names that may be left out.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Inputs, Context], Inputs]
    element_shape: Callable[[Inputs], torch.Size]
    hide: Callable[[Inputs, Tensor, Context], Inputs]
    check_values: Callable[[Inputs, Context], None]
    optional: tuple[str, ...] = ()

    def bind(self, args: Inputs, named: Mapping[str, Any]) -> Inputs:
        """Positional and named inputs in order; optional ones that were left out are None."""
        names = (*self.arguments, *self.optional)
        if len(args) > len(names):
            raise BrokenRule("inputs", f"be {', '.join(names)}", f"are {len(args)}")
        values = dict(zip(names, args, strict=False))
        for key, value in named.items():
            if key not in names or key in values:
                raise BrokenRule("inputs", f"be {', '.join(names)}", f"hold {key} {'twice' if key in values else ''}".rstrip())
            values[key] = value
        missing = [name for name in self.arguments if name not in values]
        if missing:
            raise BrokenRule("inputs", f"be {', '.join(self.arguments)}", f"lack {', '.join(missing)}")
        return tuple(values.get(name) for name in names)


def shape_of(value: Any) -> str:
    """``has shape (2, 3)`` for a tensor, ``is a list`` for anything else."""
    return f"has shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"is a {type(value).__name__}"


def in_compute_dtype(tensor: Tensor) -> Tensor:
    """Half precision is computed in float32: sums of squares overflow float16 at 256."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def floating(name: str, value: Any) -> Tensor:
    """The tensor in its compute dtype; anything not floating breaks the rule."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        came = f"has dtype {value.dtype}" if isinstance(value, Tensor) else shape_of(value)
        raise BrokenRule(name, "be a floating point tensor", came)
    return in_compute_dtype(value)


def like(name: str, value: Any, other: Tensor, other_name: str) -> Tensor:
    """A real tensor of the shape of another, in its dtype."""
    if not isinstance(value, Tensor) or value.is_complex():
        raise BrokenRule(name, "be a real tensor", shape_of(value))
    if value.shape != other.shape:
        raise BrokenRule(name, f"have the shape of {other_name}, {tuple(other.shape)}", shape_of(value))
    return value.to(other.dtype)


def integers(name: str, value: Any, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """An integer tensor of that shape, as int64."""
    if not isinstance(value, Tensor) or value.is_floating_point() or value.is_complex():
        came = f"has dtype {value.dtype}" if isinstance(value, Tensor) else shape_of(value)
        raise BrokenRule(name, "be an integer tensor", came)
    if value.shape != shape:
        raise BrokenRule(name, f"have shape {tuple(shape)}", shape_of(value))
    return value.long()


def rows(name: str, value: Any) -> Tensor:
    """A floating (N, D) tensor."""
    tensor = floating(name, value)
    if tensor.ndim != 2:
        raise BrokenRule(name, "have shape (N, D)", shape_of(tensor))
    return tensor


def same_rows(first_name: str, first: Any, name: str, value: Any) -> Tensor:
    """A floating tensor of the shape of the first one, which is (N, D)."""
    tensor = floating(name, value)
    if tensor.shape != first.shape:
        raise BrokenRule(name, f"have the shape of {first_name}, {tuple(first.shape)}", shape_of(tensor))
    return tensor


def require(condition: Tensor, name: str, rule: str, value: Tensor) -> None:
    """Break the rule with the first offending number."""
    if not bool(condition.all()):
        offender = value[~condition].flatten()[0].item() if value.shape == condition.shape else "elsewhere"
        raise BrokenRule(name, rule, f"holds {offender}")


NEUTRAL = {"logits": 0.0, "probabilities": 0.5, "log-probabilities": 0.0}


def _prepare_alike(first_name: str) -> Callable[[Inputs, Context], Inputs]:
    def prepare(inputs: Inputs, context: Context) -> Inputs:
        predictions = floating(first_name, inputs[0])
        return predictions, like("targets", inputs[1], predictions, first_name)

    return prepare


def _hide_alike(inputs: Inputs, mask: Tensor, context: Context) -> Inputs:
    predictions, targets = inputs
    return torch.where(mask, predictions, NEUTRAL[context.expects]), torch.where(mask, targets, 0.0)


def _check_probabilities(name: str, value: Tensor, context: Context) -> None:
    # Written so that NaN passes: a NaN prediction is an event for the guard, not a wrong argument.
    if context.expects == "probabilities":
        require(~((value < 0) | (value > 1)), name, "hold probabilities in [0, 1]", value)


def _check_binary(inputs: Inputs, context: Context) -> None:
    predictions, targets = inputs
    require((targets >= 0) & (targets <= 1), "targets", "be in [0, 1]", targets)
    _check_probabilities("predictions", predictions, context)


def _check_regression(inputs: Inputs, context: Context) -> None:
    require(torch.isfinite(inputs[1]), "targets", "be finite", inputs[1])


def _prepare_segmentation(inputs: Inputs, context: Context) -> Inputs:
    logits = floating("logits", inputs[0])
    if logits.ndim != 4:
        raise BrokenRule("logits", "have shape (N, C, H, W)", shape_of(logits))
    return logits, like("targets", inputs[1], logits, "logits")


def _check_segmentation(inputs: Inputs, context: Context) -> None:
    logits, targets = inputs
    require((targets == 0) | (targets == 1), "targets", "be 0 or 1", targets)
    _check_probabilities("logits", logits, context)


def _prepare_multiclass(inputs: Inputs, context: Context) -> Inputs:
    logits, targets = floating("logits", inputs[0]), inputs[1]
    if logits.ndim < 2 or logits.shape[1] < 1:
        raise BrokenRule("logits", "have shape (N, C, ...) with at least one class", shape_of(logits))
    if isinstance(targets, Tensor) and targets.is_floating_point():
        return logits, like("targets", targets, logits, "logits")
    return logits, integers("targets", targets, logits.shape[:1] + logits.shape[2:])


def _hide_multiclass(inputs: Inputs, mask: Tensor, context: Context) -> Inputs:
    logits, targets = inputs
    wide = mask.unsqueeze(1)
    fill = 1 / logits.shape[1] if context.expects == "probabilities" else 0.0
    hidden = torch.where(wide, targets, 1 / logits.shape[1]) if targets.is_floating_point() else targets * mask
    return torch.where(wide, logits, fill), hidden


def _check_multiclass(inputs: Inputs, context: Context) -> None:
    logits, targets = inputs
    classes = logits.shape[1]
    if targets.is_floating_point():
        require(targets >= 0, "targets", "be probabilities", targets)
        total = targets.sum(1)
        require((total - 1).abs() < 1e-3, "targets", "sum to 1 over the classes", total)
    else:
        legal = (targets >= 0) & (targets < classes)
        if context.ignore_index is not None:
            legal |= targets == context.ignore_index
        require(legal, "targets", f"be labels from 0 to {classes - 1}", targets)
    _check_probabilities("logits", logits, context)


def _prepare_embedding(inputs: Inputs, context: Context) -> Inputs:
    embeddings, labels = rows("embeddings", inputs[0]), inputs[1]
    if isinstance(labels, Tensor) and labels.ndim == 2 and labels.shape[0] == embeddings.shape[0]:
        return embeddings, labels
    return embeddings, integers("labels", labels, embeddings.shape[:1])


def _check_embedding(inputs: Inputs, context: Context) -> None:
    if inputs[1].ndim == 2:
        require((inputs[1] == 0) | (inputs[1] == 1), "labels", "be 0 or 1 where they are multi-hot", inputs[1])


def _hide_rows(inputs: Inputs, mask: Tensor, context: Context) -> Inputs:
    """(N, D) tensors get zero rows, everything else of length N a zero."""
    hidden = (torch.where(mask.view(-1, *[1] * (x.ndim - 1)), x, torch.zeros((), dtype=x.dtype, device=x.device)) for x in inputs)
    return tuple(hidden)


def _prepare_pair(inputs: Inputs, context: Context) -> Inputs:
    first = rows("first", inputs[0])
    same = inputs[2]
    if not isinstance(same, Tensor) or same.shape != first.shape[:1]:
        raise BrokenRule("same", f"have shape {tuple(first.shape[:1])}", shape_of(same))
    return first, same_rows("first", first, "second", inputs[1]), same.to(first.dtype)


def _check_pair(inputs: Inputs, context: Context) -> None:
    require((inputs[2] == 0) | (inputs[2] == 1), "same", "be 0 or 1", inputs[2])


def _prepare_rows(*names: str) -> Callable[[Inputs, Context], Inputs]:
    def prepare(inputs: Inputs, context: Context) -> Inputs:
        first = rows(names[0], inputs[0])
        others = (same_rows(names[0], first, name, x) for name, x in zip(names[1:], inputs[1:], strict=True))
        return first, *others

    return prepare


def _prepare_neighbors(inputs: Inputs, context: Context) -> Inputs:
    queries, candidates = rows("queries", inputs[0]), rows("candidates", inputs[2])
    if queries.shape[1] != candidates.shape[1]:
        raise BrokenRule("candidates", f"have shape (M, {queries.shape[1]})", shape_of(candidates))
    query_targets = _neighbor_targets("query_targets", inputs[1], queries)
    candidate_targets = _neighbor_targets("candidate_targets", inputs[3], candidates)
    if query_targets.dtype != candidate_targets.dtype:
        raise BrokenRule(
            "candidate_targets", f"have the dtype of query_targets, {query_targets.dtype}", f"has {candidate_targets.dtype}"
        )
    own = inputs[4]
    if own is not None:
        own = integers("own", own, queries.shape[:1])
    return queries, query_targets, candidates, candidate_targets, own


def _neighbor_targets(name: str, value: Any, of: Tensor) -> Tensor:
    if isinstance(value, Tensor) and value.is_floating_point() and value.shape == of.shape[:1]:
        return value.to(of.dtype)
    return integers(name, value, of.shape[:1])


def _hide_queries(inputs: Inputs, mask: Tensor, context: Context) -> Inputs:
    queries, query_targets = _hide_rows(inputs[:2], mask, context)
    return queries, query_targets, *inputs[2:]


def _check_neighbors(inputs: Inputs, context: Context) -> None:
    own, count = inputs[4], inputs[2].shape[0]
    if own is not None:
        require((own >= -1) & (own < count), "own", f"be -1 or an index of the {count} candidates", own)


def _prepare_penalty(inputs: Inputs, context: Context) -> Inputs:
    if isinstance(inputs[0], Tensor):
        return ([floating("parameters", inputs[0])],)
    try:
        tensors = list(inputs[0])
    except TypeError:
        raise BrokenRule("parameters", "be an iterable of tensors", shape_of(inputs[0])) from None
    return ([floating("parameters", tensor) for tensor in tensors],)


def _nothing_to_hide(inputs: Inputs, mask: Tensor, context: Context) -> Inputs:
    raise BrokenRule("mask", "be left out: a penalty is one value", shape_of(mask))


def _accept(inputs: Inputs, context: Context) -> None:
    """Every finite number is legal."""


def _whole(inputs: Inputs) -> torch.Size:
    shape: torch.Size = inputs[0].shape
    return shape


def _positions(inputs: Inputs) -> torch.Size:
    shape: torch.Size = inputs[0].shape
    return shape[:1] + shape[2:]


def _samples(inputs: Inputs) -> torch.Size:
    shape: torch.Size = inputs[0].shape
    return shape[:1]


def _scalar(inputs: Inputs) -> torch.Size:
    return torch.Size(())


_ROWS = (_samples, _hide_rows)
TABLE: Mapping[str, Signature] = {
    signature.name: signature
    for signature in (
        Signature("binary", ("predictions", "targets"), _prepare_alike("predictions"), _whole, _hide_alike, _check_binary),
        Signature("multiclass", ("logits", "targets"), _prepare_multiclass, _positions, _hide_multiclass, _check_multiclass),
        Signature("regression", ("predictions", "targets"), _prepare_alike("predictions"), _whole, _hide_alike, _check_regression),
        Signature("segmentation", ("logits", "targets"), _prepare_segmentation, _whole, _hide_alike, _check_segmentation),
        Signature("embedding", ("embeddings", "labels"), _prepare_embedding, *_ROWS, _check_embedding),
        Signature("pair", ("first", "second", "same"), _prepare_pair, *_ROWS, _check_pair),
        Signature(
            "triplet",
            ("anchors", "positives", "negatives"),
            _prepare_rows("anchors", "positives", "negatives"),
            *_ROWS,
            _accept,
        ),
        Signature("views", ("queries", "keys"), _prepare_rows("queries", "keys"), *_ROWS, _accept),
        Signature(
            "neighbors",
            ("queries", "query_targets", "candidates", "candidate_targets"),
            _prepare_neighbors,
            _samples,
            _hide_queries,
            _check_neighbors,
            optional=("own",),
        ),
        Signature("penalty", ("parameters",), _prepare_penalty, _scalar, _nothing_to_hide, _accept),
    )
}
