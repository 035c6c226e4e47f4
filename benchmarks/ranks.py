"""Seconds and peak memory of a loss over the rows of several ranks: gathered, and passed around a ring.

Prints a markdown table. Each rank has an equal share of the rows; "one process" is rank 0 with all of them, alone
while the others wait. The ways take turns; seconds are the median of forward and backward, memory is what one step
takes on top of its inputs on the rank that takes most.

    torchrun --nproc-per-node 2 benchmarks/ranks.py [--loss nca] [--rows 16384] [--dim 64 512] [--times 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.distributed as dist

import losszoo
from losszoo.bench.contender import Side, settle
from losszoo.bench.step_memory import peak_of

WAYS = ("one process", "local", "gather", "ring")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", default="nca")
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--dim", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    dist.init_process_group("gloo")
    settle(torch.device("cpu"))
    say(f"torch {torch.__version__}, {dist.get_world_size()} ranks, {torch.get_num_threads()} threads each\n")
    say("| loss | N | D | way | seconds | MiB a rank | value |\n|---|---|---|---|---|---|---|")
    for dim in options.dim:
        sides = {way: side_of(way, options.loss, options.rows, dim) for way in WAYS}
        for way in WAYS:
            seconds, peak = measured(way, sides[way], options.times)
            cells = (options.loss, options.rows, dim, way, f"{seconds:.2f}", f"{peak / 2**20:.0f}")
            say(f"| {' | '.join(map(str, cells))} | {sides[way].value:.6g} |")
    dist.destroy_process_group()


def say(line: str) -> None:
    if dist.get_rank() == 0:
        print(line, flush=True)


def side_of(way: str, name: str, rows: int, dim: int) -> Side:
    """The loss on this rank's rows, or on all of them; standard normal over the root of D, in ten classes."""
    torch.manual_seed(0)
    embeddings, labels = torch.randn(rows, dim) / dim**0.5, torch.randint(10, (rows,))
    if way != "one process":
        embeddings, labels = (
            x.tensor_split(dist.get_world_size())[dist.get_rank()].clone() for x in (embeddings, labels)
        )
    ranks = way if way in ("gather", "ring") else "local"
    embeddings.requires_grad_()
    return Side(losszoo.create(name, streaming=losszoo.Streaming(ranks=ranks)), (embeddings, labels), [embeddings])


def measured(way: str, side: Side, times: int) -> tuple[float, float]:
    """Median seconds and most bytes, over the ranks that take part."""
    alone = way == "one process"

    def step() -> None:
        if not alone or dist.get_rank() == 0:
            side.step()

    step()  # the first one warms up
    dist.barrier()
    peak = peak_of(side, torch.device("cpu"))[0] if not alone or dist.get_rank() == 0 else 0
    seconds = statistics.median(timed(step) for _ in range(times))
    found = torch.tensor([seconds, peak], dtype=torch.float64)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return float(found[0]), float(found[1])


def timed(step: Callable[[], None]) -> float:
    dist.barrier()
    start = time.perf_counter()
    step()
    dist.barrier()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
