"""``losszoo.compare``: many losses on many tasks with many seeds."""

from __future__ import annotations

import contextlib
import math
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from losszoo.common.files import made_folder, unwritable, write_json
from losszoo.common.locks import check_locks
from losszoo.common.text import some_of
from losszoo.comparison.cell import Cell
from losszoo.comparison.compare_options import CompareRequest
from losszoo.comparison.compare_progress import Standing, Watch
from losszoo.comparison.comparison import Comparison, make_table, ranks_of
from losszoo.comparison.existing_cells import done_already
from losszoo.comparison.grid import Grid, make_grid
from losszoo.comparison.pool import check_pool, open_pool
from losszoo.comparison.schedule import Schedule
from losszoo.comparison.worker import WorkerSettings
from losszoo.errors import UsageError
from losszoo.tasks.metric_choice import metrics_of
from losszoo.training.evaluation.one_class import told_of_one_class

DOCUMENT = "comparison.json"
# What the document says of the command, beside the options of the runs.
_SHOWN = ("jobs", "backend", "address", "timeout", "threads", "baselines")


def compare(
    losses: Sequence[str],
    tasks: Sequence[str],
    seeds: int | Sequence[int] = 5,
    *,
    baselines: bool = False,
    jobs: int | None = None,
    backend: str = "local",
    address: str | None = None,
    timeout: float | None = None,
    threads: int = 1,
    out: str | Path = "comparisons",
    fresh: bool = False,
    on_progress: Callable[[Standing], None] | None = None,
    on_grid: Callable[[Grid], None] | None = None,
    **options: Any,
) -> Comparison:
    """Train every loss on every task with every seed, and compare the test metrics.

    Every run is a cell, computed by a worker process and written to a file of its own. Called again with the same
    ``out``, only what is missing or has failed is computed. One bad cell stops no other.

    Args:
        losses: names, expressions or targets (file.py:MyLoss), as text.
        tasks: names.
        seeds: how many (0, 1, ...), or which.
        baselines: compute those of scikit-learn on the same rows.
        jobs: cells at a time, >= 1; None is one, and with Ray as many as the cluster has CPUs.
        backend: "local", or "ray" for a cluster.
        address: of the Ray cluster, HOST:PORT; None starts one on this machine.
        timeout: seconds that a cell may take, > 0.
        threads: of torch in every cell. The same for any number of jobs, so that the results are too.
        out: folder of the comparison.
        fresh: compute anew the cells that were made with another config, instead of refusing them.
        on_progress: called from a thread when a cell begins or ends.
        on_grid: called once with the grid, after all checks and before anything is computed.
        options: of :func:`losszoo.run`: set, epochs, class_weight, model, metric, clip_norm, clip_value, clip,
            on_nonfinite, accumulate, precision, compile, device, signature, expects, tensorboard, mlflow.

    Returns:
        Cells, tables and ranks. Cells without a result are its ``failures``; nothing is raised for them.

    Raises:
        UsageError: anything that cannot be, all of it in one list, before anything starts.
        KeyboardInterrupt: what is done is kept, and the same call goes on.

    Example:
        >>> import tempfile
        >>> found = compare(["cross-entropy"], ["digits"], seeds=1, epochs=1, out=tempfile.mkdtemp())
        >>> [(row.loss, row.n, row.asked) for row in found.tables["digits"]]
        [('cross-entropy', 1, 1)]
    """
    started = time.perf_counter()
    options = {key: value for key, value in options.items() if value is not None}
    if "class_weight" in options:
        from losszoo.training.data.class_weight import as_text

        options["class_weight"] = as_text(options["class_weight"])
    request = CompareRequest(
        losses, tasks, seeds, baselines, jobs, backend, address, timeout, threads, Path(out), options
    )
    _check_workers(request)
    request = replace(request, out=_folder(out))
    grid = make_grid(request)
    notes = list(grid.notes)
    records = done_already(grid.cells, request.out, fresh, notes)
    if on_grid is not None:
        on_grid(grid)
    todo = [cell for cell in grid.cells if cell not in records]
    try:
        records |= _computed(todo, len(records), request, on_progress)
    except KeyboardInterrupt:
        done = sum((cell.peek() or {}).get("status") == "done" for cell in grid.cells)
        kept = f"{done} of {len(grid.cells)} cells are done and kept in {request.out}"
        raise KeyboardInterrupt(f"interrupted: {kept}; the same command computes the others") from None
    members = grid.members
    ordered = {cell: records[cell] for cell in grid.cells}
    asked = options.get("metric", ())
    tables = {
        task.name: make_table(task, ordered, members.seeds, [m.name for m in metrics_of(task, asked)[1:]])
        for task in members.tasks
    }
    notes += _of_one_class(ordered.values())
    comparison = Comparison(
        tasks=members.tasks,
        losses=members.losses,
        seeds=members.seeds,
        out=str(request.out),
        options={name: getattr(request, name) for name in _SHOWN} | options,
        cells=[{**record, "folder": str(cell.folder)} for cell, record in ordered.items()],
        tables=tables,
        ranks=ranks_of(tables, members.tasks),
        notes=notes,
        seconds=round(time.perf_counter() - started, 3),
    )
    # The document says nothing that the cells do not, so a full disk is no failure.
    with contextlib.suppress(OSError):
        write_json(request.out / DOCUMENT, comparison.to_dict())
    return comparison


def _of_one_class(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A note for each loss that predicts one class for every row: of which seeds."""
    groups: dict[tuple[str, str, str], dict[int, Mapping[str, Any]]] = {}
    for record in records:
        found = (record["result"] or {}).get("one_class")
        if found:
            groups.setdefault((record["loss"], record["task"], found["name"]), {})[record["seed"]] = found
    for (loss, task, _), seeds in groups.items():
        largest = max(seeds.values(), key=lambda found: found["share"])
        yield f"{loss} on {task}, seed {some_of(list(seeds))}: {told_of_one_class(largest)}"


def _check_workers(request: CompareRequest) -> None:
    """What computes the cells must be there.

    Raises:
        UsageError: jobs, timeout, backend or address.
    """
    jobs, timeout = request.jobs, request.timeout
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise UsageError(f"jobs must be a whole number >= 1, got {jobs!r}")
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        raise UsageError(f"timeout must be a number of seconds > 0, got {timeout!r}")
    check_pool(request.backend, request.address)


def _folder(out: str | Path) -> Path:
    """The folder of the comparison, made where it is not there.

    Raises:
        UsageError: it cannot be made, or processes cannot share it.
    """
    if not str(out).strip():
        raise UsageError(f"out must be the path of a folder, got {str(out)!r}")
    folder = made_folder(out)
    try:
        check_locks(folder)
    except OSError as error:
        raise unwritable(error, folder) from error
    return folder


def _computed(
    todo: list[Cell], done: int, request: CompareRequest, on_progress: Callable[[Standing], None] | None
) -> dict[Cell, dict[str, Any]]:
    if not todo:
        return {}
    data = os.environ.get("LOSSZOO_DATA")
    settings = WorkerSettings(uuid.uuid4().hex, os.getcwd(), request.threads, request.timeout, data)
    workers = open_pool(request.backend, request.jobs, len(todo), request.address)
    with workers as pool, Watch(todo, done, settings.command, on_progress):
        return Schedule(pool, settings).run(todo)
