"""What the losses of single samples cost beside their peers, forward and backward. Prints a markdown table.

``focal`` against torchvision's formula, sparse losses against the package entmax (where it is installed),
``cross-entropy`` against torch's, ``linear-cross-entropy`` against all logits, and each against its formula written
operation by operation. Values and gradients are compared first; then both sides take turns in one process, and a row
shows the median of the ratios of neighbouring turns, and their quartiles. ``saved`` is what is kept for the gradient,
each storage once, in MB, inputs included. ``loss`` in a name is the module of ``losszoo.create``, with its checks; the
others are the plain functions.

    python benchmarks/elementwise.py [--turns 30] [--threads 2] [--only sparsemax]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

import losszoo
from losszoo_plugins.classification.cross_entropy import cross_entropy, topk_softmax
from losszoo_plugins.classification.focal import focal, softmax_focal
from losszoo_plugins.classification.linear import cross_entropy_in_chunks
from losszoo_plugins.classification.sparse import entmax, sparsemax
from losszoo_plugins.segmentation.overlap import dice

Call = Callable[[Tensor], Tensor]


@dataclass
class Row:
    """One comparison: two sums of losses of the same tensor."""

    name: str
    peer: str
    ours: Call
    theirs: Call
    x: Tensor
    # float32 sums of many terms in another order.
    tolerance: float = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print("| loss | peer | ms | peer, ms | times faster | quartiles | saved | peer saves |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows():
        if options.only in row.name:
            print(line(row, options.turns), flush=True)


def rows() -> Iterator[Row]:
    yield from focal_rows()
    yield from multiclass_rows()
    yield from sparse_rows()
    yield from cross_entropy_rows()


def focal_rows() -> Iterator[Row]:
    x, t = torch.randn(800_000) * 3, (torch.rand(800_000) < 0.1).float()
    soft, loss = t.clamp(0.05, 0.95), losszoo.create("focal", alpha=0.25)
    theirs = partial(torchvisions, targets=t)
    peer = "torchvision's formula"
    yield Row("focal, 800k", peer, lambda z: focal(z, t, alpha=0.25).mean(), theirs, x)
    yield Row("focal loss, 800k", peer, lambda z: loss(z, t), theirs, x)
    soft_peer = partial(by_both_labels, targets=soft)
    yield Row(
        "focal, soft targets, 800k", "as careful formula", lambda z: focal(z, soft, alpha=0.25).mean(), soft_peer, x
    )
    maps, truth = torch.randn(8, 4, 128, 128) * 3, (torch.rand(8, 4, 128, 128) < 0.2).float()
    ours = of(lambda z, t: dice(z, t).values.mean(), truth)
    for peer, theirs in (("as careful", careful_dice), ("short", short_dice)):
        yield Row("dice, 8 x 4 x 128 x 128", f"{peer} formula", ours, of(theirs, truth), maps)


def multiclass_rows() -> Iterator[Row]:
    for size in ((512, 1000), (64, 32000)):
        z, y = torch.randn(size), torch.randint(size[1], size[:1])
        named = f"{size[0]} x {size[1]}"
        ours = of(lambda z, y: softmax_focal(z, y).values.mean(), y)
        for peer, theirs in (("as careful", careful_focal), ("short", short_focal)):
            yield Row(f"softmax-focal, {named}", f"{peer} formula", ours, of(theirs, y), z)
        kept = of(masked_topk, y)
        yield Row(f"topk-softmax, {named}", "formula", of(lambda z, y: topk_softmax(z, y).mean(), y), kept, z)


def sparse_rows() -> Iterator[Row]:
    try:
        import entmax as package
    except ImportError:
        print("| (the package entmax is not installed) | | | | | | | |")
        return
    for size in ((512, 1000), (256, 32000)):
        z, y = torch.randn(size), torch.randint(size[1], size[:1])
        named = f"{size[0]} x {size[1]}"
        for k in (None, 100):
            peer = f"entmax package, {'sort' if k is None else f'k={k}'}"
            theirs = package.SparsemaxLoss(k=k, reduction="sum")
            yield Row(f"sparsemax, {named}", peer, of(sparsemax, y), lambda z, f=theirs, y=y: f(z, y), z)
            theirs = package.Entmax15Loss(k=k, reduction="sum")
            yield Row(f"entmax, {named}", peer, of(entmax, y), lambda z, f=theirs, y=y: f(z, y), z)
        theirs = package.EntmaxBisectLoss(alpha=1.3, reduction="sum")
        ours = of(partial(entmax, alpha=1.3), y)
        yield Row(f"entmax(1.3), {named}", "its bisection", ours, lambda z, f=theirs, y=y: f(z, y), z)


def cross_entropy_rows() -> Iterator[Row]:
    z, y = torch.randn(1024, 3), torch.randint(3, (1024,))
    loss, blind = losszoo.create("cross-entropy"), losszoo.create("cross-entropy", validate=False)
    theirs = partial(F.cross_entropy, target=y)
    yield Row("cross-entropy, 1024 x 3", "torch", lambda z: cross_entropy(z, y).values.mean(), theirs, z)
    yield Row("cross-entropy loss, 1024 x 3", "torch", lambda z: loss(z, y), theirs, z)
    yield Row("cross-entropy loss, no look, 1024 x 3", "torch", lambda z: blind(z, y), theirs, z)
    h, weight, words = torch.randn(1024, 256), torch.randn(32000, 256) / 16, torch.randint(32000, (1024,))
    weight.requires_grad_()
    yield Row(
        "linear-cross-entropy, 1024 x 256 to 32000",
        "all logits",
        lambda h: cross_entropy_in_chunks(h, weight, None, words, 128).mean(),
        lambda h: F.cross_entropy(F.linear(h, weight), words),
        h,
    )


def of(loss: Callable[..., Any], targets: Tensor) -> Call:
    """The sum of a loss."""
    return lambda z: loss(z, targets).sum()


def torchvisions(x: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(x)
    cost = F.binary_cross_entropy_with_logits(x, targets, reduction="none")
    agreed = p * targets + (1 - p) * (1 - targets)
    return ((0.25 * targets + 0.75 * (1 - targets)) * (cost * (1 - agreed) ** 2)).mean()


def by_both_labels(x: Tensor, targets: Tensor) -> Tensor:
    positive = torch.exp(2 * F.logsigmoid(-x)) * -F.logsigmoid(x)
    negative = torch.exp(2 * F.logsigmoid(x)) * -F.logsigmoid(-x)
    return (targets * 0.25 * positive + (1 - targets) * 0.75 * negative).mean()


def careful_dice(x: Tensor, targets: Tensor) -> Tensor:
    smaller = torch.sigmoid(torch.where(x > 0, -x, x))
    inside, outside = torch.where(x > 0, 1 - smaller, smaller), torch.where(x > 0, smaller, 1 - smaller)
    misplaced = ((1 - targets) * inside + targets * outside).sum((-2, -1))
    return (misplaced / (inside.sum((-2, -1)) + targets.sum((-2, -1)) + 1)).mean()


def short_dice(x: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(x)
    both, sizes = (p * targets).sum((-2, -1)), p.sum((-2, -1)) + targets.sum((-2, -1))
    return (1 - (2 * both + 1) / (sizes + 1)).mean()


def careful_focal(z: Tensor, targets: Tensor) -> Tensor:
    rivals = torch.arange(z.shape[1]) != targets[:, None]
    lead = -torch.where(rivals, z - z.gather(1, targets[:, None]), -torch.inf).logsumexp(1)
    return (torch.exp(2 * F.logsigmoid(-lead)) * -F.logsigmoid(lead)).mean()


def short_focal(z: Tensor, targets: Tensor) -> Tensor:
    log_p = F.log_softmax(z, 1).gather(1, targets[:, None])
    return ((1 - log_p.exp()) ** 2 * -log_p).mean()


def masked_topk(z: Tensor, targets: Tensor) -> Tensor:
    own = z.gather(1, targets[:, None])
    others = torch.arange(z.shape[1]) != targets[:, None]
    rivals = torch.where(others, z, -torch.inf).topk(5, 1).values
    last = torch.where(own >= rivals[:, -1:], -torch.inf, rivals[:, -1:])
    return -F.log_softmax(torch.cat((own, rivals[:, :-1], last), 1), 1)[:, 0].mean()


def line(row: Row, turns: int) -> str:
    """Both sides compared, timed in turns, and weighed."""
    (value, gradient), (other, expected) = step(row.ours, row.x), step(row.theirs, row.x)
    torch.testing.assert_close(value, other, rtol=row.tolerance, atol=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=row.tolerance, atol=1e-6)
    sides = (row.ours, row.theirs)
    repeats = max(1, int(0.02 / duration(row.theirs, row.x, 3)))
    for call in sides:
        duration(call, row.x, repeats)
    times = [tuple(duration(call, row.x, repeats) for call in sides) for _ in range(turns)]
    ours, theirs = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    low, middle, high = statistics.quantiles([b / a for a, b in times], n=4)
    saved = " | ".join(f"{saved_bytes(call, row.x) / 1e6:.2f}" for call in sides)
    return f"| {row.name} | {row.peer} | {ours:.3f} | {theirs:.3f} | {middle:.2f} | {low:.2f} to {high:.2f} | {saved} |"


def step(call: Call, x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    value = call(leaf)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def duration(call: Call, x: Tensor, repeats: int) -> float:
    """Seconds of one forward and backward."""
    leaf = x.clone().requires_grad_()
    started = time.perf_counter()
    for _ in range(repeats):
        leaf.grad = None
        call(leaf).backward()
    return (time.perf_counter() - started) / repeats


def saved_bytes(call: Call, x: Tensor) -> int:
    """Memory that is kept for the gradient, each storage once."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        value = call(x.clone().requires_grad_())  # held, for no address to be used twice
    del value
    return sum(kept.values())


if __name__ == "__main__":
    main()
