"""What losses over pairs cost beside pytorch-metric-learning and torch, forward and backward. Prints a markdown table.

At a usual batch: 256 rows of 128 numbers, 4 of a class, or two views of 256, both with a gradient. Both sides
take turns in one process, and a row shows the median of the ratios of neighbouring turns, and their quartiles.

    python benchmarks/pair_peers.py [--turns 30] [--threads 2] [--rows 256] [--width 128] [--only circle]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from pytorch_metric_learning import distances, losses, reducers
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid, normalize

import losszoo

Call = Callable[[Tensor], Tensor]
PLAIN = distances.LpDistance(normalize_embeddings=False)
DOT = distances.DotProductSimilarity(normalize_embeddings=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print("| loss | peer | ms | peer, ms | times faster | quartiles |")
    print("|---|---|---|---|---|---|")
    for name, peer, ours, theirs, x in comparisons(options.rows, options.width):
        if options.only in name:
            print(f"| {name} | {peer} | {measured(ours, theirs, x, options.turns)} |", flush=True)


def comparisons(count: int, width: int) -> Iterator[tuple[str, str, Call, Call, Tensor]]:
    """Name, peer, both sides, and the tensor that both get."""
    points, labels = normalize(torch.randn(count, width)), torch.arange(count) // 4
    other, places = normalize(points + 0.3 * torch.randn(count, width)).requires_grad_(), torch.arange(count)
    signs = (2 * (places % 2) - 1).float()

    def views(peer: nn.Module) -> Call:
        return lambda x: peer(torch.cat([x, other]), places.repeat(2))

    mean = reducers.MeanReducer()
    rows: list[tuple[str, str, Call]] = [
        ("multi-similarity", "PML", lambda x: losses.MultiSimilarityLoss()(x, labels)),
        ("circle", "PML", lambda x: losses.CircleLoss(reducer=mean)(x, labels)),
        ("lifted-structure", "PML", lambda x: losses.LiftedStructureLoss(distance=PLAIN)(x, labels)),
        ("smooth-ap", "PML, its own number", lambda x: losses.SmoothAPLoss()(x, labels)),
        ("margin", "PML, on triplets", lambda x: losses.MarginLoss(distance=PLAIN)(x, labels)),
    ]
    rows += [
        ("nt-xent", "PML", views(losses.NTXentLoss(0.5))),
        ("n-pairs", "PML", views(losses.NPairsLoss(distance=DOT))),
    ]
    for name, peer, theirs in rows:
        loss = losszoo.create(name)
        yield name, peer, partial(called, loss, other if loss.signature == "views" else labels), theirs, points
    scale, bias = nn.Parameter(torch.tensor(2.6593)), nn.Parameter(torch.tensor(-10.0))
    sign = 2 * torch.eye(count) - 1

    def open_clip(x: Tensor) -> Tensor:
        logits = scale.exp() * normalize(x) @ normalize(other).T
        return (cross_entropy(logits, places) + cross_entropy(logits.T, places)) / 2

    def open_siglip(x: Tensor) -> Tensor:
        logits = (scale + 10.0).log().exp() * normalize(x) @ normalize(other).T + bias
        return -logsigmoid(sign * logits).sum() / count

    yield "clip", "as open_clip", partial(called, losszoo.create("clip"), other), open_clip, points
    yield "siglip", "as open_clip", partial(called, losszoo.create("siglip"), other), open_siglip, points
    pair, torchs = losszoo.create("cosine-embedding"), nn.CosineEmbeddingLoss()
    many, others, target = points.repeat(32, 1), other.detach().repeat(32, 1).requires_grad_(), signs.repeat(32)
    yield "cosine-embedding", "torch", lambda x: pair(x, others, target), lambda x: torchs(x, others, target), many
    grades = torch.rand(count)

    def sentences(x: Tensor) -> Tensor:
        scores = 20 * torch.cosine_similarity(x, other)
        terms = scores[None, :] - scores[:, None]
        terms = terms - (~(grades[:, None] > grades[None, :])).float() * 1e12
        return torch.logsumexp(torch.cat([torch.zeros(1), terms.flatten()]), 0)

    cosent = losszoo.create("cosent")
    yield "cosent", "as sentence-transformers", lambda x: cosent(x, other, grades), sentences, points


def called(loss: nn.Module, beside: Tensor, x: Tensor) -> Tensor:
    """The loss of a tensor and what is given beside it."""
    value: Tensor = loss(x, beside)
    return value


def measured(ours: Call, theirs: Call, x: Tensor, turns: int) -> str:
    """Milliseconds of both, the median of the ratios, and their quartiles."""
    times = []
    for turn in range(turns + 3):
        pair = [timed(call, x) for call in (ours, theirs)]
        times += [pair] if turn >= 3 else []
    ratios = [theirs / ours for ours, theirs in times]
    first, middle, last = statistics.quantiles(ratios, n=4)
    mine, peers = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    return f"{mine:.2f} | {peers:.2f} | {middle:.2f} | {first:.2f} - {last:.2f}"


def timed(call: Call, x: Tensor) -> float:
    leaf = x.clone().requires_grad_()
    start = time.perf_counter()
    call(leaf).backward()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
