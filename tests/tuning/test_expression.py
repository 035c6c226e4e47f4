"""Expressions with searched parameters: labels, keys, and the text that is written back."""

from __future__ import annotations

from typing import Any

import pytest

from losszoo.registry.expressions import parse
from losszoo.tuning.expression import Expression


@pytest.mark.parametrize(
    ("text", "values", "written"),
    [
        ("focal", {"loss.gamma": 1.3}, "focal(gamma=1.3)"),
        ("focal(alpha=0.3)", {"loss.gamma": 1.3}, "focal(alpha=0.3, gamma=1.3)"),
        ("focal(gamma=2)", {"loss.gamma": 1.3}, "focal(gamma=1.3)"),
        ("focal(gamma=2)", {}, "focal(gamma=2)"),
        ("0.7*bce + 0.3*dice", {"loss.dice.smooth": 0.5, "weight.bce": 2.0}, "2*bce + 0.3*dice(smooth=0.5)"),
        ("2*focal", {"loss.focal.gamma": 0.1}, "2*focal(gamma=0.1)"),
        ("focal + focal", {"loss.focal-2.gamma": 0.1}, "focal + focal(gamma=0.1)"),
        ("bce - 0.1*l2", {"weight.l2": -0.5}, "bce - 0.5*l2"),
        ("modern-nca", {"loss.similarity": "cosine"}, "modern-nca(similarity=cosine)"),
        ("uncertainty(bce, dice)", {"loss.dice.smooth": 3.0}, "uncertainty(bce, dice(smooth=3.0))"),
        ("linear(0, 1, epochs=5)*bce + dice", {"weight.bce": 3.0}, "3*linear(0, 1, epochs=5)*bce + dice"),
        ("./my file.py:Mine + bce".replace(" file", "file"), {"loss.Mine.x": 1}, "./myfile.py:Mine(x=1) + bce"),
        ("a.b:focal + focal", {"loss.focal-2.gamma": 0.5}, "a.b:focal + focal(gamma=0.5)"),
    ],
)
def test_values_are_written_into_the_text(text: str, values: dict[str, Any], written: str) -> None:
    assert Expression(text).with_values(values) == written
    assert parse(written), "and it can be read again"


def test_every_digit_is_written() -> None:
    value = 0.1 + 0.2
    (term,) = parse(Expression("focal").with_values({"loss.gamma": value}))
    assert term.call.arguments["gamma"] == value


def test_labels_of_the_same_loss_are_numbered() -> None:
    assert list(Expression("focal + bce + focal + uncertainty(focal, bce)").terms) == [
        *("focal", "bce", "focal-2", "focal-3", "bce-2"),
    ]


def test_a_loss_named_like_a_number_of_another_keeps_its_name() -> None:
    """nca and nca-stable share letters, and nothing else."""
    assert list(Expression("nca + nca-stable + nca + nca-stable").terms) == [
        *("nca", "nca-stable", "nca-2", "nca-stable-2"),
    ]


@pytest.mark.parametrize(("text", "alone"), [("focal", True), ("2*focal", False), ("focal + l2", False)])
def test_a_single_loss_has_the_keys_of_set(text: str, alone: bool) -> None:
    assert Expression(text).alone is alone
    assert Expression(text).key("focal", "gamma") == ("loss.gamma" if alone else "loss.focal.gamma")
