"""The tutorial is followed to the letter, in an environment of its own, and makes examples/losszoo-hello."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from doc_blocks import DOCS, ROOT, blocks
from torch import Tensor, nn
from torch.autograd import gradcheck
from workshop import Workshop, kept_in, made_by

import losszoo

PAGES = ("write-a-plugin.md", "more-kinds-of-loss.md", "add-a-task.md")
EXAMPLE = ROOT / "examples" / "losszoo-hello"


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "losszoo-hello", tmp_path / "venv")
    wrong: list[str] = []
    for name in PAGES:
        page = blocks(DOCS / name)
        for block in page:
            wrong += workshop.follow(block)
        wrong += workshop.doctest(page)
    assert not wrong, "\n\n".join(wrong)


def test_the_example_is_what_the_tutorial_makes() -> None:
    assert kept_in(EXAMPLE) == made_by([DOCS / name for name in PAGES])


def hello(target: str) -> Any:
    """``module.attribute`` of the example."""
    module, attribute = target.split(".")
    return getattr(importlib.import_module(f"losszoo_hello.{module}"), attribute)


@pytest.fixture(autouse=True)
def _example_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)


@dataclass(frozen=True)
class Case:
    """A loss of the example, and legal inputs made from predictions (N, 3)."""

    target: str
    signature: str
    inputs: Callable[[Tensor], tuple[Any, ...]]
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.target, *(f"{key}={value}" for key, value in self.params.items())])

    def make(self) -> nn.Module:
        """The loss as losszoo makes it."""
        return losszoo.create(hello(self.target), signature=self.signature, **self.params)


def with_zeros(x: Tensor) -> tuple[Any, ...]:
    return x, torch.zeros_like(x)


def with_labels(x: Tensor) -> tuple[Any, ...]:
    return x, torch.arange(len(x)) % 2


def with_probabilities(x: Tensor) -> tuple[Any, ...]:
    return x, torch.full_like(x, 1 / 3)


def as_maps(x: Tensor) -> tuple[Any, ...]:
    maps = x.reshape(len(x), 1, 1, 3)
    return maps, torch.tensor([0, 1, 1]).expand_as(maps)


CASES = [
    Case("losses.hello_biweight", "regression", with_zeros),
    Case("losses.noise_robust_crossentropy", "multiclass", with_labels),
    Case("losses.noise_robust_crossentropy", "multiclass", with_probabilities, {"q": 1e-3}),
    Case("rows.pull_and_push", "embedding", with_labels),
    Case("rows.pull_and_push", "embedding", with_labels, {"similarity": "euclidean"}),
    Case("learned.LearnedLaplace", "regression", with_zeros, {"scale": 2.0}),
    Case("maps.soft_jaccard", "segmentation", as_maps),
]
# No two alike, none on a kink.
SPREAD = ((0.3, -1.2, 0.8), (1.5, 0.1, -0.4), (-0.7, 0.9, 0.2), (0.6, 0.5, -1.1), (-1.4, 0.35, 0.75))
EXTREMES = {
    "zeros": torch.zeros(6, 3),
    "ties": torch.ones(6, 3),
    "large": torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]]).repeat(3, 1),
    "huge": torch.tensor([[1e30, -1e30, 0.0], [-1e30, 1e30, 0.0]]).repeat(3, 1),
    "tiny": torch.full((6, 3), 1e-30),
    "one row": torch.ones(1, 3),
    "no row": torch.zeros(0, 3),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    loss = case.make().double()
    x = torch.tensor(SPREAD, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: loss(*case.inputs(x)), (x,))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("extreme", EXTREMES)
def test_value_and_gradient_stay_finite(case: Case, extreme: str) -> None:
    x = EXTREMES[extreme].clone().requires_grad_()
    value = case.make()(*case.inputs(x))
    value.backward()
    assert value.isfinite()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("target", "arguments", "params", "expected"),
    [
        # c^2/6 at the cutoff c = 4.685 and beyond; (c^2/6) (1 - (3/4)^3) at c/2.
        ("hello_biweight", ([4.685, 1e30, 2.3425], [0.0, 0.0, 0.0]), {}, [3.658204, 3.658204, 2.114899]),
        # r^2/2 near 0, of which 1 - (1 - v)^3 would keep nothing in float32.
        ("hello_biweight", ([1e-4], [0.0]), {}, [5e-9]),
        # 1 - p at q = 1, with p = 1/2.
        ("noise_robust_crossentropy", ([[0.0, 0.0]], [0]), {"q": 1.0}, [0.5]),
        # 2 (1 - sqrt(p)) at q = 1/2, with p = 1/4.
        ("noise_robust_crossentropy", ([[0.0] * 4], [3]), {"q": 0.5}, [1.0]),
        # Towards q = 0 it is cross-entropy: log 2.
        ("noise_robust_crossentropy", ([[0.0, 0.0]], [1]), {"q": 1e-6}, [0.693147]),
    ],
)
def test_values_are_those_of_closed_forms(
    target: str, arguments: Any, params: dict[str, Any], expected: list[float]
) -> None:
    values = hello(f"losses.{target}")(*map(torch.tensor, arguments), **params)
    torch.testing.assert_close(values, torch.tensor(expected), rtol=1e-5, atol=0.0)
