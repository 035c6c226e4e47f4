"""What ranks tell each other: a few numbers, a text, the rows of all, and a chunk for the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from losszoo.errors import UsageError


class ExchangeError(RuntimeError):
    """An exchange among ranks has failed, as where another rank is gone."""


def exchange(collective: Callable[..., Any], *given: Any, **more: Any) -> None:
    """Take part in a collective; an ExchangeError stands for the RuntimeError of Gloo, which has no type of its own."""
    try:
        collective(*given, **more)
    except RuntimeError as error:
        raise ExchangeError(str(error)) from error


@dataclass(frozen=True)
class World:
    """The ranks of the default process group.

    Args:
        rank: this one's.
        size: how many there are.
    """

    rank: int
    size: int

    def table(self, numbers: Sequence[float], dtype: torch.dtype) -> Tensor:
        """(size, k): the k numbers that each rank gave, in the order of the ranks and so equal on all of them."""
        own = torch.tensor(numbers, dtype=dtype, device=_device())
        of_all = [torch.empty_like(own) for _ in range(self.size)]
        exchange(dist.all_gather, of_all, own)
        return torch.stack(of_all).cpu()

    def texts(self, text: str) -> list[str]:
        """The text that each rank gave."""
        of_all: list[Any] = [None] * self.size
        exchange(dist.all_gather_object, of_all, text)
        return of_all

    def any(self, flag: bool) -> bool:
        """Whether it holds on any rank."""
        return bool(self.table([flag], torch.int64).any())

    def from_first(self, content: Any) -> Any:
        """What the first rank gave, on all of them."""
        held = [content]
        exchange(dist.broadcast_object_list, held, src=0)
        return held[0]

    def summed(self, *numbers: Tensor) -> tuple[Tensor, ...]:
        """Numbers summed over all ranks, in the order of the ranks: to the same bits everywhere."""
        table = self.table([float(x) for x in numbers], torch.float64).sum(0)
        return tuple(total.to(x) for total, x in zip(table, numbers, strict=True))

    def joined(self, own: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of all ranks one below the other, from the rows of this one; ``counts`` of them on each rank."""
        rest, most = own.shape[1:], max(counts)
        if most == 0 or rest.numel() == 0:
            return own.new_empty(sum(counts), *rest)
        padded = own.detach().new_zeros(most, *rest)
        padded[: own.shape[0]] = own.detach()
        of_all = own.new_empty(self.size, most, *rest)
        # As bytes, which every backend can send, whatever the labels are.
        exchange(dist.all_gather, [_bytes(part) for part in of_all], _bytes(padded))
        if min(counts) == most:
            return of_all.flatten(0, 1)
        return torch.cat([part[:count] for part, count in zip(of_all, counts, strict=True)])

    def own_share(self, whole: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of this rank in the sum over all ranks of what each found for the rows of all."""
        total = whole.contiguous()
        exchange(dist.all_reduce, total)
        start = starts(counts)[self.rank]
        return total[start : start + counts[self.rank]].clone()

    def hand_on(self, chunk: Tensor, arriving: Tensor) -> list[Any]:
        """Begin to send a chunk to the next rank, and to receive one from the previous: works to be waited for."""
        following, previous = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        moves = [dist.P2POp(dist.isend, chunk, following)] if chunk.numel() else []
        moves += [dist.P2POp(dist.irecv, arriving, previous)] if arriving.numel() else []
        return dist.batch_isend_irecv(moves) if moves else []


def world() -> World | None:
    """The ranks, where there is more than this one."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return None
    return World(dist.get_rank(), dist.get_world_size())


def starts(counts: Sequence[int]) -> list[int]:
    """The place of each rank's first row among the rows of all.

    Example:
        >>> starts([3, 0, 2])
        [0, 3, 3]
    """
    return [0, *accumulate(counts)][: len(counts)]


def others_failed(texts: list[str]) -> UsageError:
    """``told`` is empty for a rank without an error."""
    return UsageError(f"every rank must be able to take part, got an error on {by_rank(texts)}")


def by_rank(texts: list[str]) -> str:
    """The texts of the ranks; ranks with the same text stand together.

    Example:
        >>> by_rank(["D=4", "D=8", "D=4", ""])
        'ranks 0 and 2: D=4; rank 1: D=8'
    """
    said = {text: [rank for rank, other in enumerate(texts) if other == text] for text in texts if text}
    return "; ".join(
        f"rank{'s' if len(of) > 1 else ''} {' and '.join(map(str, of))}: {text}" for text, of in said.items()
    )


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.flatten().view(torch.uint8)


def _device() -> torch.device:
    """Where a tensor must be for the backend to send it."""
    if "cpu:" in dist.get_backend_config():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
