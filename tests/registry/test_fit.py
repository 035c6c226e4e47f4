"""Which loss fits which task, and what the refusal says."""

from __future__ import annotations

import pytest

from losszoo import UsageError
from losszoo.registry.compatibility import check_fit, example_for, losses_for, tasks_for
from losszoo.registry.expressions import parse
from losszoo.registry.registry import Registry, installed


@pytest.mark.parametrize(
    ("loss", "task", "said"),
    [
        (
            "dice",
            "diabetes",
            "dice is a segmentation loss and does not fit diabetes, a regression task; it fits digits-seg",
        ),
        ("dice", "diabetes", "diabetes takes losses of regression, .*, such as "),
        ("mse + sup-con", "diabetes", "sup-con is an embedding loss"),
        ("2*(mse + 0.1*dice)", "diabetes", "dice is a segmentation loss"),
        ("uncertainty(mse, dice)", "diabetes", "dice is a segmentation loss"),
        ("cross-entropy", "digits-views", "does not fit digits-views, a views task; .*such as info-nce"),
        ("l2", "digits", r"a penalty must stand in a sum .*got l2 alone; try \S+ \+ 1e-4\*l2"),
        ("l1 + l2", "digits", r"got l1 \+ l2 alone"),
        ("uncertainty(l2)", "digits", "got l2 alone"),
        (
            "uncertainty",
            "digits",
            r"uncertainty must have losses inside, .*uncertainty\(loss, another loss\)",
        ),
        ("focl", "digits", "unknown loss 'focl': did you mean focal"),
        ("uncertanty(bce)", "digits", "unknown loss 'uncertanty': did you mean uncertainty"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(loss: str, task: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_fit(installed(), parse(loss), installed().task(task))


@pytest.mark.parametrize(
    ("loss", "task"),
    [
        ("cross-entropy + 1e-4*l2", "digits"),
        ("uncertainty(mse, huber)", "diabetes"),
        ("./my.py:Mine", "digits-views"),
        ("l2 + my.mod:mine", "digits"),
    ],
)
def test_what_fits_passes(loss: str, task: str) -> None:
    check_fit(installed(), parse(loss), installed().task(task))


def test_the_tables_agree() -> None:
    registry = installed()
    assert all(registry.taken_by(kind)[0] == spec.natural for kind, spec in registry.kinds.items())
    assert set(registry.taken_by("binary")) > {"binary", "multiclass", "regression", "embedding"}
    for task in registry.tasks.values():
        assert example_for(registry, task) in losses_for(registry, task)
    for name, loss in registry.losses.items():
        assert all(name in losses_for(registry, registry.task(task)) for task in tasks_for(registry, loss.signature))
    assert tasks_for(registry, "penalty") == []
    assert example_for(Registry(), registry.task("digits")) == "a loss"
