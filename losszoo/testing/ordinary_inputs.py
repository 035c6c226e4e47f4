"""What the checks do to the inputs of a loss, whatever its signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import Batch
from losszoo.losses.signatures.signature import Signature


def sampled(signature: Signature) -> bool:
    """Whether it has samples; a penalty has none."""
    return not signature.on_parameters


def alone(signature: Signature) -> bool:
    """Whether it has samples, and they do not see each other."""
    return sampled(signature) and not signature.rows_interact


def changed(inputs: Batch, change: Callable[[Tensor], Tensor], places: Sequence[int] | None = None) -> Batch:
    """The inputs with every tensor changed, or those at some places."""

    def at(place: int, value: Any) -> Any:
        if places is not None and place not in places:
            return value
        return [change(x) for x in value] if isinstance(value, list) else change(value)

    return tuple(at(place, value) for place, value in enumerate(inputs))


def to_dtype(inputs: Batch, dtype: torch.dtype) -> Batch:
    """The inputs with everything floating in that dtype."""
    return changed(inputs, lambda x: x.to(dtype) if x.is_floating_point() else x)


def tensors_of(inputs: Batch) -> list[Tensor]:
    """All tensors, in order."""
    return [x for value in inputs for x in (value if isinstance(value, list) else [value])]


def are_finite(value: Tensor, gradients: Sequence[Tensor]) -> bool:
    """Whether a value and its gradients are."""
    return all(bool(x.isfinite().all()) for x in (value, *gradients))


def rows_of(inputs: Batch, rows: Tensor, signature: str) -> Batch:
    """Those samples only."""
    return tuple(TABLE[signature].rows_of(inputs, rows))


def spoiled(inputs: Batch, mask: Tensor, signature: str, change: Callable[[Tensor], Tensor]) -> Batch:
    """The inputs changed wherever the mask is False, and left alone where it is True."""

    def under_mask(x: Tensor) -> Tensor:
        wide = mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
        return torch.where(wide, x, change(x))

    rules = TABLE[signature]
    places = [place for place in rules.per_sample if place < len(rules.arguments)]
    return changed(inputs, under_mask, places)


def with_leaves(inputs: Batch, signature: str) -> tuple[Batch, list[Tensor]]:
    """A copy of the inputs whose learned tensors ask for a gradient, and those tensors."""
    leaves: list[Tensor] = []

    def leaf(x: Tensor) -> Tensor:
        leaves.append(x.detach().clone().requires_grad_())
        return leaves[-1]

    return changed(changed(inputs, torch.clone), leaf, TABLE[signature].trained), leaves


def value_and_gradients(
    loss: Callable[..., Tensor], inputs: Batch, signature: str, **how: Any
) -> tuple[Tensor, list[Tensor]]:
    """The value, and the gradient of its sum to every learned input."""
    given, leaves = with_leaves(inputs, signature)
    value = loss(*given, **how)
    gradients = torch.autograd.grad(value.sum(), leaves, allow_unused=True, materialize_grads=True)
    return value.detach(), list(gradients)
