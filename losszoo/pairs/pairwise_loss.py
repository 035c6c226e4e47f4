"""A loss over pairs, written as what one row of the pair matrix does, and streamed over blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from losszoo.common.text import some_of
from losszoo.errors import UsageError
from losszoo.losses.arguments import Inputs, within
from losszoo.losses.configured_loss import LossInfo
from losszoo.losses.learned import scalar
from losszoo.losses.loss import Loss
from losszoo.losses.older_rows import OlderRows
from losszoo.losses.reduction import Policy, expand, scale
from losszoo.losses.signatures import TABLE
from losszoo.losses.similarity import check_similarity
from losszoo.losses.sums.words import OF_MINING
from losszoo.losses.traced import traced, transformed
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs import streamed
from losszoo.pairs.dense import dense, halfway
from losszoo.pairs.distributed import distributed_call
from losszoo.pairs.distributed.collectives import World, world
from losszoo.pairs.distributed.gather import Agreement
from losszoo.pairs.few_pairs import are_few, at_once
from losszoo.pairs.miners import MINERS, Miner
from losszoo.pairs.pair_labels import PairLabels, Relation
from losszoo.pairs.row_functions import Row, RowContract, compiled, contract_of, row_of
from losszoo.pairs.streaming import Streaming
from losszoo.pairs.temperature import Likeness, bounded_temperature, log_temperature, tempered
from losszoo.pairs.two_way import mutual, mutual_at_once
from losszoo.tracing.whole_matrix import WHOLE, whole_matrix_wanted

# What every row function has, and is not called with.
OF_ROWS = ("similarity", "temperature", "learned_temperature", "symmetric", *OF_MINING)
# Whose candidates come from other processes.
SHARED = ("gather", "ring")
UNTRACED: dict[str, Callable[..., Unreduced]] = {}


class PairwiseLoss(Loss):
    r"""A loss over pairs made from a row function and a similarity.

    The pair matrix is never held as a whole: blocks of rows are formed, given to the row function, and their gradient
    carried to the embeddings at once, so memory grows with N and not with its square. The result is exact.

    Args:
        function: row function ``f(logits, positive, negative, **params) -> (rows,)``, marked by
            :func:`losszoo.pairwise` or :func:`losszoo.softmax_row`, or not.
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
        >>> loss = PairwiseLoss(closest, LossInfo("closest", "embedding"))
        >>> loss(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([0, 0, 1]))
        tensor(2.)
    """

    _leaves_rows_out = True
    _multiplies_labels = True
    # Whether labels may be anything that a relation understands.
    _any_labels = False

    # Whether the temperature is the exponential of a parameter.
    _learns_temperature = False

    def __init__(
        self,
        function: Callable[..., Any],
        identity: LossInfo,
        policy: Policy = Policy(),  # noqa: B008 (frozen)
        validate: bool | None = None,
        streaming: Streaming = Streaming(),  # noqa: B008 (frozen)
        relation: Relation | None = None,
    ) -> None:
        if not TABLE[identity.signature].forms_pairs:
            *first, last = (name for name, rules in TABLE.items() if rules.forms_pairs)
            raise UsageError(
                f"{identity.name}: a row function must have the signature {', '.join(first)} or {last}, "
                f"got {identity.signature!r}"
            )
        _check_relation(identity, relation)
        if isinstance(identity.params.get("temperature"), nn.Parameter):
            # It is learned itself, in place of the exponential of another one.
            identity = replace(identity, params={"learned_temperature": False, **identity.params})
        super().__init__(function, identity, policy, validate)
        if self._learns_temperature:
            self.register_parameter("log_temperature", log_temperature(self.identity.name, self._temperature))
        self.relation = relation
        self._ranks_said = False
        self.streaming = streaming

    def _known_parameters(self, identity: LossInfo) -> dict[str, Any]:
        contract = contract_of(self.function)
        own: dict[str, Any] = {"similarity": contract.similarity}
        if contract.temperature is not None:
            own |= {"temperature": contract.temperature, "learned_temperature": contract.learned_temperature}
        own |= {"symmetric": contract.symmetric} if self._rules.two_ways else {}
        return {**super()._known_parameters(identity), **own}

    def _adopt(self, identity: LossInfo) -> None:
        contract = contract_of(self.function)
        _check_row_params(identity, contract)
        super()._adopt(identity)
        params, two_ways = identity.params, self._rules.two_ways
        self._similarity: str = params.get("similarity", contract.similarity)
        self._temperature: float = params.get("temperature", contract.temperature or 1.0)
        self._learns_temperature = params.get("learned_temperature", contract.learned_temperature)
        self._miner, self._miner_margin = params.get("miner", "all"), params.get("miner_margin", 0.1)
        self._both_views = contract.both_views and two_ways
        self._symmetric: bool = params.get("symmetric", contract.symmetric) and two_ways and not self._both_views
        self._context = replace(self._context, any_labels=self._any_labels)
        self._prepare_rows()

    def _own(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {name: x for name, x in super()._own(params).items() if name not in OF_ROWS}

    def _prepare_rows(self) -> None:
        """The row function as it is called where labels are whole numbers, and where they are floating ones."""
        contract = contract_of(self.function)
        mines = self._miner != "all"
        self._rows, self._whole_rows = (
            [
                row_of(self.function, contract, self._params, numbers=numbers, whole=whole or mines)
                for numbers in (False, True)
            ]
            for whole in (False, True)
        )

    def _mining(self, row: Row, rows: Tensor) -> Row:
        """The row function with the miner, which is told of the similarity."""
        if self._miner == "all":
            return row
        temperature = self._temperature_now()
        return replace(row, miner=Miner(self._miner, self._miner_margin, self._similarity, temperature, rows.shape[1]))

    def _set_parameter(self, name: str, value: Any) -> None:
        if name == "learned_temperature" or (name == "temperature" and self._learns_temperature):
            raise UsageError(
                f"{self.identity.name}: {name} must be given where the loss is made, losszoo.create(..., {name}=...), "
                f"got {value!r}; a learned temperature is exp(loss.log_temperature)"
            )
        super()._set_parameter(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "temperature" and self.__dict__.get("_learns_temperature"):
            return self._temperature_now()
        return super().__getattr__(name)

    def _temperature_now(self) -> float:
        learned = self._learned_temperature()
        return self._temperature if learned is None else float(learned.detach())

    def _learned_temperature(self, *, in_place: bool = False) -> Tensor | None:
        if self._learns_temperature:
            return bounded_temperature(self.log_temperature, in_place=in_place)
        return scalar(self.temperature) if "temperature" in self._learned else None

    def __getstate__(self) -> dict[str, Any]:
        # A function of the odds has no name of its own to be pickled by; its row function has.
        return {name: x for name, x in self.__dict__.items() if name not in ("_rows", "_whole_rows")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._prepare_rows()

    @property
    def relation(self) -> Relation | None:
        """Which pairs are positive, instead of those with equal labels; can be set."""
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
        distributed_call.check_ranks(self.identity.name, self._rules, value)
        self._streaming = value
        if value.ranks in SHARED:
            # Here and not above, as it loads torch's compiler.
            UNTRACED.setdefault("unreduced", torch.compiler.disable(PairwiseLoss._call_with_ranks))  # type: ignore[no-untyped-call]

    def count(
        self,
        *inputs: Any,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        older: OlderRows | None = None,
        **named: Any,
    ) -> Tensor:
        """What a mean over this batch divides by, on all ranks together where candidates come from all of them."""
        found = super().count(*inputs, weight=weight, mask=mask, older=older, **named)
        group = self._group()
        return found if group is None or self.policy.reduction != "none" else group.summed(found)[0]

    def _unreduced(
        self,
        args: Inputs,
        named: Mapping[str, Any],
        weight: Tensor | None,
        mask: Tensor | None,
        older: OlderRows | None = None,
    ) -> Unreduced:
        if not (dist.is_available() and dist.is_initialized()):
            return super()._unreduced(args, named, weight, mask, older)
        if self.streaming.ranks in SHARED and not whole_matrix_wanted():
            # Work among ranks cannot be traced: a graph ends before it and begins again after it.
            call_with_ranks: Callable[..., Unreduced] = UNTRACED.get("unreduced", PairwiseLoss._call_with_ranks)
            return call_with_ranks(self, args, named, weight, mask, older)
        self._group()
        return super()._unreduced(args, named, weight, mask, older)

    def _call_with_ranks(self, *call: Any) -> Unreduced:
        group = self._group()
        if group is None:
            return super()._unreduced(*call)
        with distributed_call.shared_call(group):
            return super()._unreduced(*call)

    def _group(self) -> World | None:
        """The ranks whose rows are candidates too. While operations are recorded, only this rank."""
        group = None if whole_matrix_wanted() else world()
        if group is None or not self._rules.rows_interact or self.streaming.ranks == "local":
            return None
        if self.streaming.ranks is not None:
            distributed_call.refuse_tracing()
            return group
        if not self._ranks_said:
            self._ranks_said = True
            distributed_call.warn_of_local(self.identity.name, group)
        return None

    def _values(self, inputs: Inputs, mask: Tensor | None, older: OlderRows | None = None) -> Unreduced:
        """The whole matrix at once, by plain operations."""
        rows, columns, pair_labels, likeness = self._prepared(inputs, older)
        row = self._mining(self._whole_rows[pair_labels.row_labels.is_floating_point()], rows)
        if self._learned:
            row = replace(row, params={**row.params, **self._learned_of_rows()})
        job = streamed.Job(row, pair_labels, likeness.similarity, likeness.temperature, rows.shape[0])
        columns = rows if columns is None else columns
        twice = self.streaming.dense or transformed()
        hides_columns = self._rules.rows_interact
        mask = mask.repeat(2) if mask is not None and self._both_views else mask
        found = dense(rows, columns, job, mask, twice=twice, symmetric=self._symmetric, hides_columns=hides_columns)
        return mean_of_views(found) if self._both_views else found

    def _values_with(self, older: OlderRows, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        """The whole matrix with the older rows as columns, without the rows and candidates that are left out."""
        if mask is None:
            return self._values(inputs, None, older)
        kept = mask.nonzero().squeeze(1)
        return in_place(self._values(self._rules.rows_of(inputs, kept), None, older), kept, mask.shape)

    def _leaves_float32(self, inputs: Inputs) -> bool:
        """Large numbers as labels make large gradients: their product may be infinite, and NaN with a factor of 0."""
        room = torch.finfo(torch.float32).max ** 0.2
        for x in inputs:
            if isinstance(x, Tensor) and x.ndim == 1 and x.is_floating_point():
                if traced() or x.device.type == "mps" or inputs[0].dtype == torch.float64:
                    return False
                if not within(x, -room, room):
                    return True
        return False

    def _answer(
        self,
        inputs: Inputs,
        mask: Tensor | None,
        weight: Tensor | None,
        elements: torch.Size,
        older: OlderRows | None,
        present: Tensor | None = None,
    ) -> Unreduced:
        if self.validate and self._validates(inputs):
            for place in self._rules.trained:
                if inputs[place].ndim == 2:
                    _check_finite(self._rules.names[place], inputs[place])
        # A compiler, a function transform or a recorder needs every operation.
        followed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        if self._streaming.dense or followed or WHOLE.get() or (self._learned and self._learned_of_rows()):
            return super()._answer(inputs, mask, weight, elements, older, present)
        if self._validates(inputs):
            self._rules.check_values(inputs, self._context)
        if weight is not None:
            weight = expand(weight, elements, "weight").to(inputs[0].dtype)
            weight = self._checked_weight(weight, None if mask is None else ~mask)
        if mask is None:
            return self._chosen(inputs, weight, older)
        # What is left out is not there: neither as a row nor as a candidate.
        kept = mask.nonzero().squeeze(1)
        found = self._chosen(self._rules.rows_of(inputs, kept), None if weight is None else weight[kept], older)
        if self.policy.reduction != "none":
            return found
        return in_place(found, kept, elements)

    def _chosen(self, inputs: Inputs, weight: Tensor | None, older: OlderRows | None) -> Unreduced:
        """Values that a reducer chooses among are those of each row, and weighed after it."""
        if self._reducer is None:
            return self._streamed(inputs, weight, older)
        if distributed_call.current_call() is not None:
            raise UsageError("reducer must be left out where candidates come from all ranks, got one")
        found = self._reducer(self._streamed(inputs, None, older), inputs)
        return found if weight is None else scale(found, weight)

    def _streamed(self, inputs: Inputs, weight: Tensor | None, older: OlderRows | None) -> Unreduced:
        if not self._both_views:
            return self._streamed_rows(inputs, weight, older)
        return mean_of_views(self._streamed_rows(inputs, None if weight is None else weight.repeat(2), older))

    def _streamed_rows(self, inputs: Inputs, weight: Tensor | None, older: OlderRows | None) -> Unreduced:
        rows, columns, pair_labels, likeness = self._prepared(inputs, older)
        row, way = self._mining(self._rows[pair_labels.row_labels.is_floating_point()], rows), self._streaming
        if way.compile and not row.softmax:
            row = replace(row, function=compiled(row.function))
        if way.ranks in SHARED:
            call = distributed_call.current_call()
            if call is not None:
                return self._with_group(call, rows, columns, pair_labels, row, weight, likeness)
        few = are_few(rows, pair_labels.column_labels.shape[0], way, softmax=row.softmax)
        size = rows.shape[0]
        if not (few and row.softmax):
            size = way.block_rows(pair_labels.column_labels.shape[0], rows.dtype, rows.device, softmax=row.softmax)
        job = streamed.Job(row, pair_labels, likeness.similarity, likeness.temperature, size)
        if columns is None or not self._symmetric:
            return self._one_way(rows, columns, job, weight, few)
        kept = are_few(rows, columns.shape[0], way, softmax=True, both=True)
        both = mutual_at_once(rows, columns, job) if kept else mutual(rows, columns, job)
        if both is not None:
            return both if weight is None else scale(both, weight)
        there, own = self._one_way(rows, columns, job, weight, few), columns[: rows.shape[0]]
        job = replace(job, pair_labels=pair_labels.back())
        return halfway(there, self._one_way(own, rows, job, weight, few))

    def _with_group(
        self,
        call: distributed_call.DistributedCall,
        rows: Tensor,
        columns: Tensor | None,
        pair_labels: PairLabels,
        row: Row,
        weight: Tensor | None,
        likeness: Likeness,
    ) -> Unreduced:
        """The same with the columns of all ranks."""
        labels, way = pair_labels.row_labels, self.streaming
        if weight is not None and weight.requires_grad and torch.is_grad_enabled():
            raise UsageError(
                "weight must not require a gradient where candidates come from all ranks, got one that does; detach it"
            )
        alike = (
            f"{self.identity}, {self.identity.signature}, {self._similarity} over {self._temperature_now():g}, "
            f"reduction={self.policy.reduction!r}, ranks={way.ranks!r}, memory={way.memory:g}, "
            f"D={rows.shape[1]}, {rows.dtype}, labels (N{''.join(f', {k}' for k in labels.shape[1:])}) {labels.dtype}"
        )
        agreement = call.agree(alike, pair_labels.shape, (rows, columns), way, separate=self.policy.reduction == "none")

        def answer(agreed: Agreement, rows: Tensor, columns: Tensor | None, pair_labels: PairLabels) -> Unreduced:
            labels = agreed.pair_labels(pair_labels, places=self._rules.two_ways)
            size = way.block_rows(labels.shape[1], rows.dtype, rows.device, softmax=row.softmax)
            labels = labels.sorted() if row.softmax and not agreed.ring else labels
            job = streamed.Job(row, labels, likeness.similarity, likeness.temperature, size)
            return agreed.answer(rows, columns, job, weight)

        there = answer(agreement, rows, columns, pair_labels)
        if columns is None or not self._symmetric:
            return there
        return halfway(there, answer(agreement.back(), columns[: rows.shape[0]], rows, pair_labels.back()))

    def _one_way(
        self, rows: Tensor, columns: Tensor | None, job: streamed.Job, weight: Tensor | None, few: bool
    ) -> Unreduced:
        if few:
            unreduced = at_once(rows, columns, job)
            return unreduced if weight is None else scale(unreduced, weight)
        if job.row.softmax:
            job = replace(job, pair_labels=job.pair_labels.sorted())
        if self.policy.reduction != "none" and self._reducer is None:
            return streamed.total(rows, columns, job, weight)
        values = streamed.each(rows, columns, job)
        return values if weight is None else scale(values, weight)

    def _learned_of_rows(self) -> dict[str, Tensor]:
        """What the row function learns: it is differentiated by operations, on the whole matrix."""
        return {name: x for name, x in self._learned_numbers().items() if name != "temperature"}

    def _prepared(self, inputs: Inputs, older: OlderRows | None) -> tuple[Tensor, Tensor | None, PairLabels, Likeness]:
        """Rows, columns and labels, and the similarity of them; a learned temperature is in them already."""
        rows, columns, labels = self._pair_labels(inputs, older)
        learned = self._learned_temperature(in_place=self.training)
        if learned is None:
            return rows, columns, labels, Likeness(self._similarity, self._temperature)
        rows, columns, likeness = tempered(rows, columns, self._similarity, learned)
        return rows, columns, labels, likeness

    def _pair_labels(self, inputs: Inputs, older: OlderRows | None) -> tuple[Tensor, Tensor | None, PairLabels]:
        """Rows, columns (None where they are the rows; older ones are columns only), and their labels."""
        if older is None:
            return self._own_pair_labels(inputs)
        rows, columns, labels = self._own_pair_labels(inputs)
        older.check(rows, labels.row_labels)
        if older.rows.shape[0] == 0:
            return rows, columns, labels
        own = torch.arange(rows.shape[0], device=rows.device) if labels.diagonal else None
        labels = replace(labels, column_labels=older.labels_below(labels.column_labels), own=own, diagonal=False)
        return rows, older.below(rows if columns is None else columns), labels

    def _own_pair_labels(self, inputs: Inputs) -> tuple[Tensor, Tensor | None, PairLabels]:
        rows, row_labels, columns, column_labels, own = self._rules.pairs(inputs)
        if columns is None or column_labels is None:
            return rows, None, PairLabels(row_labels, row_labels, diagonal=True, relation=self._relation)
        if self._both_views:
            return _both_views(rows, row_labels, columns, column_labels)
        return rows, columns, PairLabels(row_labels, column_labels, own, relation=self._relation)


def in_place(found: Unreduced, kept: Tensor, elements: torch.Size) -> Unreduced:
    """Values and counts of the rows that were kept, at their places among all; the others are 0."""
    counts = torch.ones_like(found.values) if found.counts is None else found.counts
    return Unreduced(*(x.new_zeros(elements).index_copy(0, kept, x) for x in (found.values, counts)))


def _both_views(
    queries: Tensor, row_labels: Tensor, keys: Tensor, key_labels: Tensor
) -> tuple[Tensor, Tensor | None, PairLabels]:
    """Queries and their keys as rows, each other's candidates; further keys are candidates only."""
    count = 2 * queries.shape[0]
    columns, labels = torch.cat([queries, keys]), torch.cat([row_labels, key_labels])
    if columns.shape[0] == count:
        return columns, None, PairLabels(labels, labels, diagonal=True)
    own = torch.arange(count, device=columns.device)
    return columns[:count], columns, PairLabels(labels[:count], labels, own)


def mean_of_views(found: Unreduced) -> Unreduced:
    """The mean of a query's value and its key's, from all those of queries and then of keys, or from their sum."""
    values, counts = found.values, torch.ones_like(found.values) if found.counts is None else found.counts
    if values.ndim == 0:
        return Unreduced(values / 2, counts / 2)
    return Unreduced(values.view(2, -1).mean(0), counts.view(2, -1).mean(0))


def _check_relation(identity: LossInfo, relation: Relation | None) -> None:
    if relation is not None and TABLE[identity.signature].two_ways:
        raise UsageError(f"{identity.name}: relation must be left out where the positives are the two views")


def _check_row_params(identity: LossInfo, contract: RowContract) -> None:
    params, name = identity.params, identity.name
    if "temperature" in params and contract.temperature is None:
        came = params["temperature"]
        raise UsageError(f"{name}: temperature must be left out, as this loss has none, got {came!r}")
    try:
        check_similarity(params.get("similarity", contract.similarity), params.get("temperature", 1.0))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    miner, margin = params.get("miner", "all"), params.get("miner_margin", 0.1)
    if miner != "all" and not callable(miner) and miner not in MINERS:
        raise UsageError(f"{name}: miner must be one of all, {', '.join(MINERS)}, or a function, got {miner!r}")
    if not margin >= 0:
        raise UsageError(f"{name}: miner_margin must be in [0, inf), got {margin!r}")
    if "symmetric" in params and not TABLE[identity.signature].two_ways:
        two = " or ".join(one for one, rules in TABLE.items() if rules.two_ways)
        raise UsageError(f"{name}: symmetric must go with {two}, got {identity.signature}")


def _check_finite(name: str, rows: Tensor) -> None:
    """Names the rows that hold NaN or infinity."""
    bad = (~torch.isfinite(rows).all(1)).nonzero().squeeze(1).tolist()
    if bad:
        raise UsageError(f"{name} must be finite, got NaN or infinity in row {some_of(bad)}")
