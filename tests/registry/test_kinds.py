"""Which signatures a kind of task takes: those that name it, those that it names, its natural one first."""

from __future__ import annotations

import losszoo
from losszoo.registry.registry import Registry


def registry() -> Registry:
    signatures = [
        losszoo.SignatureSpec(name="numbers", target="a:B", arguments=("x", "y"), fits=("rows",)),
        losszoo.SignatureSpec(name="ranks", target="a:B", arguments=("x", "y"), fits=("lists",)),
        losszoo.SignatureSpec(name="weights", target="a:B", arguments=("x",), on_parameters=True),
    ]
    kinds = [
        losszoo.KindSpec(name="rows", target="a:B", natural="numbers", metrics=("m",)),
        losszoo.KindSpec(name="lists", target="a:B", natural="ranks", metrics=("m",), takes=("numbers",)),
    ]
    return Registry(signatures={one.name: one for one in signatures}, kinds={one.name: one for one in kinds})


def test_a_kind_takes_what_it_names_and_what_names_it() -> None:
    assert registry().taken_by("rows") == ("numbers",)
    assert registry().taken_by("lists") == ("ranks", "numbers")
    assert registry().fits("numbers", "lists")
    assert not registry().fits("ranks", "rows")


def test_a_penalty_joins_any_loss_and_fits_no_task_by_itself() -> None:
    assert registry().penalizes("weights")
    assert not registry().fits("weights", "rows")
