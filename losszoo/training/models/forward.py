"""From inputs to everything that a step needs of the model: plainly, in lower precision, by shares of the ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from losszoo.common.seeding import seed_torch
from losszoo.pairs.distributed.collectives import World, starts

Outputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Precision:
    """In what the model computes its forward pass.

    Args:
        name: "fp32", "bf16" or "fp16".
        device: where it computes.
    """

    name: str
    device: torch.device

    def region(self) -> AbstractContextManager[Any]:
        """The block of a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def scaler(self) -> torch.amp.GradScaler | None:
        """What keeps small gradients from becoming 0 in float16; bfloat16 has the exponents of float32."""
        return torch.amp.GradScaler(self.device.type) if self.name == "fp16" else None


class Pass(nn.Module):
    """One pass through trunk and heads, as a module: what is compiled, and what the ranks wrap.

    Args:
        model: trunk and heads.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.heads: nn.ModuleDict = model.heads  # type: ignore[assignment]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the outputs, in their order."""
        return ("features", *self.heads)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        features = self.model(inputs)
        return (features, *(head(features) for head in self.heads.values()))


class ForwardPass(ABC):
    """Computes the outputs of one or more batches of inputs.

    Attributes:
        names: of the outputs, in their order.
        exchange_error: why the ranks could not tell each other their gradients, as where one is gone.
    """

    names: tuple[str, ...]
    exchange_error: RuntimeError | None = None

    def __call__(self, *inputs: Tensor) -> list[Outputs]:
        """The outputs of every input by name: "features", and the signature of each head."""
        # With a graph even where the first to ask is a term that is switched off: the next may be on.
        with torch.enable_grad():
            return self.computed(*inputs)

    @abstractmethod
    def computed(self, *inputs: Tensor) -> list[Outputs]:
        """The same with a graph where one is being recorded."""

    def alone(self, *, last: bool) -> AbstractContextManager[Any]:
        """A block whose gradients are only added up; ``last``: it is the one after which they are exchanged."""
        return nullcontext()

    def own(self, outputs: Outputs) -> Outputs:
        """Of all outputs, those that this process has computed itself."""
        return outputs

    def rows(self, rows: Tensor) -> Tensor:
        """Of the rows of a batch, those that this process computes itself."""
        return rows


class Forward(ForwardPass):
    """The outputs of all inputs by one pass through the model.

    Args:
        model: trunk and heads.
        precision: of the pass.
        compiled: compile the pass.
    """

    def __init__(self, model: nn.Module, precision: Precision | None = None, *, compiled: bool = False) -> None:
        self.names = Pass(model).names
        self.precision = precision or Precision("fp32", torch.device("cpu"))
        self.module = self._wrapped(Pass(model), compiled)

    def _wrapped(self, module: nn.Module, compiled: bool) -> nn.Module:
        made: nn.Module = torch.compile(module) if compiled else module  # type: ignore[assignment]
        return made

    def computed(self, *inputs: Tensor) -> list[Outputs]:
        return self._by_input(self._through(inputs), [len(x) for x in inputs])

    def _through(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        with self._drawing(), self.precision.region():
            found = self.module(inputs[0] if len(inputs) == 1 else torch.cat(tuple(inputs)))
        # A loss sees float32, whatever the model has computed in.
        return tuple(x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in found)

    def _drawing(self) -> AbstractContextManager[Any]:
        """The block in which dropout draws."""
        return nullcontext()

    def _by_input(self, found: Sequence[Tensor], counts: list[int]) -> list[Outputs]:
        parts = [torch.split(x, counts) for x in found] if len(counts) > 1 else [(x,) for x in found]
        return [dict(zip(self.names, one, strict=True)) for one in zip(*parts, strict=True)]

    def shapes(self, model: nn.Module, inputs: Tensor) -> Outputs:
        """Outputs that tell their shapes; nothing is drawn, and no running statistic sees them."""
        training = model.training
        model.eval()
        try:
            with torch.no_grad():
                return Forward(model, self.precision).computed(inputs)[0]
        finally:
            model.train(training)

    def plain(self, model: nn.Module) -> Forward:
        """The same for this process alone and operation by operation, to look into a step that has failed."""
        return Forward(model, self.precision)


class SharedForward(Forward):
    """The same by all ranks together: each computes its share of the rows, and gets the outputs of all.

    Every rank then computes the loss of the whole batch, to the same bits. So the gradient of what comes after the
    exchange is whole on each rank, and that of its own share is counted once for every rank: their mean, which
    ``DistributedDataParallel`` takes, is the gradient of one process.

    Args:
        model: trunk and heads.
        precision: of the pass.
        world: the ranks.
        compiled: compile the pass.
    """

    def __init__(self, model: nn.Module, precision: Precision, world: World, *, compiled: bool = False) -> None:
        self.world = world
        super().__init__(model, precision, compiled=compiled)

    def _wrapped(self, module: nn.Module, compiled: bool) -> nn.Module:
        wrapped = DistributedDataParallel(module)
        if dist.get_backend() == "gloo":  # whose errors have no type, and backward keeps none
            # It refuses a function whose annotations are texts, as those of this file are.
            wrapped.register_comm_hook(self, lambda forward, bucket: _average(forward, bucket))
        return super()._wrapped(wrapped, compiled)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Dropout must not leave out the same of each share; what is drawn afterwards, as by a loss, is drawn alike."""
        seed = int(torch.randint(2**62, ()))
        on_cuda = self.precision.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.precision.device] if on_cuda else []):
            seed_torch(seed + 1 + self.world.rank)
            yield
        if on_cuda:
            torch.cuda.manual_seed(seed)

    def rows(self, rows: Tensor) -> Tensor:
        return rows.tensor_split(self.world.size)[self.world.rank]

    def computed(self, *inputs: Tensor) -> list[Outputs]:
        shares = [self.rows(x) for x in inputs]
        found = self._through(shares)
        own = [x for outputs in self._by_input(found, [len(x) for x in shares]) for x in outputs.values()]
        counts = [_counts(len(x), self.world.size) for x in inputs for _ in self.names]
        exchanged: tuple[Tensor, ...] = _Exchange.apply(self.world, counts, *own)  # type: ignore[no-untyped-call]
        names = [*self.names, *(f"own {name}" for name in self.names)]
        whole, kept = exchanged[: len(own)], exchanged[len(own) :]
        size = len(self.names)
        return [
            dict(zip(names, (*whole[at : at + size], *kept[at : at + size]), strict=True))
            for at in range(0, len(own), size)
        ]

    def own(self, outputs: Outputs) -> Outputs:
        return {name: outputs[f"own {name}"] for name in self.names}

    def alone(self, *, last: bool) -> AbstractContextManager[Any]:
        wrapped = self.module if isinstance(self.module, DistributedDataParallel) else self.module._orig_mod
        return nullcontext() if last else wrapped.no_sync()  # type: ignore[operator,union-attr]


def _average(forward: SharedForward, bucket: Any) -> torch.futures.Future[Tensor]:
    """The mean of some gradients over the ranks, as ``DistributedDataParallel`` takes it; a failure is remembered."""

    def averaged(done: torch.futures.Future[list[Tensor]]) -> Tensor:
        try:
            return done.value()[0]
        except RuntimeError as error:
            forward.exchange_error = error
            raise

    gradients = bucket.buffer().mul_(1 / forward.world.size)
    mean: torch.futures.Future[Tensor] = dist.all_reduce(gradients, async_op=True).get_future().then(averaged)
    return mean


def _counts(rows: int, size: int) -> list[int]:
    """How many rows each rank gets, as ``tensor_split`` parts them."""
    return [rows // size + (rank < rows % size) for rank in range(size)]


class _Exchange(torch.autograd.Function):
    """The rows of all ranks, and once more those of this one.

    One operation for all outputs, so that every parameter gets a gradient, of zeros where a head was not asked:
    ``DistributedDataParallel`` would wait for it for ever.
    """

    @staticmethod
    def forward(ctx: Any, world: World, counts: list[list[int]], *own: Tensor) -> tuple[Tensor, ...]:
        ctx.world, ctx.counts = world, counts
        return (*(world.joined(x, c) for x, c in zip(own, counts, strict=True)), *(x.clone() for x in own))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        size, rank = ctx.world.size, ctx.world.rank
        whole, own = grads[: len(ctx.counts)], grads[len(ctx.counts) :]
        found = []
        for grad, grad_of_own, counts in zip(whole, own, ctx.counts, strict=True):
            start = starts(counts)[rank]
            found.append(torch.add(grad_of_own, grad[start : start + counts[rank]], alpha=size))
        return None, None, *found


def make_forward(
    model: nn.Module, precision: Precision, world: World | None = None, *, compiled: bool = False
) -> Forward:
    """Of a run: by all ranks where there are any."""
    if world is None:
        return Forward(model, precision, compiled=compiled)
    return SharedForward(model, precision, world, compiled=compiled)
