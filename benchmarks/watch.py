"""What ``losszoo watch`` costs a healthy step: an MLP of 3 layers at batch 256, and a small transformer.

Both run in one process, with and without the watch in turn, so that the load of the machine meets both alike. First the
weights after a few steps are compared: a watched training must be the same to the bit.

    python benchmarks/watch.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

import losszoo

WARM, STEPS, ROUNDS = 24, 40, 15


def mlp() -> tuple[nn.Module, Callable[[nn.Module], torch.Tensor]]:
    model = nn.Sequential(nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    x, y = torch.randn(256, 128), torch.randint(0, 10, (256,))
    return model, lambda m: nn.functional.cross_entropy(m(x), y)


def transformer() -> tuple[nn.Module, Callable[[nn.Module], torch.Tensor]]:
    layer = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True, dropout=0.0)
    model = nn.Sequential(nn.Embedding(1000, 128), nn.TransformerEncoder(layer, 4), nn.Linear(128, 1000))
    x = torch.randint(0, 1000, (8, 64))
    return model, lambda m: nn.functional.cross_entropy(m(x).flatten(0, 1), x.flatten())


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, loss_of: Callable[..., torch.Tensor], count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()


def trained(make: Callable[[], tuple[nn.Module, Callable[..., torch.Tensor]]], watched: bool) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model, loss_of = make()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watch = losszoo.watch() if watched else None
    steps(model, optimizer, loss_of, 10)
    if watch is not None:
        assert watch.stop() == []
    return [p.detach().clone() for p in model.parameters()]


def measure(name: str, make: Callable[[], tuple[nn.Module, Callable[..., torch.Tensor]]], count: int) -> None:
    same = all(torch.equal(a, b) for a, b in zip(trained(make, False), trained(make, True), strict=True))
    torch.manual_seed(0)
    model, loss_of = make()
    optimizer = torch.optim.SGD(model.parameters(), 0.001)
    steps(model, optimizer, loss_of, WARM)
    plain, watched = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        steps(model, optimizer, loss_of, count)
        plain.append((time.perf_counter() - start) / count)
        with losszoo.watch():
            steps(model, optimizer, loss_of, WARM)  # its first steps are looked at closely
            start = time.perf_counter()
            steps(model, optimizer, loss_of, count)
            watched.append((time.perf_counter() - start) / count)
    ratios = [w / p for w, p in zip(watched, plain, strict=True)]
    quarter = statistics.quantiles(ratios, n=4)
    print(
        f"{name}: weights {'equal' if same else 'DIFFER'}; {statistics.median(plain) * 1e3:.3f} ms a step, watched "
        f"{statistics.median(watched) * 1e3:.3f} ms; ratio {statistics.median(ratios):.4f} "
        f"(quartiles {quarter[0]:.4f} to {quarter[2]:.4f})",
        flush=True,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure("MLP, 3 layers, batch 256", mlp, STEPS)
    measure("transformer, 4 layers, 8 x 64 tokens", transformer, 3)
