"""Losses as textbooks and tutorials write them, each in a file with an ordinary input: the doctor accuses none."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

import losszoo

pytestmark = pytest.mark.sweep

FILES = sorted(Path(__file__).with_name("textbook").glob("*.py"))
LONG = 3600.0


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _accused(path: Path) -> list[tuple[str, str | None, str | None, str]]:
    torch.set_num_threads(1)
    module = _module(path)
    findings = losszoo.examine(module.loss, example=module.example, budget=LONG).findings
    return [(finding.symptom, finding.op, finding.source, finding.probe) for finding in findings]


def test_no_loss_of_a_textbook_is_accused() -> None:
    assert len(FILES) >= 100
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        answers = dict(zip((path.stem for path in FILES), pool.map(_accused, FILES), strict=True))
    assert {name: answer for name, answer in answers.items() if answer} == {}
