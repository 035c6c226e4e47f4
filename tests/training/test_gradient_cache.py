"""The gradient of one large batch in parts, in a loop of one's own: that of the whole, whatever the model draws."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing
from torch import Tensor, nn

import losszoo
from losszoo import UsageError

ROWS, LABELS = torch.randn(24, 5, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 4


def gradients(model: nn.Module) -> list[Tensor]:
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return found


def assert_same(ones: list[Tensor], others: list[Tensor]) -> None:
    assert len(ones) == len(others) > 0
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("text", ["sup-con", "nca-stable", "triplet-all", "cross-entropy", "rmse"])
@pytest.mark.parametrize("size", [5, 12, 24])
def test_it_is_the_gradient_of_the_whole(text: str, size: int) -> None:
    """Also of a loss that adds up, and of one that ends in a root."""
    model, loss = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4)), losszoo.create(text)
    targets = torch.randn(24, 4) if text == "rmse" else LABELS
    whole = loss(model(ROWS), targets)
    whole.backward()
    expected = gradients(model)
    value = losszoo.accumulate(loss, model, torch.split(ROWS, size), targets)
    torch.testing.assert_close(value, whole.detach())
    assert_same(gradients(model), expected)


def test_naive_accumulation_is_another_gradient() -> None:
    model, loss = nn.Linear(5, 4), losszoo.create("sup-con")
    losszoo.accumulate(loss, model, torch.split(ROWS, 12), LABELS)
    exact = gradients(model)[0]
    for part in torch.split(torch.arange(24), 12):
        (loss(model(ROWS[part]), LABELS[part]) / 2).backward()
    assert (gradients(model)[0] - exact).norm() > 0.1 * exact.norm()


class Towers(nn.Module):
    """Two encoders: a query and its key."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(5, 4), nn.Linear(3, 4)

    def forward(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        return self.one(queries), self.other(keys)


@pytest.mark.parametrize("named", [False, True])
def test_two_towers(named: bool) -> None:
    model, loss, keys = Towers(), losszoo.create("info-nce", symmetric=True), torch.randn(24, 3)
    loss(*model(ROWS, keys)).backward()
    expected = gradients(model)
    parts: Any = list(zip(torch.split(ROWS, 7), torch.split(keys, 7), strict=True))
    parts = [{"queries": q, "keys": k} for q, k in parts] if named else parts
    losszoo.accumulate(loss, model, parts)
    assert_same(gradients(model), expected)


class Draws(nn.Module):
    """Draws from torch, numpy and Python, and keeps running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * (1 + random.random()) + float(np.random.rand())


def test_a_frozen_tower_takes_no_gradient() -> None:
    model, loss, keys = Towers(), losszoo.create("info-nce"), torch.randn(24, 3)
    model.other.requires_grad_(False)
    loss(*model(ROWS, keys)).backward()
    expected = gradients(model)
    parts = list(zip(torch.split(ROWS, 7), torch.split(keys, 7), strict=True))
    losszoo.accumulate(loss, model, parts)
    assert_same(gradients(model), expected)


def test_of_a_frozen_model_only_the_loss_learns() -> None:
    model, scale = nn.Linear(5, 4).requires_grad_(False), nn.Parameter(torch.tensor(2.0))
    loss = losszoo.create("cross-entropy")
    loss(model(ROWS) * scale, LABELS).backward()
    expected, scale.grad = scale.grad, None
    losszoo.accumulate(lambda z, y: loss(z * scale, y), model, torch.split(ROWS, 7), LABELS)
    torch.testing.assert_close(scale.grad, expected)
    with pytest.raises(UsageError, match=r"must reach a parameter that is trained, .* frozen"):
        losszoo.accumulate(loss, model, torch.split(ROWS, 7), LABELS)


@pytest.mark.filterwarnings("ignore:the model has a BatchNorm")
def test_both_passes_draw_the_same_and_statistics_move_once() -> None:
    """Beside the same parts with their graphs in memory together."""
    model, loss = Draws(), losszoo.create("sup-con")
    state = {name: x.clone() for name, x in model.state_dict().items()}

    def seeded(run: Callable[[], Any]) -> tuple[list[Tensor], dict[str, Tensor], float]:
        model.load_state_dict(state)
        torch.manual_seed(3), random.seed(3), np.random.seed(3)
        run()
        return gradients(model), {n: x.clone() for n, x in model.named_buffers()}, random.random() + np.random.rand()

    parts = torch.split(ROWS, 8)
    expected = seeded(lambda: loss(torch.cat([model(part) for part in parts]), LABELS).backward())
    found = seeded(lambda: losszoo.accumulate(loss, model, parts, LABELS))
    assert_same(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])
    assert found[2] == expected[2]


def test_a_batchnorm_in_training_is_told_as_parts_are_not_the_whole() -> None:
    """In evaluation its rows do not see each other, and torch's own backward through the whole gives the same."""
    model, loss = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8)), losszoo.create("sup-con")
    with pytest.warns(UserWarning, match=r"BatchNorm in training.* the gradient is not that of the whole batch"):
        losszoo.accumulate(loss, model, torch.split(ROWS, 8), LABELS)
    losszoo.accumulate(loss, model, [ROWS], LABELS)  # one part is the whole
    model.eval().zero_grad()
    loss(model(ROWS), LABELS).backward()
    expected = gradients(model)
    losszoo.accumulate(loss, model, torch.split(ROWS, 8), LABELS)
    assert_same(gradients(model), expected)


def test_under_autocast() -> None:
    """The casts of the first pass have no graph; the second must make its own."""
    model, loss = nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 4)), losszoo.create("sup-con")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(model(ROWS), LABELS).backward()
        expected = gradients(model)
        losszoo.accumulate(loss, model, torch.split(ROWS, 8), LABELS)
    for one, other in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.01)  # parts are added up in bfloat16


def test_with_a_guard_and_a_learned_loss() -> None:
    loss = losszoo.create("linear-cross-entropy(classes=4, dim=3) + linear(0, 1, steps=9)*sup-con")
    model = nn.Linear(5, 3)
    joint = nn.ModuleList([model, loss])
    optimizer = torch.optim.SGD(joint.parameters(), lr=0.1)
    guard = losszoo.Guard(model, optimizer, policy="skip", bundles=None)
    for _ in range(2):
        value = losszoo.accumulate(loss, model, torch.split(ROWS, 8), LABELS, backward=guard.backward)
        assert all(p.grad is not None for p in joint.parameters())
        assert guard.apply(value).applied
    assert loss.clock.step == 2


def test_targets_may_come_in_parts_and_outputs_may_hold_other_things() -> None:
    class Output(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(5, 4)

        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"z": self.net(x), "places": torch.arange(len(x)), "note": None}

    model, loss = Output(), losszoo.create("sup-con")
    loss(model(ROWS)["z"], LABELS).backward()
    expected = gradients(model)
    seen = []

    def of_dict(out: dict[str, Any], labels: Tensor) -> Tensor:
        seen.append((out["places"].shape, out["note"]))
        return loss(out["z"], labels)

    losszoo.accumulate(of_dict, model, torch.split(ROWS, 9), torch.split(LABELS, 9))
    assert_same(gradients(model), expected)
    assert seen == [((24,), None)]


class OwnGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.source = nn.Linear(5, 4), torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + torch.randn(len(x), 4, generator=self.source)


@pytest.mark.parametrize(
    ("model", "parts", "loss", "message"),
    [
        (nn.Linear(5, 4), [], "sup-con", "micro_batches must be a list of inputs, .* got none"),
        (nn.Linear(5, 4), ROWS, "sup-con", "micro_batches must be a list of inputs, .* got a Tensor"),
        (OwnGenerator(), torch.split(ROWS, 8), "sup-con", "must give the same outputs for the same random state"),
        (nn.Flatten(0), torch.split(ROWS, 8), lambda z, y: z.detach().sum(), "one number that depends on the outputs"),
        (nn.Linear(5, 4), torch.split(ROWS, 8), lambda z, y: z, r"one number .* got shape \(24, 4\)"),
        (nn.Linear(5, 4), torch.split(ROWS, 8), lambda z, y: 3.0, "one number .* got a float"),
    ],
)
def test_what_cannot_be_accumulated(model: nn.Module, parts: Any, loss: Any, message: str) -> None:
    loss = losszoo.create(loss) if isinstance(loss, str) else loss
    with pytest.raises(UsageError, match=message):
        losszoo.accumulate(loss, model, parts, LABELS)


def test_outputs_without_rows() -> None:
    class Scalar(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum()

    with pytest.raises(UsageError, match="one row per sample, got a tensor without dimensions"):
        losszoo.accumulate(losszoo.create("sup-con"), Scalar(), torch.split(ROWS, 8), LABELS)


def exchanged(rank: int, port: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Linear(5, 4))
    loss = losszoo.create("sup-con", streaming=losszoo.Streaming(ranks="gather"))
    own = slice(rank * 12, rank * 12 + 12)
    losszoo.accumulate(loss, model, torch.split(ROWS[own], 5), LABELS[own])
    torch.save(gradients(model), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_ranks_that_share_their_candidates(tmp_path: Any) -> None:
    """Each with half the batch, in parts: the gradient of one process on the whole of it."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(exchanged, args=(port, str(tmp_path)), nprocs=2)
    torch.manual_seed(0)
    model = nn.Linear(5, 4)
    losszoo.create("sup-con")(model(ROWS), LABELS).backward()
    expected = gradients(model)
    for rank in (0, 1):
        assert_same(torch.load(tmp_path / f"{rank}.pt"), expected)
