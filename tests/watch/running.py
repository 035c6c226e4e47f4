"""Scripts under ``losszoo watch``, each in a process that is forked from one that holds torch already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
_HELD = ["torch", "torch._dynamo", "losszoo.watching.patches", "losszoo.doctor.diagnose"]


@cache
def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_HELD)
    return context


def watched(
    script: Path, folder: Path, on_nonfinite: str = "raise", arguments: Sequence[str] = ()
) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """The script's exit code, what was told, and the document at the end."""
    answers = _context().Queue()
    process = _context().Process(target=_work, args=(str(script), str(folder), on_nonfinite, list(arguments), answers))
    process.start()
    code, records = answers.get(timeout=300)
    process.join()
    return code, records[:-1], records[-1]["end"]


def _work(script: str, folder: str, on_nonfinite: str, arguments: list[str], answers: Any) -> None:
    from losszoo.watching.process.script_child import run_here

    os.chdir(folder)
    records: list[dict[str, Any]] = []
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        settings = {"on_nonfinite": on_nonfinite, "out": str(Path(folder) / "out")}
        code = run_here(script, arguments, settings, records.append)
    answers.put((code, records))


def faults(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The faults among what was told."""
    return [record["fault"] for record in records if "fault" in record]
