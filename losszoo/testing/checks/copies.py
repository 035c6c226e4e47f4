"""Inputs that are left alone, and losses that can be copied, stored and called again."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable

import torch
from torch import nn

from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE
from losszoo.testing.check import check, require
from losszoo.testing.equal import agree, all_equal
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import changed, rows_of, tensors_of, with_leaves


@check()
def check_inputs_untouched(subject: Subject) -> None:
    """A loss changes none of its inputs."""
    inputs = subject.batch()
    before = changed(inputs, torch.clone)
    subject.make()(*inputs)
    same = all_equal(inputs, before)
    require(same, "a loss must not change its inputs", "one that holds other numbers after the call", "work on a copy")


@check()
def check_strides(subject: Subject) -> None:
    """Inputs that are not contiguous in memory give the same value."""
    inputs, loss = subject.batch(), subject.make()
    if TABLE[subject.signature].any_shape and inputs[0].ndim == 1:
        inputs = rows_of(inputs, torch.tensor([[0, 1], [2, 3], [4, 5]]), subject.signature)
    strided = changed(inputs, _strided)
    advice = "use reshape in place of view"
    agree("the value for strided inputs", loss(*strided), "that for the same numbers", loss(*inputs), advice)


def _strided(x: torch.Tensor) -> torch.Tensor:
    """The same numbers in another order of memory, with gaps: no view makes them flat."""
    last_first = x.movedim(0, -1)
    return torch.stack([last_first, last_first], -1)[..., 0].movedim(-1, 0)


@check()
def check_repeatable(subject: Subject) -> None:
    """A second call with the same inputs gives the same value."""
    inputs, loss = subject.batch(), subject.make()
    first, second = loss(*inputs), loss(*inputs)
    advice = "draw no random numbers, and keep no running statistics, in the loss"
    agree("the value of a second call", second, "that of the first", first, advice, rtol=0)


@check()
def check_keeps_nothing(subject: Subject) -> None:
    """After a call the loss holds on to no tensor of the batch."""
    loss = subject.make()
    inputs, _ = with_leaves(subject.batch(), subject.signature)
    references = [weakref.ref(x) for x in tensors_of(inputs)]
    before = len(_loose_tensors(loss))
    loss(*inputs)
    del inputs, _
    if any(reference() is not None for reference in references):
        gc.collect()  # what only a cycle holds is let go sooner or later
    kept = sum(reference() is not None for reference in references) + len(_loose_tensors(loss)) - before
    advice = "keep no tensor on self or in a global: it holds the memory of the whole graph"
    require(kept == 0, "a loss must keep no tensor after the call", f"{kept}", advice)


@check()
def check_deepcopy(subject: Subject) -> None:
    """A deep copy gives the same value."""
    _gives_the_same(subject, copy.deepcopy, "keep on self what can be copied only")


@check()
def check_pickle(subject: Subject) -> None:
    """A loss that was pickled and read again gives the same value."""
    advice = "use functions and classes at the top of a module, no lambda and no local one"
    _gives_the_same(subject, lambda loss: pickle.loads(pickle.dumps(loss)), advice)


def _gives_the_same(subject: Subject, twin_of: Callable[[Loss], Loss], advice: str) -> None:
    inputs, loss = subject.batch(), subject.make()
    try:
        twin = twin_of(loss)
    except Exception as error:  # pickle raises whatever the object's own hooks raise
        require(
            False,
            "a loss must be one that can be copied and pickled",
            f"the error {type(error).__name__}: {error}",
            advice,
        )
    agree("the value of the copy", twin(*inputs), "that of the loss", loss(*inputs), advice, rtol=0)


@check()
def check_state_dict(subject: Subject) -> None:
    """What a loss learns is in its state_dict: loaded into a new one, it gives the same value."""
    trained, inputs = subject.make(), subject.batch()
    loose = [name for name, x in _loose_tensors(trained) if x.requires_grad]
    advice = "make it an nn.Parameter, or register_buffer it"
    require(not loose, "what is learned must be a parameter", f"{', '.join(loose)} as a plain tensor", advice)
    state = trained.state_dict()
    if not state:
        raise NotApplicable("it has no state")
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.125)
    stored = io.BytesIO()
    torch.save(state, stored)
    stored.seek(0)
    other = subject.make()
    other.load_state_dict(torch.load(stored, weights_only=True))
    agree("the value after loading the state", other(*inputs), "that before", trained(*inputs), advice, rtol=0)


def _loose_tensors(loss: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Tensors that stand on a module as plain attributes."""
    return [
        (f"{path}.{name}".lstrip("."), value)
        for path, module in loss.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    ]
