"""A call of a loss by all ranks: what they must have in common, and what happens if one cannot take part."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from losszoo.common.foreign_code import level_of_user
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError
from losszoo.losses.arguments import BrokenRule
from losszoo.losses.signatures.signature import Signature
from losszoo.losses.traced import traced
from losszoo.pairs.distributed.collectives import World, by_rank, others_failed
from losszoo.pairs.distributed.gather import Agreement
from losszoo.pairs.streaming import Streaming


class DistributedCall:
    """One call, which every rank begins by saying what it has, or that it cannot come."""

    def __init__(self, world: World) -> None:
        self.world, self.agreed = world, False

    def agree(
        self,
        alike: str,
        shape: tuple[int, int],
        inputs: tuple[Tensor, Tensor | None],
        streaming: Streaming,
        *,
        separate: bool,
    ) -> Agreement:
        """What the ranks agree on.

        Args:
            alike: what must be the same on every rank, in words.
            shape: how many rows and columns this rank has.
            inputs: the rows and columns, of which a gradient may be wanted.
            streaming: how the pairs are worked through.
            separate: whether the value of each row is asked for.

        Raises:
            UsageError: a rank could not come, or has something else; every rank raises it.
        """
        wanted = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)
        if separate:
            # Its gradient needs all ranks once more, so a rank that does not ask for it would leave the others waiting.
            alike += ", with a gradient" if wanted else ", without a gradient"
        self.agreed = True
        table = self.world.table([0, _fingerprint(alike), *shape, wanted], torch.int64)
        if bool(table[:, 0].any()) or len(set(table[:, 1].tolist())) > 1:
            self._refuse_difference(alike, table[:, 0].tolist())
        rows, columns = tuple(table[:, 2].tolist()), tuple(table[:, 3].tolist())
        any_wants = bool(table[:, 4].any())
        return Agreement(self.world, rows, columns, any_wants, streaming.ranks == "ring", streaming.memory, separate)

    def tell_failure(self, error: Exception) -> None:
        """Tell the others, who are waiting, why."""
        self.agreed = True
        self.world.table([1, 0, 0, 0, 0], torch.int64)
        self.world.texts(str(error) if isinstance(error, BrokenRule) else in_one_line(error))

    def _refuse_difference(self, alike: str, failed: list[int]) -> None:
        told = self.world.texts(alike)
        if any(failed):
            raise others_failed([text if bad else "" for text, bad in zip(told, failed, strict=True)])
        raise UsageError(
            "the ranks must all call the same loss, with rows of one width and dtype, got " + by_rank(told)
        )


_CALL: ContextVar[DistributedCall | None] = ContextVar("distributed_call", default=None)


@contextmanager
def shared_call(world: World) -> Iterator[None]:
    """A call of all ranks: one that fails before they have met says so to the others, who would wait for it."""
    held = DistributedCall(world)
    token = _CALL.set(held)
    try:
        yield
    except Exception as error:
        if not held.agreed:
            held.tell_failure(error)
        raise
    finally:
        _CALL.reset(token)


def current_call() -> DistributedCall | None:
    """The call of all ranks that this is part of, if they have not met yet."""
    held = _CALL.get()
    return None if held is None or held.agreed else held


def check_ranks(name: str, signature: Signature, streaming: Streaming) -> None:
    """Refuse what cannot go with the candidates of all ranks.

    Raises:
        UsageError: the candidates are given, or the whole matrix is asked for.
    """
    if streaming.ranks not in ("gather", "ring"):
        return
    if not signature.rows_interact:
        raise UsageError(
            f"{name}: ranks must be 'local' where the candidates are given (signature {signature.name}), "
            f"got {streaming.ranks!r}"
        )
    if streaming.dense:
        raise UsageError(f"{name}: ranks must be 'local' with dense=True, got {streaming.ranks!r}")


def refuse_tracing() -> None:
    """Work among ranks cannot be traced."""
    if traced():
        raise UsageError(
            "a loss over several ranks must stay outside of torch.compile and torch.func; compile or transform the "
            "model alone"
        )


def warn_of_local(name: str, others: World) -> None:
    """Say that only this rank's rows are candidates, which its user may not have meant."""
    warnings.warn(
        f"{name}: candidates come from this rank only, out of {others.size}; say which are meant by "
        "streaming=losszoo.Streaming(ranks='gather'), 'ring' or 'local'",
        stacklevel=level_of_user(),
    )


def _fingerprint(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
