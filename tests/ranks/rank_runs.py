"""What two processes do under torchrun, for test_rank_runs.py: writes down what each of them saw."""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import losszoo
from losszoo import NonFiniteError, UsageError
from losszoo.training import run

RUNS: dict[str, dict[str, Any]] = {
    "cross-entropy": {"task": "abalone", "clip_norm": 0.5},
    "sup-con": {"task": "digits"},
    "nca": {"task": "digits"},
    "contrastive": {"task": "digits"},
    "info-nce": {"task": "digits-views"},
    "modern-nca + 0.1*cross-entropy": {"task": "breast-cancer"},
    "linear(0, 1, epochs=2)*sup-con + cosine(1, 2, steps=30)*cross-entropy + 1e-3*l2": {"task": "digits"},
    "uncertainty(cross-entropy, bce)": {"task": "digits"},
    "rmse": {"task": "diabetes"},
    "dice": {"task": "digits-segmentation"},
    # A value of the whole batch, and of all parts of one.
    "0.5*dice(over=batch) + cross-entropy(ignore_index=2)": {"task": "digits-semantic"},
    "dice(over=batch, weight=[2])": {"task": "digits-segmentation", "accumulate": 2},
    "linear-cross-entropy": {"task": "digits"},
    "nca(similarity='cosine')": {"task": "digits", "accumulate": 3},
    "bce": {"task": "breast-cancer", "accumulate": 2, "clip": "auto"},
    # The term that asks for candidates is off at first, so the last passes through the model have no gradient.
    "cross-entropy + linear(0, 1, steps=9)*modern-nca": {"task": "digits", "accumulate": 2},
    # Batches of one row: a rank without any.
    "mse": {"task": "diabetes", "set": {"recipe.batch_size": 281}},
    # Weights of rows, which a rank has for its share, and batches that a sampler draws.
    "sup-con(temperature=0.2)": {
        "task": "digits",
        "class_weight": "3=4",
        "set": {"recipe.sampler": "m-per-class", "recipe.per_class": 10, "recipe.batch_size": 100},
    },
    "focal": {
        "task": "digits-rare",
        "class_weight": "balanced",
        "accumulate": 2,
        "set": {"recipe.sampler": "weighted"},
    },
    # Draws from torch's own source of chance, and learns weights outside of the model that the ranks wrap.
    "uncertainty(noisy.py:noisy, bce)": {"task": "digits", "signature": "multiclass"},
}
NOISY = """
import torch


def noisy(logits, targets):
    return torch.nn.functional.cross_entropy(logits + torch.randn(logits.shape), targets, reduction="none")
"""


def runs(out: Path) -> dict[str, Any]:
    """The history of each run, and what its guard has counted."""
    found = {}
    Path("noisy.py").write_text(NOISY)
    for loss, options in RUNS.items():
        task = options["task"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with parameters_of_run() as sums:
                result = losszoo.run(loss, task, epochs=2, out=out, **{k: v for k, v in options.items() if k != "task"})
        history = json.loads(Path(result.run_dir, "history.json").read_text())
        said = {"metrics": result.metrics, "guard": result.guard, "dir": result.run_dir}
        found[loss] = {"history": history, "parameters": sums, **said}
    return found


@contextmanager
def parameters_of_run() -> Iterator[list[float]]:
    """The sum of each parameter of model and loss, as training has left it on this rank."""
    sums: list[float] = []
    original = run.fit

    def watched(plan: Any, *arguments: Any) -> Any:
        progress = original(plan, *arguments)
        sums.extend(float(p.detach().double().sum()) for p in [*plan.model.parameters(), *plan.loss.parameters()])
        return progress

    run.fit = watched  # type: ignore[assignment]
    try:
        yield sums
    finally:
        run.fit = original


def bad_steps(out: Path) -> dict[str, Any]:
    """A run whose loss breaks, under each policy."""
    found = {}
    for policy in ("raise", "skip", "rollback"):
        options = {"set": {"recipe.lr": 0.1}, "epochs": 6, "on_nonfinite": policy}
        result = losszoo.run("nca-ratio", "digits", out=out, **options)
        found[policy] = {"status": result.status, "guard": result.guard, "steps": result.steps}
    return found


def own_loop(rank: int) -> dict[str, Any]:
    """A guard in a loop of one's own, where the second step is bad on the second rank alone."""
    found = {}
    for policy in ("skip", "rollback", "raise"):
        torch.manual_seed(0)
        model = DistributedDataParallel(nn.Linear(2, 1))
        guard = losszoo.Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), policy, bundles=None)
        said = []
        for step in range(4):
            loss = model(torch.full((3, 2), 1.0 + rank)).mean()
            try:
                # The value alone is bad: the gradient that the ranks share is finite.
                report = guard.step(loss + (math.inf if step == 1 and rank == 1 else 0.0))
                said.append([report.applied, report.event and report.event.where, report.event and report.event.detail])
            except NonFiniteError as error:
                said.append(str(error))
        found[policy] = {"said": said, "weights": [p.tolist() for p in model.parameters()]}
    return found


def overflows(rank: int) -> dict[str, Any]:
    """A gradient on the second rank that its optimizer cannot take, and a buffer there that becomes infinite."""
    found: dict[str, Any] = {}
    for policy in ("skip", "rollback"):
        torch.manual_seed(0)
        norm, weight = nn.BatchNorm1d(1), nn.Parameter(torch.ones(2))
        optimizer = torch.optim.Adam([weight, *norm.parameters()], lr=0.1)
        guard = losszoo.Guard(norm, optimizer, policy, bundles=None, ranks=True, snapshot_every=2)
        said = []
        for step in range(5):
            pull = 1e21 if (step, rank) == (1, 1) else 1.0
            rows = torch.tensor([[0.0], [1e20 if (step, rank) == (3, 1) else 1.0]])
            report = guard.step(((weight - weight.detach()).double() * pull).sum() + norm(rows).double().mean())
            said.append([report.applied, str(report.event or "").split(":")[0]])
        finite = all(bool(x.isfinite().all()) for x in (weight, norm.running_var, *optimizer.state[weight].values()))
        found[policy] = {"said": said, "finite": finite, "steps": optimizer.state[weight]["step"].item()}
    return found


def disagreement(rank: int, out: Path) -> dict[str, str]:
    """What each rank is told where one of them wants something else, or cannot begin."""
    found = {}
    wishes: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "seed": [("bce", {"seed": 0}), ("bce", {"seed": 1})],
        "loss": [("bce", {}), ("bcee", {})],
        "epochs": [("bce", {}), ("bce", {"epochs": 2})],
    }
    for name, each in wishes.items():
        loss, options = each[rank]
        try:
            losszoo.run(loss, "digits", out=out, **{"epochs": 1, **options})
        except UsageError as error:
            found[name] = str(error)
    return found


def main() -> None:
    out = Path(sys.argv[1])
    os.chdir(out)
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    seen = {
        "runs": runs(out / "runs"),
        "bad": bad_steps(out / "runs"),
        "loop": own_loop(rank),
        "overflows": overflows(rank),
        "disagreement": disagreement(rank, out / "never"),
    }
    (out / f"rank-{rank}.json").write_text(json.dumps(seen))
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)  # gloo may abort a process that ends in order


if __name__ == "__main__":
    main()
