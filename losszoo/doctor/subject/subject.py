"""What is examined: a callable with one ordinary input, and what one call of it gives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from losszoo.common.seeding import seed_torch
from losszoo.doctor.effort import Effort
from losszoo.doctor.subject.answers import Outcome, Refusal, Taken, as_values
from losszoo.doctor.subject.dtypes import computing_in, in_dtype
from losszoo.doctor.subject.global_settings import settings_kept
from losszoo.doctor.subject.resource_use import Use
from losszoo.doctor.subject.trained_leaves import trained_leaves
from losszoo.tracing.tape import Tape
from losszoo.tracing.whole_matrix import whole_matrix

Leaves = list[Any]


@dataclass(frozen=True)
class Subject:
    """A loss, and what it is ordinarily called with.

    Args:
        call: the loss.
        inputs: one ordinary tuple of inputs.
        names: of the arguments.
        signature: of the table; "" where only an example is known.
        expects: what the predictions are.
        target: how the user named it.
        seed: a random loss draws from it, alike at every call.
        trained: indices of the leaves that get a gradient.
        leaves: the tensors and plain values of the inputs.
        tree: their nesting.
        may_be_nan: leaves that the loss itself looks at for NaN.
        may_be_infinite: leaves whose infinities the loss itself fills.
        ignored: labels that the loss leaves out, by leaf.
        within_one: leaves that the loss uses as no larger than 1.
        picking: leaves of whole numbers that pick among classes; None where that is not known.
        normalized: leaves that a softmax or a logsumexp goes over; None where that is not known.
        remarks: what is worth knowing of how it is called.
        effort: what every call is counted in; None counts none.
        use: what a call takes; None where it is not known, and a call counts as one.
        keywords: names of the last inputs, which are passed by name.
        refusals: legal inputs of the user's that it raises on.
        assumed: nobody has said what it is called with.
        inferred: its signature, if there is one, was told by the names of its arguments.
        taken: the part of its answer that is the loss; None where that is not known.
    """

    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    signature: str = ""
    expects: str = "logits"
    target: str = "loss"
    seed: int = 0
    trained: tuple[int, ...] = ()
    leaves: Leaves = field(default_factory=list)
    tree: TreeSpec | None = None
    may_be_nan: frozenset[int] = frozenset()
    may_be_infinite: frozenset[int] = frozenset()
    ignored: Mapping[int, int] = field(default_factory=dict)
    within_one: frozenset[int] = frozenset()
    picking: frozenset[int] | None = None
    normalized: frozenset[int] | None = None
    remarks: tuple[str, ...] = ()
    effort: Effort | None = None
    use: Use | None = None
    keywords: tuple[str, ...] = ()
    taken: Taken | None = None
    assumed: bool = False
    inferred: bool = False
    refusals: tuple[Refusal, ...] = ()

    def arguments(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The leaves in the nesting of the inputs."""
        assert self.tree is not None
        arguments: tuple[Any, ...] = tree_unflatten(list(leaves), self.tree)
        return arguments

    def answer(self, call: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        """What a form of the loss gives back on these leaves."""
        arguments = self.arguments(leaves)
        count = len(arguments) - len(self.keywords)
        return call(*arguments[:count], **dict(zip(self.keywords, arguments[count:], strict=True)))

    def with_leaves(self, leaves: Sequence[Any]) -> Subject:
        """The same loss, ordinarily called with something else."""
        copied = [leaf.detach().contiguous() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        return replace(self, inputs=self.arguments(leaves), leaves=copied)

    def spend(self, leaves: Sequence[Any]) -> None:
        """Count one call on these leaves.

        Raises:
            TimeUpError: no time is left for it.
        """
        if self.effort is not None:
            self.effort.spend(self.use.evaluations(leaves) if self.use else 1.0)


def make_subject(
    call: Callable[..., Any],
    inputs: tuple[Any, ...],
    names: Sequence[str],
    signature: str = "",
    expects: str = "logits",
    target: str = "loss",
    seed: int = 0,
    keywords: Sequence[str] = (),
) -> Subject:
    """A subject with its leaves found and its trained ones told from the given."""
    leaves, tree = tree_flatten(inputs)
    labels = tuple(names[i] if i < len(names) else f"input{i}" for i in range(len(inputs)))
    trained = trained_leaves(inputs, labels, signature)
    leaves = [leaf.detach().contiguous().clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    return Subject(
        call, inputs, labels, signature, expects, target, seed, trained, leaves, tree, keywords=tuple(keywords)
    )


def is_floating(leaf: Any) -> bool:
    """Whether a leaf is a floating tensor."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def in_precision(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A floating tensor in a dtype, a complex one of two such numbers each; there is no complex half precision."""
    if tensor.is_complex():
        return tensor.to(torch.complex128 if dtype == torch.float64 else torch.complex64)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def cast(leaves: Sequence[Any], dtype: torch.dtype) -> Leaves:
    """The leaves with everything floating in a dtype: the numbers as the loss gets them there."""
    return [x.to(dtype) if is_floating(x) else x for x in leaves]


def evaluate(
    subject: Subject,
    leaves: Sequence[Any],
    dtype: torch.dtype = torch.float32,
    *,
    mode: TorchFunctionMode | None = None,
    gradients: bool = True,
) -> Outcome:
    """Call the loss on leaves cast to a dtype.

    Args:
        subject: whose loss.
        leaves: tensors and plain values in the subject's order.
        dtype: of everything floating.
        mode: watches or replaces operations during the forward pass.
        gradients: compute them too.
    """
    try:
        with torch.enable_grad(), computing_in(subject.call, dtype) as (call, learned):
            values, sources = forward(subject, call, leaves, dtype, mode, learned)
            found = _gradients(values, [*sources, *learned]) if gradients else ()
        return Outcome(values.detach(), found)
    except Exception as error:  # whatever the author's code raises is an answer too
        return Outcome(error=error)
    except SystemExit as error:
        return Outcome(error=RuntimeError(f"it calls sys.exit({error.code!r})"))


def forward(
    subject: Subject,
    call: Callable[..., Any],
    leaves: Sequence[Any],
    dtype: torch.dtype,
    mode: TorchFunctionMode | None = None,
    learned: list[Tensor] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """The values, and the tensors whose gradients are asked for; every call of the loss is made and counted here.

    Args:
        subject: whose loss.
        call: a form of it.
        leaves: to call it with.
        dtype: of everything floating.
        mode: watches or replaces operations.
        learned: parameters of the loss, to which those of networks among the leaves are added.
    """
    subject.spend(leaves)
    seed_torch(subject.seed)
    sources: list[Tensor] = []
    given: Leaves = []
    for index, leaf in enumerate(leaves):
        if not isinstance(leaf, Tensor):
            given.append(in_dtype(leaf, dtype) if isinstance(leaf, nn.Module) else leaf)
            if isinstance(leaf, nn.Module) and learned is not None:
                learned += [p for p in given[-1].parameters() if p.requires_grad]
            continue
        tensor = in_precision(leaf.detach(), dtype)
        if index in subject.trained:
            source = tensor.clone().requires_grad_()
            sources.append(source)
            tensor = source.clone()  # as from a network: no leaf, so a loss may write into it
        given.append(tensor.clone() if tensor.requires_grad is False else tensor)
    # A recorder is to see every operation, not a closed form of many.
    with settings_kept(), whole_matrix() if mode else contextlib.nullcontext(), mode or contextlib.nullcontext():
        answer = subject.answer(call, given)
    return as_values(answer, subject.taken), sources


def record(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype) -> tuple[Tape, Tensor]:
    """The operations of one call, and its values.

    Raises:
        Exception: what the loss raises.
    """
    tape = Tape()
    with torch.enable_grad(), computing_in(subject.call, dtype) as (call, _):
        values, _ = forward(subject, call, leaves, dtype, tape)
    return tape, values


def _gradients(values: Tensor, sources: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    if not values.requires_grad or not sources or not values.numel():
        return tuple(None for _ in sources)
    share = torch.full_like(values, 1 / values.numel())
    return torch.autograd.grad(values, sources, share, allow_unused=True)
