"""A loss over pairs, written as what one row of the pair matrix does, and streamed over blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import some_of
from losszoo.errors import UsageError
from losszoo.losses.arguments import Inputs, within
from losszoo.losses.loss import Identity, Loss
from losszoo.losses.reduction import Policy, expand, scale
from losszoo.losses.signatures import TABLE
from losszoo.losses.similarity import check_similarity
from losszoo.losses.traced import traced, transformed
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs import streamed
from losszoo.pairs import streaming as options
from losszoo.pairs.blocks import Row, compiled, row_of
from losszoo.pairs.dense import dense, halfway
from losszoo.pairs.distributed import distributed_call
from losszoo.pairs.distributed.collectives import World, world
from losszoo.pairs.few_pairs import at_once
from losszoo.pairs.pair_labels import Relation, Sides
from losszoo.pairs.row_functions import RowContract, contract_of
from losszoo.pairs.streaming import Streaming
from losszoo.pairs.two_way import mutual
from losszoo.tracing.whole_matrix import whole_matrix_wanted

# Whose candidates come from other processes.
SHARED = ("gather", "ring")
UNTRACED: dict[str, Callable[..., Unreduced]] = {}


class PairwiseLoss(Loss):
    r"""A loss over pairs made from a row function and a similarity.

    The pair matrix is never held as a whole: blocks of rows are formed, given to the row function, and their gradient
    carried to the embeddings at once, so memory grows with N and not with its square. The result is exact.

    Args:
        core: row function ``f(logits, positive, negative, **params) -> (rows,)``, marked by :func:`losszoo.pairwise`
            or :func:`losszoo.softmax_row`, or not.
        identity: its signature forms pairs: embedding (positive = same label, or a shared one where labels are
            multi-hot), views (positive = the same row of the other view), neighbors (queries against candidates), or
            one of a plugin. Its params may hold ``similarity``, ``temperature`` and, for two views, ``symmetric``: the
            mean of queries-to-keys and keys-to-queries.
        policy: reduction and empty policy.
        validate: as in :class:`losszoo.Loss`; True also names embeddings that are not finite, which else pass through
            as NaN for a guard to find.
        streaming: how the matrix is worked through.
        relation: who is positive to whom, instead of equal labels: called with the labels of some rows and of all
            columns, it returns a boolean (rows, columns) tensor, or two (positive, negative). Labels may then be any
            tensor with one entry per row.

    Raises:
        UsageError: another signature, or parameters that are not legal.

    Example:
        >>> def closest(logits, positive, negative):
        ...     return -logits.where(positive, -torch.inf).amax(1)
        >>> loss = PairwiseLoss(closest, Identity("closest", "embedding"))
        >>> loss(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([0, 0, 1]))
        tensor(2.)
    """

    _leaves_rows_out = True
    # Whether labels may be anything that a relation understands.
    _any_labels = False

    def __init__(
        self,
        core: Callable[..., Any],
        identity: Identity,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        validate: bool | None = None,
        streaming: Streaming = Streaming(),  # noqa: B008 (frozen)
        relation: Relation | None = None,
    ) -> None:
        if not TABLE[identity.signature].forms_pairs:
            *first, last = (name for name, rules in TABLE.items() if rules.forms_pairs)
            raise UsageError(
                f"{identity.name}: a row function must have the signature {', '.join(first)} or {last}, "
                f"however: signature={identity.signature!r}"
            )
        _check_relation(identity, relation)
        super().__init__(core, identity, policy, validate)
        self.relation = relation
        self._ranks_said = False
        self.stream_by(streaming)

    def _known_parameters(self, identity: Identity) -> dict[str, Any]:
        contract = contract_of(self.core)
        own = {"similarity": contract.similarity, "temperature": contract.temperature or 1.0, "symmetric": False}
        return {**super()._known_parameters(identity), **own}

    def _adopt(self, identity: Identity) -> None:
        contract = contract_of(self.core)
        _check_row_params(identity, contract)
        super()._adopt(identity)
        self._similarity: str = self._params.pop("similarity", contract.similarity)
        self._temperature: float = self._params.pop("temperature", contract.temperature or 1.0)
        self._symmetric: bool = self._params.pop("symmetric", False)
        self._context = replace(self._context, any_labels=self._any_labels)

    @property
    def relation(self) -> Relation | None:
        """Who is positive to whom, instead of equal labels; can be set."""
        return self._relation

    @relation.setter
    def relation(self, value: Relation | None) -> None:
        _check_relation(self.identity, value)
        self._relation, self._any_labels = value, value is not None
        self._context = replace(self._context, any_labels=self._any_labels)

    @property
    def streaming(self) -> Streaming:
        """How the pair matrix is worked through; can be set."""
        return self._streaming

    @streaming.setter
    def streaming(self, value: Streaming) -> None:
        self.stream_by(value)

    def stream_by(self, streaming: Streaming) -> None:
        """Work through the pair matrix in another way from now on."""
        distributed_call.check_ranks(self.identity.name, self._rules, streaming)
        self._streaming = streaming
        if streaming.ranks in SHARED:
            # Here and not above, as it loads torch's compiler.
            UNTRACED.setdefault("unreduced", torch.compiler.disable(PairwiseLoss._meet))  # type: ignore[no-untyped-call]

    def count(self, *inputs: Any, weight: Tensor | None = None, mask: Tensor | None = None, **named: Any) -> Tensor:
        """What a mean over this batch divides by, on all ranks together where candidates come from all of them."""
        found = super().count(*inputs, weight=weight, mask=mask, **named)
        others = self._others()
        return found if others is None or self.policy.reduction != "none" else others.summed(found)[0]

    def _unreduced(
        self, args: Inputs, named: Mapping[str, Any], weight: Tensor | None, mask: Tensor | None
    ) -> Unreduced:
        if self.streaming.ranks in SHARED and not whole_matrix_wanted():
            # Work among ranks cannot be traced: a graph ends before it and begins again after it.
            meet: Callable[..., Unreduced] = UNTRACED.get("unreduced", PairwiseLoss._meet)
            return meet(self, args, named, weight, mask)
        self._others()
        return super()._unreduced(args, named, weight, mask)

    def _meet(self, args: Inputs, named: Mapping[str, Any], weight: Tensor | None, mask: Tensor | None) -> Unreduced:
        others = self._others()
        if others is None:
            return super()._unreduced(args, named, weight, mask)
        with distributed_call.meeting(others):
            return super()._unreduced(args, named, weight, mask)

    def _others(self) -> World | None:
        """The ranks whose rows are candidates too. Who watches the operations sees those of this rank."""
        others = None if whole_matrix_wanted() else world()
        if others is None or not self._rules.rows_interact or self.streaming.ranks == "local":
            return None
        if self.streaming.ranks is not None:
            distributed_call.refuse_tracing()
            return others
        if not self._ranks_said:
            self._ranks_said = True
            distributed_call.warn_of_local(self.identity.name, others)
        return None

    def _values(self, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        """The whole matrix at once, by plain operations."""
        rows, columns, sides = self._sides(inputs)
        numbers = sides.row_labels.is_floating_point()
        row = row_of(self.core, contract_of(self.core), self._params, numbers=numbers, whole=True)
        job = streamed.Job(row, sides, self._similarity, self._temperature, rows.shape[0])
        columns = rows if columns is None else columns
        twice = self.streaming.dense or transformed()
        how = {"twice": twice, "symmetric": self._symmetric, "hides_columns": self._rules.rows_interact}
        return dense(rows, columns, job, mask, **how)

    def _leaves_float32(self, inputs: Inputs) -> bool:
        """Numbers as labels meet a slope that is as large: their product is infinite, and NaN where it meets a 0."""
        labels = [x for x in inputs if isinstance(x, Tensor) and x.ndim == 1 and x.is_floating_point()]
        if not labels or traced() or labels[0].device.type == "mps" or inputs[0].dtype == torch.float64:
            return False
        room = torch.finfo(torch.float32).max ** 0.2
        return not all(within(x, -room, room) for x in labels)

    def _answer(self, inputs: Inputs, mask: Tensor | None, weight: Tensor | None, elements: torch.Size) -> Unreduced:
        if self.validate and not traced():
            for place in self._rules.trained:
                name, points = self._rules.names[place], inputs[place]
                if points.ndim == 2:
                    _check_finite(name, points)
        if self.streaming.dense or traced() or whole_matrix_wanted():
            return super()._answer(inputs, mask, weight, elements)
        if self._looks_at(inputs):
            self._rules.check_values(inputs, self._context)
        if weight is not None:
            weight = expand(weight, elements, "weight").to(inputs[0].dtype)
            weight = self._checked_weight(weight, None if mask is None else ~mask)
        if mask is None:
            return self._streamed(inputs, weight)
        # What is left out is not there: neither as a row nor as a candidate.
        kept = mask.nonzero().squeeze(1)
        found = self._streamed(self._rules.rows_of(inputs, kept), None if weight is None else weight[kept])
        if self.policy.reduction != "none":
            return found
        return in_place(found, kept, elements)

    def _streamed(self, inputs: Inputs, weight: Tensor | None) -> Unreduced:
        rows, columns, sides = self._sides(inputs)
        numbers = sides.row_labels.is_floating_point()
        row = row_of(self.core, contract_of(self.core), self._params, numbers=numbers, whole=False)
        if self.streaming.compile and not row.softmax:
            row = replace(row, function=compiled(row.function))
        call = distributed_call.current_meeting()
        if call is not None:
            return self._with_others(call, rows, columns, sides, row, weight)
        size = self.streaming.block_rows(sides.shape[1], rows.dtype, rows.device, softmax=row.softmax)
        sides = sides.sorted() if row.softmax else sides
        job = streamed.Job(row, sides, self._similarity, self._temperature, size)
        if not self._symmetric or columns is None:
            return self._one_way(rows, columns, job, weight)
        both = mutual(rows, columns, job)
        if both is not None:
            return both if weight is None else scale(both, weight)
        return halfway(self._one_way(rows, columns, job, weight), self._one_way(columns, rows, job, weight))

    def _with_others(
        self,
        call: distributed_call.Meeting,
        rows: Tensor,
        columns: Tensor | None,
        sides: Sides,
        row: Row,
        weight: Tensor | None,
    ) -> Unreduced:
        """The same with the columns of all ranks."""
        labels, way = sides.row_labels, self.streaming
        if weight is not None and weight.requires_grad and torch.is_grad_enabled():
            raise UsageError(
                "weight must not require a gradient where candidates come from all ranks, however: it does"
            )
        alike = (
            f"{self.identity}, {self.signature}, {self._similarity} over {self._temperature:g}, "
            f"reduction={self.policy.reduction!r}, ranks={way.ranks!r}, memory={way.memory:g}, "
            f"D={rows.shape[1]}, {rows.dtype}, labels (N{''.join(f', {k}' for k in labels.shape[1:])}) {labels.dtype}"
        )
        party = call.meet(alike, sides.shape, (rows, columns), way, separate=self.policy.reduction == "none")
        sides = party.sides(sides, places=self._rules.two_ways)
        size = way.block_rows(sides.shape[1], rows.dtype, rows.device, softmax=row.softmax)
        sides = sides.sorted() if row.softmax and not party.ring else sides
        job = streamed.Job(row, sides, self._similarity, self._temperature, size)
        there = party.answer(rows, columns, job, weight)
        if not self._symmetric or columns is None:
            return there
        return halfway(there, party.answer(columns, rows, job, weight))

    def _one_way(self, rows: Tensor, columns: Tensor | None, job: streamed.Job, weight: Tensor | None) -> Unreduced:
        few = options.TUNING.few if job.row.softmax else options.TUNING.few_rows
        if rows.shape[0] * job.sides.shape[1] <= few:
            unreduced = at_once(rows, columns, job)
            return unreduced if weight is None else scale(unreduced, weight)
        if self.policy.reduction != "none":
            return streamed.total(rows, columns, job, weight)
        values = streamed.each(rows, columns, job)
        return values if weight is None else scale(values, weight)

    def _sides(self, inputs: Inputs) -> tuple[Tensor, Tensor | None, Sides]:
        """Rows, columns (None where they are the rows), and their labels."""
        found = self._rules.pairs(inputs)
        if found.columns is None or found.column_labels is None:
            sides = Sides(found.row_labels, found.row_labels, diagonal=True, relation=self.relation)
            return found.rows, None, sides
        sides = Sides(found.row_labels, found.column_labels, found.own, relation=self.relation)
        return found.rows, found.columns, sides


def in_place(found: Unreduced, kept: Tensor, elements: torch.Size) -> Unreduced:
    """Values and counts of the rows that were kept, at their places among all; the others are 0."""
    counts = torch.ones_like(found.values) if found.counts is None else found.counts
    return Unreduced(*(x.new_zeros(elements).index_copy(0, kept, x) for x in (found.values, counts)))


def _check_relation(identity: Identity, relation: Relation | None) -> None:
    if relation is not None and TABLE[identity.signature].two_ways:
        raise UsageError(f"{identity.name}: relation must be left out where the positives are the two views")


def _check_row_params(identity: Identity, contract: RowContract) -> None:
    params, name = identity.params, identity.name
    if "temperature" in params and contract.temperature is None:
        came = params["temperature"]
        raise UsageError(f"{name}: temperature must be left out, as this loss has none, however: {came!r}")
    try:
        check_similarity(params.get("similarity", contract.similarity), params.get("temperature", 1.0))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if "symmetric" in params and not TABLE[identity.signature].two_ways:
        two = " or ".join(one for one, rules in TABLE.items() if rules.two_ways)
        raise UsageError(f"{name}: symmetric must go with {two}, however: the signature is {identity.signature}")


def _check_finite(name: str, rows: Tensor) -> None:
    """Names the rows that hold NaN or infinity."""
    bad = (~torch.isfinite(rows).all(1)).nonzero().squeeze(1).tolist()
    if bad:
        raise UsageError(f"{name} must be finite, however: NaN or infinity in row {some_of(bad)}")
