"""An error says to programs, too, which argument of a loss breaks its rule."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

import losszoo

ROWS = torch.zeros(3), torch.ones(3)

CASES: dict[str, tuple[str, Callable[[], Any]]] = {
    "an input of a wrong type": ("predictions", lambda: losszoo.create("focal")([0.0], torch.ones(1))),
    "a number out of range": ("targets", lambda: losszoo.create("focal")(torch.zeros(1), torch.tensor([2.0]))),
    "a list for weights": ("weight", lambda: losszoo.create("focal")(*ROWS, weight=[1.0])),
    "a weight of another shape": ("weight", lambda: losszoo.create("focal")(*ROWS, weight=torch.ones(2))),
    "a negative weight": ("weight", lambda: losszoo.create("focal")(*ROWS, weight=-torch.ones(3))),
    "numbers for a mask": ("mask", lambda: losszoo.create("focal")(*ROWS, mask=torch.ones(3))),
    "a negative denominator": ("denominator", lambda: losszoo.create("focal")(*ROWS, denominator=-1)),
    "a text for a denominator": ("denominator", lambda: losszoo.create("focal")(*ROWS, denominator="x")),
    "a hyperparameter": ("gamma", lambda: losszoo.create("focal", gamma=-1)),
    "an unknown one": ("gama", lambda: losszoo.create("focal", gama=1)),
    "an unknown one of a class": ("gama", lambda: losszoo.create(torch.nn.MSELoss, signature="regression", gama=1)),
    "a reduction": ("reduction", lambda: losszoo.create("focal", reduction="average")),
    "what an empty batch gives": ("empty", lambda: losszoo.create("focal", empty="nothing")),
    "a name that is no argument": ("", lambda: losszoo.create("no-such-loss")),
}


@pytest.mark.parametrize("case", CASES)
def test_the_argument_is_named(case: str) -> None:
    argument, call = CASES[case]
    with pytest.raises(losszoo.UsageError) as caught:
        call()
    assert caught.value.argument == argument
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.argument) == (type(caught.value), str(caught.value), argument)
