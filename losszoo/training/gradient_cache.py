"""Gradient caching: the gradient of a loss over a large batch, with the graph of one part in memory at a time.

The outputs of all parts are computed without a graph, the loss and its gradient by them at once; then each part goes
through the model again, from the same random state, and takes its share of that gradient to the parameters (Gao,
Zhang, Han, Callan, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021,
arXiv:2101.06983).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from losszoo.common.seeding import Randomness
from losszoo.common.text import kind_name
from losszoo.errors import UsageError

Run = Callable[[], Sequence[Tensor]]
# By how much outputs may differ between two passes, relative to their norm: more than rounding, less than dropout.
_ALIKE = 1e-2


@dataclass(frozen=True)
class _Piece:
    """A part of a batch that went through the model, the random state before, and its places in the outputs."""

    run: Run
    before: Mapping[str, Any]
    leaves: tuple[tuple[Tensor, slice], ...]


class GradientCache:
    """Outputs without a graph, whose gradients are carried through the model afterwards.

    Args:
        model: what computes the outputs. Its buffers, such as running statistics, move as in one pass.
        draws: restored before each second pass, so that dropout leaves out the same.
    """

    def __init__(self, model: nn.Module, draws: Randomness) -> None:
        self.model, self.draws = model, draws
        self.pieces: list[_Piece] = []
        self._before: list[Tensor] | None = None

    def outputs(self, runs: Iterable[Run]) -> list[Tensor]:
        """The outputs of all parts, joined; those that are floating collect a gradient."""
        self._before = self._buffers() if self._before is None else self._before
        found: list[Sequence[Tensor]] = []
        begun = []
        for run in runs:
            begun.append((run, self.draws.whole_state()))
            with torch.no_grad():
                found.append(run())
        # Autocast would keep the weights that it has cast without a graph, and the second pass would have none.
        torch.clear_autocast_cache()
        joined = [torch.cat(parts).requires_grad_(parts[0].is_floating_point()) for parts in zip(*found, strict=True)]
        starts = [0] * len(joined)
        for (run, before), parts in zip(begun, found, strict=True):
            ends = [start + len(x) for start, x in zip(starts, parts, strict=True)]
            places = (slice(start, end) for start, end in zip(starts, ends, strict=True))
            self.pieces.append(_Piece(run, before, tuple(zip(joined, places, strict=True))))
            starts = ends
        return joined

    def backward(self, alone: Callable[[bool], AbstractContextManager[Any]] | None = None) -> bool:
        """From the gradients of the outputs to those of the parameters.

        Args:
            alone: opens a block whose gradients are only added up, given whether it is the last one, after which ranks
                exchange them.

        Returns:
            Whether any output has a graph: a frozen part of the model takes no gradient.

        Raises:
            UsageError: the model gives other outputs the second time.
        """
        after, buffers = self.draws.whole_state(), self._buffers()
        # Of a term that is off nothing is asked; the ranks exchange their gradients in the last pass that is made.
        asked = [piece for piece in self.pieces if any(leaf.grad is not None for leaf, _ in piece.leaves)]
        self._set_buffers(self._before or [])
        reached = False
        for number, piece in enumerate(asked):
            self.draws.restore_whole(piece.before)
            with alone(number == len(asked) - 1) if alone else nullcontext(), torch.enable_grad():
                pairs = [
                    (x, leaf.grad[place])
                    for x, (leaf, place) in zip(piece.run(), piece.leaves, strict=True)
                    if leaf.grad is not None and _alike(x, leaf[place]) and x.requires_grad
                ]
                if pairs:
                    reached = True
                    torch.autograd.backward([x for x, _ in pairs], [gradient for _, gradient in pairs])
            torch.clear_autocast_cache()
        self._set_buffers(buffers)
        self.draws.restore_whole(after)
        return reached

    def _buffers(self) -> list[Tensor]:
        return [x.detach().clone() for x in self.model.buffers()]

    @torch.no_grad()
    def _set_buffers(self, values: Sequence[Tensor]) -> None:
        for buffer, value in zip(self.model.buffers(), values, strict=False):
            buffer.copy_(value)


def _alike(second: Tensor, first: Tensor) -> bool:
    """True; the gradient by one output is not that by another."""
    first = first.detach().float()
    if bool((second.detach().float() - first).norm() > _ALIKE * first.norm()):
        raise UsageError(
            "the model must give the same outputs for the same random state, got different ones in the second pass: "
            "it draws from a generator of its own, or changes as it is called"
        )
    return True


def sees_its_part(model: nn.Module) -> bool:
    """Whether a module normalises by the rows that go through it together: parts of a batch then have other outputs."""
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None)
        for module in model.modules()
    )


def accumulate(
    loss: Callable[..., Tensor],
    model: nn.Module,
    micro_batches: Sequence[Any],
    *targets: Tensor | Sequence[Tensor],
    backward: Callable[[Tensor], Any] = Tensor.backward,
) -> Tensor:
    r"""Backward through the loss of a whole batch whose graph does not fit into memory, part by part.

    .. math:: \frac{\partial L}{\partial \theta} =
        \sum_k \frac{\partial L}{\partial z_k} \frac{\partial z_k}{\partial \theta}

    For losses whose rows see each other (contrastive ones): the mean of their values over micro-batches is another
    loss, as each row then sees the candidates of its own part only. The model goes over each part twice, first without
    a graph; dropout and all else that is drawn is the same in both, and running statistics move once.

    The gradient is exactly that of ``loss(torch.cat([model(part) for part in micro_batches]), y)``. Where each row goes
    through the model by itself, that is the whole batch at once. A BatchNorm in training normalises each part by its
    own rows, so the gradient is another one; a warning says so. Dropout draws for each part anew. Call it in the
    place of ``loss(model(x), y).backward()``, also under autocast; then step as usual.

    Args:
        loss: called with the outputs of the whole batch and the targets, ``loss(outputs, *targets)``; where the model
            returns a tuple, with its members: ``loss(queries, keys, *targets)``. It gives one number.
        model: its outputs have one row per sample. Under ``DistributedDataParallel`` gradients are exchanged once.
        micro_batches: the inputs of the model, part by part, as ``torch.split(x, 32)`` gives them; a tuple is taken as
            several arguments, ``model(*part)``, and a mapping as arguments by name, ``model(**part)``.
        targets: of the whole batch; a list or tuple of tensors, one for each part, is joined.
        backward: takes the loss of the whole: ``guard.backward`` of :class:`losszoo.Guard`, or
            ``lambda value: scaler.scale(value).backward()``.

    Returns:
        The loss of the whole batch, without a graph. The gradients are in ``.grad``, added to what was there.

    Raises:
        UsageError: no micro-batch, outputs without rows, a loss that is not one number with a graph, a model that gives
            other outputs the second time, or nothing that is trained. A part of the model may be frozen.

    Example:
        >>> from losszoo import create
        >>> rows, labels, model = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2]), torch.nn.Linear(4, 2)
        >>> value = accumulate(create("sup-con"), model, torch.split(rows, 2), labels)
        >>> exact, _ = model.weight.grad, model.zero_grad()
        >>> create("sup-con")(model(rows), labels).backward()
        >>> torch.allclose(model.weight.grad, exact, atol=1e-6)
        True

    Reference:
        Gao, Zhang, Han, Callan, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP
        2021, arXiv:2101.06983.
    """
    if isinstance(micro_batches, Tensor) or not isinstance(micro_batches, Sequence) or not micro_batches:
        came = "none" if isinstance(micro_batches, Sequence) else kind_name(micro_batches)
        raise UsageError(f"micro_batches must be a list of inputs, as torch.split(x, 32) gives them, got {came}")
    if len(micro_batches) > 1 and sees_its_part(model):
        warnings.warn(
            "the model has a BatchNorm in training, which normalises each part by its own rows: the gradient is not "
            "that of the whole batch; use LayerNorm or GroupNorm, or put the BatchNorm into eval()",
            stacklevel=2,
        )
    cache, shape = GradientCache(model, _EverySource(model)), _Shape()
    joined = cache.outputs([partial(_flat_outputs, shape, model, part) for part in micro_batches])
    outputs = shape.whole(joined)
    given = [torch.cat(list(x)) if isinstance(x, Sequence) else x for x in targets]
    value = loss(*outputs, *given) if isinstance(outputs, Sequence) else loss(outputs, *given)
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else kind_name(value)
        without = ", without a graph" if isinstance(value, Tensor) and not value.requires_grad else ""
        raise UsageError(f"the loss must give one number that depends on the outputs, got {came}{without}")
    backward(value)
    if not cache.backward(lambda last: _alone(model, last)) and not _reaches_more(value, joined):
        raise UsageError(
            "the loss must reach a parameter that is trained, got a frozen model and a loss without "
            "trained parameters; unfreeze a part with requires_grad_()"
        )
    return value.detach()


def _reaches_more(value: Tensor, outputs: Sequence[Tensor]) -> bool:
    """Whether a gradient came to anything but the outputs: to what the loss learns."""
    own = {id(x) for x in outputs}
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable") and id(node.variable) not in own:
            return True
        waiting += [following for following, _ in node.next_functions]
    return False


def _flat_outputs(shape: _Shape, model: nn.Module, part: Any) -> list[Tensor]:
    if isinstance(part, Mapping):
        return shape.flat(model(**part))
    return shape.flat(model(*part) if isinstance(part, Sequence) else model(part))


def _alone(model: nn.Module, last: bool) -> AbstractContextManager[Any]:
    shared = isinstance(model, DistributedDataParallel) and not last
    return model.no_sync() if shared else nullcontext()  # type: ignore[operator]


class _Shape:
    """The nesting of what a model returns: tensors of one row per sample, and anything else, which stays as it is."""

    def __init__(self) -> None:
        self.tree: TreeSpec | None = None
        self.leaves: list[Any] = []

    def flat(self, outputs: Any) -> list[Tensor]:
        self.leaves, self.tree = tree_flatten(outputs)
        tensors = [x for x in self.leaves if isinstance(x, Tensor)]
        if not tensors or any(x.ndim == 0 for x in tensors):
            came = "a tensor without dimensions" if tensors else f"{kind_name(outputs)} without tensors"
            raise UsageError(f"the outputs of the model must have one row per sample, got {came}")
        return tensors

    def whole(self, joined: Sequence[Tensor]) -> Any:
        following = iter(joined)
        leaves = [next(following) if isinstance(x, Tensor) else x for x in self.leaves]
        return tree_unflatten(leaves, self.tree)  # type: ignore[arg-type]


class _EverySource(Randomness):
    """The sources of Python, numpy and torch, and of every device of a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(0, torch.device("cpu"))
        self.devices = sorted({p.device for p in model.parameters() if p.device.type == "cuda"}, key=str)

    def whole_state(self) -> dict[str, Any]:
        return {**super().whole_state(), "devices": [torch.cuda.get_rng_state(device) for device in self.devices]}

    def restore_whole(self, state: Mapping[str, Any]) -> None:
        super().restore_whole(state)
        for device, drawn in zip(self.devices, state["devices"], strict=True):
            torch.cuda.set_rng_state(drawn, device)
