"""What a guarded, clipped step costs beside the same loop by hand. Prints a markdown table.

Four comparisons on each task: ``losszoo.Guard`` in a loop of one's own, with torch's loss; the same guard with all that
crash bundles need, against the guard without; the whole step of ``losszoo run`` (draws, batch, loss, guard) against a
loop by hand with the zoo's loss, and against one with torch's.
Both sides start from equal weights, see equal batches, and take turns in blocks in one process; a row shows the
median of the ratios of neighbouring blocks, and their quartiles.

    python benchmarks/guard.py [--blocks 40] [--threads 2]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import losszoo
from losszoo import Guard
from losszoo.training.data.batch_inputs import Model
from losszoo.training.make_plan import make_plan
from losszoo.training.models.forward import Forward
from losszoo.training.plan import Plan
from losszoo.training.run_options import Options
from losszoo.training.step import BatchLoss

Loss = Callable[[Tensor, Tensor], Tensor]

CASES = (("abalone", 1024), ("abalone", 256), ("digits", 128))
CLIP = 1.0
STEPS = 12  # of a block


@dataclass
class Side:
    """A model that is trained in one of the ways that are compared."""

    model: Model
    step: Callable[[Tensor], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| step | base, ms | ratio | quartiles |\n|---|---|---|---|")
    for task, size in CASES:
        plan = plan_of(task, size)
        for name, loss, other in comparisons():
            check_equal(plan, loss, other)
            base = guarded(plan, CLIP) if other is bundled else by_hand(plan, loss, CLIP)
            hand, ratios = compare(base, other(plan, CLIP), plan, options.blocks)
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(f"| {name}, {task}, batch {size} | {hand * 1e3:.2f} | {middle:.3f} | {low:.3f} to {high:.3f} |")


def plan_of(task: str, size: int) -> Plan:
    """A run of cross-entropy on the task's own trunk."""
    options = Options(set={"recipe.batch_size": size}, out=tempfile.mkdtemp())
    return make_plan("cross-entropy", task, options)


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)


def comparisons() -> list[tuple[str, Loss, Callable[[Plan, float], Side]]]:
    zoo = losszoo.create("cross-entropy")
    return [
        ("Guard", F.cross_entropy, guarded),
        ("Guard with bundles, against Guard", F.cross_entropy, bundled),
        ("run", zoo, whole),
        ("run, torch's loss", F.cross_entropy, whole),
    ]


def loss_of(model: Model, plan: Plan, rows: Tensor, loss: Loss = F.cross_entropy) -> Tensor:
    """The forward pass as one would write it oneself."""
    logits = model.heads["multiclass"](model(plan.data.train.inputs[rows]))
    return loss(logits, plan.data.train.targets[rows])


def by_hand(plan: Plan, loss: Loss, clip: float) -> Side:
    model = copy.deepcopy(plan.model)
    optimizer = optimizer_of(model)

    def step(rows: Tensor) -> None:
        loss_of(model, plan, rows, loss).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()

    return Side(model, step)


def guarded(plan: Plan, clip: float) -> Side:
    model = copy.deepcopy(plan.model)
    guard = Guard(model, optimizer_of(model), clip_norm=clip, bundles=None)
    return Side(model, lambda rows: guard.step(loss_of(model, plan, rows)))


def bundled(plan: Plan, clip: float) -> Side:
    """As :func:`guarded`, with all that a bad step would need."""
    model = copy.deepcopy(plan.model)
    guard = Guard(model, optimizer_of(model), clip_norm=clip, bundles=tempfile.mkdtemp())

    def step(rows: Tensor) -> None:
        guard.step(loss_of(model, plan, rows), batch=rows, again=lambda: loss_of(model, plan, rows))

    return Side(model, step)


def whole(plan: Plan, clip: float) -> Side:
    own = copy.copy(plan)
    own.model = copy.deepcopy(plan.model)
    own.guard = Guard([own.model, own.loss], optimizer_of(own.model), clip_norm=clip, bundles=None)
    own.forward = Forward(own.model)
    return Side(own.model, lambda rows: BatchLoss(own, rows).step())


def batches(plan: Plan) -> Iterator[Tensor]:
    """The same rows for everybody, without end."""
    generator = torch.Generator().manual_seed(0)
    size, rows = plan.recipe.batch_size, len(plan.data.train)
    while True:
        yield from torch.split(torch.randperm(rows, generator=generator), size)[: rows // size]


def check_equal(plan: Plan, loss: Loss, other: Callable[[Plan, float], Side]) -> None:
    """Equal weights after 30 steps: bit for bit, but for another rounding of the loss, and torch's clipping, which
    adds 1e-6 to the norm."""
    exact = loss is not F.cross_entropy or other in (guarded, bundled)
    for clip, tolerance in ((1e9, 0.0 if exact else 1e-4), (0.05, 1e-4)):
        one, two = by_hand(plan, loss, clip), other(plan, clip)
        for _, rows in zip(range(30), batches(plan), strict=False):
            one.step(rows)
            two.step(rows)
        for mine, theirs in zip(one.model.parameters(), two.model.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


def compare(hand: Side, other: Side, plan: Plan, blocks: int) -> tuple[float, list[float]]:
    """Seconds of a step by hand, and the ratio of each block to the one by hand beside it."""
    rows = batches(plan)
    times: list[tuple[float, float]] = []
    for block in range(blocks + 3):
        given = [next(rows) for _ in range(STEPS)]
        sides = [hand, other] if block % 2 else [other, hand]
        spent = {id(side): timed(side, given) for side in sides}
        times.append((spent[id(hand)], spent[id(other)]))
    times = times[3:]  # the first ones warm up
    return statistics.median(one for one, _ in times) / STEPS, [two / one for one, two in times]


def timed(side: Side, given: list[Tensor]) -> float:
    start = time.perf_counter()
    for rows in given:
        side.step(rows)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
