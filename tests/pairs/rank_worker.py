"""One rank of tests/pairs/test_ranks.py: every case on a small network, beside one process on the whole batch.

torchrun --nproc-per-node 2 rank_worker.py OUT.json
"""

from __future__ import annotations

import gc
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import losszoo
from losszoo.pairs import streaming as options
from losszoo.pairs.distributed import ring

ROWS = 24
SPLITS = {
    2: {"even": [12, 12], "uneven": [17, 7], "empty": [24, 0]},
    4: {"even": [6, 6, 6, 6], "uneven": [9, 2, 1, 12], "empty": [0, 13, 0, 11]},
}
# So that the few rows of a test make many blocks, and many rounds of the ring.
SMALL = options.Tuning(few=0, few_rows=0, few_both=0, sort_from=0, class_rows=1, cpu_rows=2, block_pairs=0)


@losszoo.pairwise(similarity="euclidean")
def closest(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Of whole rows: the best positive against the two best negatives."""
    best = logits.where(positive, -1e4).amax(1)
    return torch.nn.functional.softplus(logits.where(negative, -1e4).topk(2).values.sum(1) - best)


def neighbours(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Positive within 1, negative from 3 on, and in between neither."""
    apart = (rows[:, None] - columns).abs()
    return apart <= 1, apart >= 3


@dataclass(frozen=True)
class Case:
    """A loss, and how the batch is given to it."""

    loss: Any
    params: dict[str, Any] = field(default_factory=dict)
    split: str = "uneven"
    reduction: str = "mean"
    labels: str = "integers"
    weighted: bool = False
    masked: bool = False
    views: bool = False
    dtype: torch.dtype = torch.float64
    small: bool = True
    bank: bool = False
    further: bool = False


CASES: dict[str, Case] = {
    "nca-stable": Case("nca-stable"),
    "nca-stable, even": Case("nca-stable", split="even"),
    "nca": Case("nca"),
    "nca, float32": Case("nca", dtype=torch.float32),
    "nca, large blocks": Case("nca", small=False),
    "nca, an empty rank": Case("nca", split="empty"),
    "sup-con": Case("sup-con"),
    "sup-con, float32": Case("sup-con", dtype=torch.float32, small=False),
    "sup-con, weighted and masked": Case("sup-con", weighted=True, masked=True),
    "sup-con, sum": Case("sup-con", reduction="sum", weighted=True),
    "sup-con, none": Case("sup-con", reduction="none"),
    "nca-stable, none, an empty rank": Case("nca-stable", reduction="none", split="empty", masked=True),
    "info-nce": Case("info-nce", views=True),
    "info-nce, symmetric": Case("info-nce", {"symmetric": True}, views=True, masked=True),
    "info-nce, symmetric, none": Case("info-nce", {"symmetric": True}, views=True, reduction="none"),
    "info-nce, an empty rank": Case("info-nce", {"symmetric": True}, views=True, split="empty", weighted=True),
    "further keys": Case("info-nce", views=True, further=True, weighted=True),
    "further keys, symmetric": Case("info-nce", {"symmetric": True}, views=True, further=True, masked=True),
    "further keys, none": Case("info-nce", {"symmetric": True}, views=True, further=True, reduction="none"),
    "further keys, a bank": Case("info-nce", {"symmetric": True}, views=True, further=True, bank=True, split="empty"),
    "both views": Case("nt-xent", views=True, further=True, weighted=True),
    "both views, an empty rank": Case("nt-xent", views=True, split="empty", masked=True),
    "both views, none": Case("nt-xent", views=True, reduction="none"),
    "both views, a bank": Case("nt-xent", views=True, bank=True),
    "a learned temperature": Case("clip", views=True, masked=True),
    "a row function that learns": Case("siglip", {"bias": -1.0}, views=True, weighted=True),
    "a row function that learns, symmetric": Case("siglip", {"symmetric": True}, views=True, split="empty"),
    "a row function that learns, none": Case("siglip", {"bias": 1.0}, views=True, reduction="none", masked=True),
    "triplet-all": Case("triplet-all"),
    "triplet-all, float32": Case("triplet-all", dtype=torch.float32),
    "triplet-batch-hard": Case("triplet-batch-hard"),
    "triplet-batch-hard, an empty rank": Case("triplet-batch-hard", split="empty", masked=True),
    "multi-hot": Case("nca-stable", labels="multi-hot"),
    "a relation": Case("nca-stable", {"relation": neighbours}),
    "a row function": Case(closest),
    "a row function, none": Case(closest, reduction="none", weighted=True),
    **{f"cosine, {name}": Case(name, {"similarity": "cosine"}) for name in ("nca", "triplet-all")},
    **{f"euclidean, {name}": Case(name, {"similarity": "euclidean"}) for name in ("nca", "sup-con")},
    "a bank": Case("sup-con", bank=True),
    "a bank, an empty rank": Case("nca", split="empty", bank=True, masked=True),
    "a bank of keys": Case("info-nce", {"symmetric": True}, views=True, bank=True),
    "dot": Case("nca-stable", {"similarity": "dot"}),
}
Batch = dict[str, Tensor]


def main(out: str) -> None:
    # A rank that waits for ever would be an error of this test, and is one at last, however busy the machine.
    dist.init_process_group("gloo", timeout=timedelta(seconds=1200))
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        options.TUNING, ring._CPU_ROWS = (SMALL, 5) if case.small else (options.Tuning(), 256)
        for way in ("gather", "ring"):
            found[f"{name} | {way}"] = on_all(errors_of(case, way))
    for name, said in REFUSED.items():
        for way in ("gather", "ring"):
            found[f"{name} | {way}"] = on_all(said(way))
    if dist.get_rank() == 0:
        with open(out, "w", encoding="utf-8") as file:
            json.dump(found, file)
    # What still holds the group when Python ends would take the process down with it.
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()


def on_all(value: Any) -> list[Any]:
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def errors_of(case: Case, way: str) -> dict[str, float]:
    """By how much value, count and gradients differ from those of one process, relatively."""
    whole = batch_of(case)
    counts = SPLITS[dist.get_world_size()][case.split]
    start = sum(counts[: dist.get_rank()])
    mine = {key: value[start : start + counts[dist.get_rank()]] for key, value in whole.items()}
    network, replica = network_of(case.dtype), network_of(case.dtype)
    expected, expected_count, expected_learned = step(case, network, whole, "local")
    value, count, learned = step(case, DistributedDataParallel(replica), mine, way)
    # What DistributedDataParallel would do, were the loss inside.
    dist.all_reduce(learned)
    learned /= dist.get_world_size()
    if case.reduction == "none":
        # One process takes the mean over ranks of what they make of their values, as averaging their gradients does.
        for parameter in network.parameters():
            parameter.grad /= dist.get_world_size()
        expected_learned /= dist.get_world_size()
        expected = expected[start : start + counts[dist.get_rank()]]
    return {
        "value": apart(value, expected),
        "count": apart(count, expected_count),
        "gradient": apart(slopes_of(replica), slopes_of(network)),
        "learned": apart(learned, expected_learned),
    }


def slopes_of(network: nn.Module) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def apart(value: Tensor, expected: Tensor) -> float:
    return float((value - expected).abs().max() / expected.abs().max().clamp(min=1e-30)) if value.numel() else 0.0


def batch_of(case: Case) -> Batch:
    torch.manual_seed(0)
    inputs = torch.randn(ROWS, 6, dtype=torch.float64).to(case.dtype)
    labels = torch.arange(ROWS) * 7 % 5
    if case.labels == "multi-hot":
        labels = (torch.rand(ROWS, 5) < 0.3).byte()
    weight = torch.arange(ROWS).remainder(3).to(case.dtype)
    batch = {"inputs": inputs, "other": inputs + 0.3 * torch.randn_like(inputs), "labels": labels}
    batch |= {"further": torch.randn_like(inputs)[: 2 * ROWS // 3]} if case.further else {}
    batch |= {"weight": weight} if case.weighted else {}
    return batch | ({"mask": torch.arange(ROWS) % 4 != 1} if case.masked else {})


def network_of(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).to(dtype)


def step(case: Case, network: nn.Module, batch: Batch, way: str) -> tuple[Tensor, Tensor, Tensor]:
    """Value and count of one batch, and the gradient of what the loss learns; the others are left on the network."""
    streaming = losszoo.Streaming(ranks=way)
    loss = losszoo.create(case.loss, reduction=case.reduction, streaming=streaming, **case.params).to(case.dtype)
    how = {key: batch[key] for key in ("weight", "mask") if key in batch}
    rows = batch["inputs"].shape[0]
    if case.bank:
        # Each rank keeps its own rows of the batch before, which here was the negative of this one.
        loss = losszoo.MemoryBank(loss, size=ROWS)
        before = -batch["inputs"] @ torch.ones(6, 5, dtype=case.dtype).tril()
        loss(before, 2 * before if case.views else batch["labels"])
        loss.eval()
    parts = ["inputs", "other", "further"] if case.further else ["inputs", "other"] if case.views else ["inputs"]
    out = network(torch.cat([batch[part] for part in parts]))
    inputs = (out[:rows], out[rows:]) if case.views else (out, batch["labels"])
    value = loss(*inputs, **how)
    value.sum().backward()
    learned = [parameter.grad for parameter in loss.parameters()]
    return value.detach(), loss.count(*inputs, **how), torch.cat([*learned, out.new_zeros(1)])


def said_by(call: Callable[[], Any]) -> str:
    try:
        return f"no error: {call()}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def rows_of(rank_one: Tensor, others: Tensor) -> Tensor:
    return rank_one if dist.get_rank() == 1 else others


def made(way: str, loss: Any = "nca-stable", **params: Any) -> Any:
    return losszoo.create(loss, streaming=losszoo.Streaming(ranks=way), **params)


def of_another_width(way: str) -> str:
    return said_by(lambda: made(way)(torch.randn(4, 3 + (dist.get_rank() == 1)), torch.zeros(4).long()))


def of_another_dtype(way: str) -> str:
    rows = torch.randn(4, 3)
    return said_by(lambda: made(way)(rows_of(rows.double(), rows), torch.zeros(4).long()))


def of_another_loss(way: str) -> str:
    name = "sup-con" if dist.get_rank() == 1 else "nca"
    return said_by(lambda: made(way, name)(torch.randn(4, 3), torch.zeros(4).long()))


def of_a_wrong_shape(way: str) -> str:
    return said_by(lambda: made(way)(rows_of(torch.randn(4), torch.randn(4, 3)), torch.zeros(4).long()))


def of_a_failing_row_function(way: str) -> str:
    def fails(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        if dist.get_rank() == 1:
            raise RuntimeError("out of luck")
        return logits.sum(1)

    return said_by(lambda: made(way, losszoo.pairwise()(fails))(torch.randn(4, 3), torch.tensor([0, 0, 1, 1])))


def of_one_without_a_gradient(way: str) -> str:
    rows = torch.randn(4, 3, requires_grad=dist.get_rank() != 1)
    return said_by(lambda: made(way, reduction="none")(rows, torch.zeros(4).long()))


def of_a_nan(way: str) -> str:
    rows = rows_of(torch.full((4, 3), torch.nan), torch.randn(4, 3)).requires_grad_()
    value = made(way)(rows, torch.tensor([0, 0, 1, 1]))
    value.backward()
    return f"{value.item()}, {bool(rows.grad.isfinite().any())}"


def of_huge_numbers(way: str) -> str:
    """One rank's squares overflow, the others' do not: the same value on each."""
    torch.manual_seed(dist.get_rank())
    rows = torch.randn(4, 3) * (1e30 if dist.get_rank() == 1 else 1.0)
    labels = torch.tensor([0, 0, 1, 1])
    everything = [torch.empty(4, 3) for _ in range(dist.get_world_size())]
    dist.all_gather(everything, rows)
    one = made("local", "triplet-batch-hard")(torch.cat(everything), labels.repeat(dist.get_world_size()))
    return f"{apart(made(way, 'triplet-batch-hard')(rows, labels), one) < 1e-6}"


def of_nobody(way: str) -> str:
    rows = torch.zeros(0, 3, requires_grad=True)
    value = made(way)(rows, torch.zeros(0).long())
    value.backward()
    return f"{value.item()}, {tuple(rows.grad.shape)}"


def of_no_choice(way: str) -> str:
    loss, rows = losszoo.create("nca"), torch.randn(4, 3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            loss(rows, torch.zeros(4).long())
    return f"{len(caught)}: {caught[0].message}"


REFUSED: dict[str, Callable[[str], str]] = {
    "width": of_another_width,
    "dtype": of_another_dtype,
    "loss": of_another_loss,
    "shape": of_a_wrong_shape,
    "row function": of_a_failing_row_function,
    "no gradient": of_one_without_a_gradient,
    "nan": of_a_nan,
    "huge": of_huge_numbers,
    "nobody": of_nobody,
    "no choice": of_no_choice,
}

if __name__ == "__main__":
    main(sys.argv[1])
