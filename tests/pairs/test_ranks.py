"""Losses over the rows of several ranks, in real processes, beside one process on the whole batch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rank_worker import CASES
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.pairs.distributed import collectives, distributed_call

WORKER = Path(__file__).with_name("rank_worker.py")
ALIKE = r"UsageError: {loss}: the ranks must all call the same loss, with rows of one width and dtype, got {of}"
OTHERS = "(rank 0|ranks 0 and 2 and 3)"
ABLE = "UsageError: {loss}: every rank must be able to take part, got an error on rank 1: {of}"
# What every rank says; where rank 1 says something of its own, the second.
SAID = {
    "width": [ALIKE.format(loss="nca-stable", of=f"{OTHERS}: .*D=3, .*; rank 1: .*D=4, ")],
    "dtype": [ALIKE.format(loss="nca-stable", of=f"{OTHERS}: .*torch.float32.*; rank 1: .*torch.float64")],
    "loss": [ALIKE.format(loss="(nca|sup-con)", of=f"{OTHERS}: nca, .*; rank 1: sup-con, ")],
    "no gradient": [ALIKE.format(loss="nca-stable", of=f"{OTHERS}: .*with a gradient; rank 1: .*without a gradient")],
    "shape": [
        ABLE.format(loss="nca-stable", of=r"embeddings must have shape \(N, D\)"),
        r"UsageError: nca-stable: embeddings must have shape \(N, D\), got shape \(4,\)",
    ],
    "row function": [ABLE.format(loss="fails", of="RuntimeError: out of luck"), "RuntimeError: out of luck"],
    "nan": ["nan, False"],
    "huge": ["True"],
    "nobody": [r"0.0, \(0, 3\)"],
    "no choice": [
        r"1: nca: candidates come from this rank only, out of \d; choose with "
        r"streaming=losszoo.Streaming\(ranks='gather'\), 'ring' or 'local'"
    ],
}


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_get_the_value_and_gradient_of_one_process_and_fail_together(ranks: int, tmp_path: Path) -> None:
    """The gradients of a network under DistributedDataParallel; one launch for all cases, as that takes seconds."""
    found = launched(ranks, tmp_path / "found.json")
    apart = {}
    for name, case in CASES.items():
        most = 1e-6 if case.dtype == torch.float32 else 1e-12
        for way in ("gather", "ring"):
            errors = found.pop(f"{name} | {way}")
            worst = {what: max(error[what] for error in errors) for what in errors[0]}
            apart |= {f"{name} | {way}": worst} if not all(error <= most for error in worst.values()) else {}
    assert apart == {}
    for name, patterns in SAID.items():
        for way in ("gather", "ring"):
            for rank, said in enumerate(found.pop(f"{name} | {way}")):
                assert re.match(patterns[-1 if rank == 1 else 0], said), f"{name}, rank {rank}: {said}"
    assert found == {}


def launched(ranks: int, out: Path) -> dict[str, list[Any]]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(WORKER), str(out)], env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, list[Any]] = json.loads(out.read_text())
    return found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda way: losszoo.create("nca", signature="neighbors", streaming=losszoo.Streaming(ranks=way)),
            r"nca: ranks must be 'local' where the candidates are given \(signature neighbors\), got '",
        ),
        (
            lambda way: losszoo.create("nca", streaming=losszoo.Streaming(ranks=way, dense=True)),
            "nca: ranks must be 'local' with dense=True, got '",
        ),
        (
            lambda way: losszoo.Streaming(ranks=f"{way}ed"),
            "ranks must be one of local, gather, ring, got '",
        ),
    ],
)
@pytest.mark.parametrize("way", ["gather", "ring"])
def test_what_cannot_go_with_all_ranks_is_refused(make: Callable[[str], Any], message: str, way: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(way)


@pytest.mark.parametrize("way", ["gather", "ring", "local"])
def test_one_process_alone_needs_nobody(way: str) -> None:
    rows, labels = torch.randn(6, 3), torch.arange(6) % 2
    alone = losszoo.create("sup-con", streaming=losszoo.Streaming(ranks=way))
    torch.testing.assert_close(alone(rows, labels), losszoo.create("sup-con")(rows, labels))


def test_work_among_ranks_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with pytest.raises(UsageError, match=r"must stay outside of torch\.compile and torch\.func"):
        distributed_call.refuse_tracing()


def test_who_watches_the_operations_sees_the_rows_of_this_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace is drawn by one rank, and must not wait for the others."""
    from losszoo.pairs import pairwise_loss
    from losszoo.tracing.whole_matrix import whole_matrix

    monkeypatch.setattr(pairwise_loss, "world", lambda: collectives.World(0, 2))
    rows, labels = torch.randn(6, 3), torch.arange(6) % 2
    with whole_matrix():
        traced: Tensor = losszoo.create("nca", streaming=losszoo.Streaming(ranks="ring"))(rows, labels)
    torch.testing.assert_close(traced, losszoo.create("nca", streaming=losszoo.Streaming(ranks="local"))(rows, labels))
