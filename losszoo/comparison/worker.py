"""What a worker process does with a cell: claims it, computes it or resumes it, and writes its record."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo.common.files import check_no_links, unwritable
from losszoo.common.locks import claim
from losszoo.common.process_memory import Peak
from losszoo.common.text import in_one_line
from losszoo.common.timeouts import Alarm, TimeUpError
from losszoo.comparison.cell import HUNG, Cell, now
from losszoo.comparison.compare_options import FREE
from losszoo.errors import LosszooError, UntrustedError, UsageError


@dataclass(frozen=True)
class WorkerSettings:
    """What holds for all cells of a comparison.

    Args:
        command: identifies it, in the locks.
        home: its working directory, in which relative targets and folders start.
        threads: of torch and BLAS in every cell.
        timeout: seconds for a cell; None for no end.
        data: the folder of the data, where the user named one.
    """

    command: str
    home: str
    threads: int
    timeout: float | None = None
    data: str | None = None


def work_on_request(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """:func:`work` as the job of a :class:`losszoo.common.child_process.ChildProcess`."""
    yield {"record": work(request["cell"], request["settings"])}


def work(cell: Cell, settings: WorkerSettings) -> dict[str, Any] | None:
    """The record of a cell, written down too where that can be done; None where another process computes it."""
    try:
        _settle(settings)
        check_no_links(*cell.folder.parents[:2], cell.folder, cell.run_dir)
        cell.folder.mkdir(parents=True, exist_ok=True)
        with claim(cell.folder, settings.command) as ours:
            record = _claimed(cell, settings) if ours else None
    except (OSError, LosszooError) as error:  # a full disk, a folder that is in use: the next cell may do better
        fault = unwritable(error, cell.folder) if isinstance(error, OSError) else error
        return cell.new_record("failed", error=_told(fault), ended=now())
    if record is not None and record["status"] == "timeout":
        # The exception of the alarm may have come amid an import, which leaves half a module to the next cell.
        os._exit(1)
    return record


def _settle(settings: WorkerSettings) -> None:
    """Once in a process: where it works, where prints go; torch is no part of the first cell."""
    if _settled:
        return
    os.chdir(settings.home)
    if settings.data is not None:
        os.environ.setdefault("LOSSZOO_DATA", settings.data)
    os.dup2(2, 1)  # stdout may be a JSON document
    # One small training, so that what torch and scikit-learn load late is no part of the first cell's cost.
    import torch

    from losszoo.common.interrupt import Interrupt
    from losszoo.common.seeding import isolated
    from losszoo.training.loop import fit
    from losszoo.training.make_plan import make_plan
    from losszoo.training.run_folder.run_folder import NoRecord
    from losszoo.training.run_options import Options

    with contextlib.suppress(Exception), isolated(0, torch.device("cpu")):
        fit(make_plan("nca", "digits", Options(epochs=1), NoRecord()), Interrupt())
    _settled.append(True)


_settled: list[bool] = []


def _claimed(cell: Cell, settings: WorkerSettings) -> dict[str, Any]:
    there = cell.peek()
    fits = there is not None and not cell.differences(there)
    if there is not None and fits and there["status"] == "done":
        return there
    begun = time.perf_counter()
    record = cell.new_record("missing", started=now())
    if not fits:
        _discard(cell.run_dir)
    cell.write(record)  # with the config: what is found half done can be told from what another command began
    peak = Peak()
    record |= _computed(cell, settings)
    record |= {"seconds": round(time.perf_counter() - begun, 3), "peak_memory_mb": peak.megabytes(), "ended": now()}
    cell.write(record)
    return record


def _computed(cell: Cell, settings: WorkerSettings) -> dict[str, Any]:
    """Status, result and error. Whatever is raised is the cell's, and stops no other."""
    alarm = Alarm(settings.timeout, cell.folder / HUNG)
    try:
        with alarm:
            return {"status": "done", "result": _result(cell, settings)}
    except BaseException as error:
        if alarm.rang:
            return {"status": "timeout", "error": timeout_error(settings.timeout, _place(error))}
        if isinstance(error, KeyboardInterrupt):
            return {"status": "missing", "error": {"type": "KeyboardInterrupt", "message": "interrupted"}}
        return {"status": "failed", "error": _told(error)}


def timeout_error(seconds: float | None, place: str) -> dict[str, str]:
    """The error of a cell that did not end."""
    return {"type": "Timeout", "message": f"stopped after {seconds or 0:g} s{f' at {place}' if place else ''}"}


def _place(error: BaseException) -> str:
    """Where it was when the time was up: the line that :func:`in_one_line` puts in brackets."""
    found: BaseException = error
    while not isinstance(found, TimeUpError) and (found.__cause__ or found.__context__):
        found = found.__cause__ or found.__context__ or found
    said = in_one_line(found)
    return said[said.index("(") + 1 : -1] if said.endswith(")") and "(" in said else ""


def _told(error: BaseException) -> dict[str, str]:
    message = str(error) if isinstance(error, LosszooError) else in_one_line(error)
    return {"type": type(error).__name__, "message": message}


def _result(cell: Cell, settings: WorkerSettings) -> dict[str, Any]:
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    # As many threads as were asked for, whatever runs beside this cell: sums are added up in the same order.
    torch.set_num_threads(settings.threads)
    with threadpool_limits(settings.threads):
        if cell.kind == "baseline":
            from losszoo.comparison.baselines import compute

            return compute(cell.loss, cell.given, cell.options)
        if cell.config["code"]:
            from losszoo.training.make_plan import code_of

            # A file that is edited while the grid is computed would give cells of two losses under one name.
            if code_of(cell.loss, cell.options.get("model")) != cell.config["code"]:
                raise UsageError(
                    f"the files of {cell} must stay as it is until all cells are done, got a new one; start again"
                )
        return _run(cell)


def _run(cell: Cell) -> dict[str, Any]:
    """A new run, or the rest of one that was begun."""
    from losszoo.tasks.make_task import needs_code
    from losszoo.training.run import run
    from losszoo.training.run_folder.resume import NotResumableError

    if (cell.run_dir / "config.json").is_file():
        try:
            free = {key: cell.options[key] for key in (*FREE, "model") if key in cell.options}
            own = {"task": cell.given} if needs_code(cell.given) else {}
            return run(cell.loss, resume=cell.run_dir, **own, **free).to_dict()
        except (NotResumableError, UntrustedError):  # damaged, of another version, loss or network: a new run
            pass
    _discard(cell.run_dir)
    return run(cell.loss, cell.given, seed=cell.seed, run_dir=cell.run_dir, **cell.options).to_dict()


def _discard(run_dir: Path) -> None:
    """Remove a run folder.

    Raises:
        UsageError: a living process trains in it, as ``losszoo run --resume`` by hand.
    """
    from losszoo.training.run_folder.run_folder import Record

    if run_dir.is_dir():
        with Record(run_dir).claimed():
            shutil.rmtree(run_dir, ignore_errors=True)
