"""Where a number first stopped being finite: operation and line, forward and backward."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo.tracing.first_nonfinite import first_non_finite
from losszoo.training.models import trunks

ZEROS = torch.zeros(3, requires_grad=True)


def where(step: Callable[[], Tensor]) -> tuple[str, str | None]:
    found = first_non_finite(step)
    assert found is not None
    return found.op, found.source


def log_of_zero() -> Tensor:
    return ZEROS.log().sum()


def zero_by_zero() -> Tensor:
    return (ZEROS / ZEROS).sum()


def overflow() -> Tensor:
    return (ZEROS + 100).exp().sum()


def empty_softmax() -> Tensor:
    nobody = ZEROS.masked_fill(torch.ones(3, dtype=torch.bool), -torch.inf)
    return nobody.softmax(0).sum()


def root_of_zero() -> Tensor:
    return ZEROS.square().sum().sqrt()


def infinite_slope() -> Tensor:
    return (ZEROS + 0).sqrt().sum()


def masked_logarithm() -> Tensor:
    kept = torch.where(ZEROS > 0, ZEROS.log(), 0.0)  # finite, but not its gradient: 0 / 0
    return kept.sum()


def filled_in() -> Tensor:
    scores = torch.full((2,), -torch.inf).where(torch.tensor([True, False]), ZEROS[:2])
    return scores.logsumexp(0) / ZEROS[0]


@pytest.mark.parametrize(
    ("step", "op", "line"),
    [
        (log_of_zero, "log", 1),
        (zero_by_zero, "div", 1),
        (overflow, "exp", 1),
        (empty_softmax, "softmax", 2),
        # Finite forward: 0.5 / sqrt(0) is infinite before 2 * 0 makes it NaN.
        (root_of_zero, "sqrt", 1),
        (infinite_slope, "sqrt", 1),
        (masked_logarithm, "log", 1),
        (filled_in, "div", 2),
    ],
)
def test_operation_and_line(step: Callable[[], Tensor], op: str, line: int) -> None:
    assert where(step) == (op, f"test_trace.py:{step.__code__.co_firstlineno + line}")
    assert not torch.is_anomaly_enabled()


def test_nothing_is_found_in_a_healthy_step() -> None:
    assert first_non_finite(lambda: (ZEROS + 1).log().sum()) is None


def test_the_line_of_a_loss_is_its_authors() -> None:
    import losszoo_plugins.nca.exhibits as exhibits

    embeddings = torch.tensor([[0.0], [1.0], [1e4], [2e4]], requires_grad=True)
    loss = losszoo.create("nca-ratio")
    origin = first_non_finite(lambda: loss(embeddings, torch.tensor([0, 1, 0, 1])))
    assert origin is not None
    assert origin.source is not None
    file, number = origin.source.split(":")
    assert file == "exhibits.py"
    assert "/" in inspect.getsource(exhibits).splitlines()[int(number) - 1]


def test_a_trunk_has_a_line_too() -> None:
    trunk = trunks.build_trunk("linear", (2,), dim=1)
    nn.init.constant_(trunk.body[1].weight, 3e38)
    origin = first_non_finite(partial(trunk, torch.ones(1, 2)))
    assert origin is not None
    assert origin.op == "linear"
    assert origin.source is not None
    assert origin.source.startswith("trunks.py:")


def test_code_that_was_generated_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    # A script: what is called <string> was made by exec(). Workers of pytest are started by python -c.
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "train.py", raising=False)
    made: dict[str, Callable[[Tensor], Tensor]] = {}
    exec("def logarithm(x):\n    return x.log()", {}, made)

    def step() -> Tensor:
        return made["logarithm"](ZEROS).sum()

    assert where(step) == ("log", f"test_trace.py:{step.__code__.co_firstlineno + 1}")


@functools.singledispatch
def logarithm(x: object) -> Tensor:
    raise NotImplementedError


logarithm.register(Tensor, torch.log)


def handed_on() -> Tensor:
    return logarithm(ZEROS).sum()


def test_a_line_of_python_itself_is_nobodys() -> None:
    """It is functools that calls log, and its line says nothing of the loss."""
    assert where(handed_on) == ("log", f"test_trace.py:{handed_on.__code__.co_firstlineno + 1}")


def test_a_network_that_fails_in_a_run_is_named_by_its_own_line(tmp_path: Path) -> None:
    """The model is called by a functools.cached_property, whose line was named."""
    result = losszoo.run("nca-stable", "digits", epochs=1, out=tmp_path, set={"recipe.lr": 1e30})
    first = result.guard["first"]
    assert first["op"] == "conv2d"
    assert first["source"].startswith("trunks.py:")
