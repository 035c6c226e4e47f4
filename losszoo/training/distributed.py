"""One run on several processes: how they meet, what they must have in common, and what a loss does among them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from losszoo.common.files import flattened
from losszoo.common.text import in_one_line
from losszoo.errors import SharedError, UsageError
from losszoo.losses.sums.leaves import leaves
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.pairs.distributed.collectives import ExchangeError, World, by_rank, exchange, world
from losszoo.pairs.pairwise_loss import PairwiseLoss


@contextmanager
def joined(device: str) -> Iterator[World | None]:
    """The ranks that ``torchrun`` has started, or that the caller has joined before; None where there is one alone.

    Raises:
        UsageError: torchrun's variables are wrong, or another rank has ended.
    """
    try:
        with _joined(device) as others:
            yield others
    except ExchangeError as error:
        raise UsageError(
            f"every rank must keep running, got one that ended; its own error says why ({error})"
        ) from error


@contextmanager
def _joined(device: str) -> Iterator[World | None]:
    if not dist.is_available() or dist.is_initialized() or not dist.is_torchelastic_launched():
        yield world()
        return
    # What torchrun sets, it sets together.
    numbers = ("RANK", "WORLD_SIZE", "MASTER_PORT")
    lacking = [name for name in ("MASTER_ADDR", *numbers) if not os.environ.get(name)]
    wrong = [
        f"{name}={os.environ[name]!r}" for name in numbers if name not in lacking and not os.environ[name].isdigit()
    ]
    if lacking or wrong:
        came = "; ".join([*([f"no {', '.join(lacking)}"] if lacking else []), *wrong])
        raise UsageError(
            "TORCHELASTIC_RUN_ID must come with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as torchrun sets them, "
            f"got {came}; unset TORCHELASTIC_RUN_ID for one process, or start with torchrun"
        )
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % max(torch.cuda.device_count(), 1))
    dist.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield world()
        exchange(dist.barrier)  # who leaves first closes what others still read from
    finally:
        dist.destroy_process_group()


class Configured(Protocol):
    """What is chosen for a run, as far as the ranks compare it."""

    def config(self, world: World | None = None) -> dict[str, Any]:
        """As it is written down."""
        ...


C = TypeVar("C", bound=Configured)


def agreed(others: World | None, choose: Callable[[], C]) -> C:
    """What every rank has chosen.

    Raises:
        UsageError: a rank has chosen something else, or could not choose; every rank raises it.
    """
    if others is None:
        return choose()
    chosen, failure = None, None
    try:
        chosen = choose()
    except (Exception, SystemExit) as error:  # the others wait for this rank: they are told before it is raised
        failure = error
    told = others.texts(json.dumps([in_one_line(failure) if failure else None, chosen and chosen.config(others)]))
    if failure is not None:
        raise failure
    answers = [json.loads(text) for text in told]
    failed = [f"{error}" if error else "" for error, _ in answers]
    if any(failed):
        raise SharedError(f"every rank must be able to train, got an error on {by_rank(failed)}")
    flat = [flattened(config) for _, config in answers]
    values = {name: [repr(config.get(name)) for config in flat] for name in dict.fromkeys(n for c in flat for n in c)}
    differing = [f"{name}: {by_rank(each)}" for name, each in values.items() if len(set(each)) > 1]
    if differing:
        # Every rank knows it, and one of them saying so is enough.
        raise SharedError(f"all ranks must have the same settings, got {'; '.join(differing)}")
    assert chosen is not None
    return chosen


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor], others: World) -> None:
    """Of what a loss learns: each rank has the gradient of the whole, up to rounding that would add up over time."""
    for parameter in parameters:
        if parameter.grad is not None:
            exchange(dist.all_reduce, parameter.grad)
            parameter.grad /= others.size


def shared(loss: SumLoss, others: World | None, *, by_share: bool = True) -> SumLoss:
    """The loss, told whose rows it will see.

    Args:
        loss: of the run.
        others: the ranks that train together.
        by_share: a loss over pairs is given this rank's rows and compares them with those of all ranks; else it is
            given all rows by every rank.
    """
    if others is None:
        return loss
    for leaf in leaves(loss):
        if isinstance(leaf, PairwiseLoss) and leaf.streaming.ranks is None:
            way = "gather" if by_share and leaf.rules.rows_interact and not leaf.streaming.dense else "local"
            leaf.streaming = replace(leaf.streaming, ranks=way)
    return loss
