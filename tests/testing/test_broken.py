"""Every rule of the suite finds the losses that break it, and lets one that breaks none pass."""

from __future__ import annotations

import broken
import pytest
from broken import ANNOUNCED, CASES, Case, sound

import losszoo
from losszoo import testing
from losszoo.registry.plugin import Origin
from losszoo.registry.registry import installed


@pytest.fixture
def _ill_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered loss whose announcement has another default than the function, and a range with a pole."""
    spec = losszoo.LossSpec(
        name=ANNOUNCED,
        target="broken:divided",
        signature="regression",
        summary="An announcement that is wrong.",
        formula="x",
        reference="none",
        params=(losszoo.Param(name="scale", default=2.0, range=(0.0, float("inf")), bounds="[)"),),
    )
    monkeypatch.setitem(installed().losses, spec.name, spec)
    monkeypatch.setitem(installed().origins, ("loss", spec.name), Origin("tests", "tests", "0"))


@pytest.mark.usefixtures("_ill_announced")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_finds_a_loss_that_breaks_it(case: Case) -> None:
    subject = testing.subject_of(case.target, signature=case.signature)
    check = {check.name: check for check in testing.list_checks()}[case.check]
    with pytest.raises(testing.ConformanceError, match=rf"(?s){case.check}\[.*\]: .*{case.said}"):
        check(subject)


def test_every_rule_is_broken_by_some_loss() -> None:
    assert {check.name for check in testing.list_checks()} == {case.check for case in CASES}


def test_a_sound_loss_breaks_no_rule() -> None:
    report = testing.check_loss(sound, signature="regression")
    assert not report.failed
    assert set(report.skipped) == {
        "check_rows_independent",
        "check_state_dict",
        "check_shrinking",
        "check_announced_parameters",
        "check_legal_options",
        "check_signature_options",
    }


def test_what_is_remembered_is_let_go() -> None:
    broken._LAST.clear()
    testing.check_keeps_nothing(testing.subject_of(sound, signature="regression"))
