"""What test_run and test_run_odd_data share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from losszoo import RunResult

Run = Callable[..., RunResult]


def strict_json(path: Path) -> Any:
    """NaN and Infinity are no JSON."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} in {path.name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def history(result: RunResult) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = strict_json(Path(result.run_dir, "history.json"))
    return lines
