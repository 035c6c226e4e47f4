"""The doctor's numbers, on a collection of defects and controls that it is given one ordinary input of each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
import torch
from collection import CASES, CONTROLS

import losszoo

pytestmark = pytest.mark.sweep

# However busy the machine is: effort ends it.
LONG = 3600.0


def _examine_case(index: int) -> tuple[list[tuple[str | None, bool | None]], bool]:
    """Operation and remedy of each finding; whether a note tells a fault, where nothing says that -inf comes in."""
    torch.set_num_threads(1)
    case = CASES[index]
    examination = losszoo.examine(case.loss, example=case.inputs, dtypes=(case.dtype,), budget=LONG)
    noted = any("it is a fault only if classes are excluded" in note for note in examination.notes)
    return [(finding.op, finding.verified) for finding in examination.findings], noted


def _examine_control(index: int) -> list[tuple[str, str | None, str]]:
    torch.set_num_threads(1)
    _, loss, inputs = CONTROLS[index]
    return [(f.symptom, f.op, f.probe) for f in losszoo.examine(loss, example=inputs, budget=LONG).findings]


def _all(function: Any, count: int) -> list[Any]:
    # Forked after torch has started its threads, a process may hang.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(function, range(count)))


def test_defects_are_found_blamed_and_cured() -> None:
    answers = _all(_examine_case, len(CASES))
    found = [(case, answer) for case, (answer, _) in zip(CASES, answers, strict=True) if answer]
    blamed = [case.name for case, answer in found if any(op in case.ops for op, _ in answer)]
    first = [case.name for case, answer in found if answer[0][0] in case.ops]
    cured = [case.name for case, answer in found if any(verified for _, verified in answer)]
    missed = [case.name for case, (answer, noted) in zip(CASES, answers, strict=True) if not (answer or noted)]
    assert len(missed) <= 0.05 * len(CASES), missed
    assert len(blamed) >= 0.90 * len(found), sorted({case.name for case, _ in found} - set(blamed))
    assert len(first) >= 0.85 * len(found), sorted({case.name for case, _ in found} - set(first))
    assert len(cured) >= 0.50 * len(found)


def test_healthy_losses_are_left_alone() -> None:
    answers = _all(_examine_control, len(CONTROLS))
    accused = {name: answer for (name, _, _), answer in zip(CONTROLS, answers, strict=True) if answer}
    assert accused == {}


def _documents(names: Sequence[str]) -> list[dict[str, Any]]:
    """What the doctor says of some of the losses, without the seconds."""
    torch.set_num_threads(1)
    found = [(c.loss, c.inputs, (c.dtype,)) for c in CASES if c.name in names]
    said = [losszoo.examine(loss, example=inputs, dtypes=dtypes, budget=LONG) for loss, inputs, dtypes in found]
    return [{**examination.to_dict(), "seconds": 0.0} for examination in said]


BUSY = "while True: sum(range(10**6))"


def test_beside_two_busy_processes_every_finding_is_the_same() -> None:
    names = [case.name for case in CASES[:: len(CASES) // 40]][:40]
    alone = _documents(names)
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
    try:
        assert _documents(names) == alone
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert len(alone) == 40
