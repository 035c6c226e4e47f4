"""An examination, as a process of its own makes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from losszoo.common.process_memory import bound_data
from losszoo.common.text import in_one_line, kind_name
from losszoo.common.timeouts import Allowance, TimeUpError, alarm
from losszoo.doctor.examine import examine, within
from losszoo.doctor.journal import keeping
from losszoo.doctor.report.examination import Examination, undecided
from losszoo.errors import LosszooError, UsageError
from losszoo.registry.import_target import resolve
from losszoo.tracing.authors import raised_at

# Bytes beyond the start. What is tried is chosen to hold half of it; this is for what cannot be foreseen.
MEMORY = 1_800_000_000


def examination(request: Mapping[str, Any]) -> Iterator[Examination]:
    """The examination that was asked for.

    Args:
        request: "target", "example" (a target, or None), "options" of :func:`losszoo.examine`, and "journal", a folder.

    Raises:
        LosszooError: what ``losszoo.examine`` raises.
    """
    began = time.monotonic()
    target, options = request["target"], dict(request["options"])
    budget = options["budget"]
    bound_data(MEMORY)
    try:
        with keeping(request["journal"]), alarm(budget, computed=True):
            allowance = Allowance(budget)
            example = example_of(request["example"])
            options["budget"] = max(budget - allowance.computed, budget / 100)
            found = examine(target, example=example, **options)
    except TimeUpError as ended:
        said = f"{late(budget)}, before one ordinary call had returned{within(raised_at(ended))}"
        found = undecided(target, said, budget)
    except LosszooError:
        raise
    except Exception as error:
        said = f"the doctor itself has failed: {_with_place(error)}"
        found = undecided(target, said, time.monotonic() - began, error=said)
    yield found


def late(budget: float) -> str:
    """Why nothing more is known."""
    return f"stopped after {budget:g} s, the time limit (--budget)"


def example_of(target: str | None) -> Callable[[], Any] | None:
    """The user's function that makes an ordinary input."""
    example = None if target is None else resolve(target)
    if not (example is None or callable(example)):
        raise UsageError(f"example must be a function without arguments, got {target}, {kind_name(example)}")
    return example


def _with_place(error: Exception) -> str:
    """The error with the innermost line of its traceback: here it is one of ours."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{in_one_line(error)}{place}"
