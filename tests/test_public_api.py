"""What losszoo promises to keep, and the seams that nothing may cross."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import losszoo

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "losszoo").rglob("*.py"))
OFFERS = sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")])

PUBLIC = [
    "__version__",
    *(
        "Batch",
        "Budget",
        "Comparison",
        "DataError",
        "EdgeCase",
        "Examination",
        "Finding",
        "Floats",
        "Guard",
        "Kind",
    ),
    *(
        "KindSpec",
        "Loss",
        "LossSpec",
        "LosszooError",
        "MemoryBank",
        "NonFiniteError",
        "OptionCase",
        "OverBatch",
        "PairedRows",
        "PairwiseLoss",
        "Param",
    ),
    *(
        "Range",
        "Recipe",
        "Replay",
        "RunResult",
        "Setup",
        "Signature",
        "SignatureSpec",
        "Sizes",
        "Source",
        "Split",
    ),
    *(
        "Splits",
        "StepReport",
        "Streaming",
        "Suggestion",
        "SumLoss",
        "Task",
        "TaskSpec",
        "TrainedModel",
        "Tuning",
        "Unreduced",
        "UsageError",
        "Weighed",
    ),
    *(
        "accumulate",
        "checks",
        "compare",
        "create",
        "data_file",
        "differentiable_again",
        "examine",
        "finish",
        "functional",
        "hf_loss",
        "hookimpl",
    ),
    *(
        "list_kinds",
        "list_losses",
        "list_signatures",
        "list_tasks",
        "load_run",
        "load_task",
        "log_odds",
        "loss",
        "losses_in",
        "masked_logsumexp",
    ),
    *(
        "metrics",
        "pairwise",
        "pairwise_logits",
        "parameter_groups",
        "replay",
        "report",
        "run",
        "safe_sqrt",
        "sample_neighbors",
        "sklearn",
    ),
    *("softmax_row", "suggest", "testing", "tune", "watch", "wide"),
]


def test_the_public_names_are_these() -> None:
    assert losszoo.__all__ == PUBLIC
    assert dir(losszoo) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(losszoo, name)
    assert name in ("__version__", "hookimpl") or (value.__doc__ or "").strip()


def test_a_name_that_is_not_public_is_told_the_others() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'craete'; its public names are .*create"):
        losszoo.craete  # noqa: B018


def test_importing_losszoo_and_announcing_losses_does_not_import_torch() -> None:
    code = "import losszoo, sys; losszoo.list_losses(); losszoo.list_tasks(); losszoo.hookimpl; "
    heavy = "print(sorted({'torch', 'numpy', 'sklearn', 'rich', 'pooch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every module that a file imports anywhere in it, with the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.level == 0:  # a relative import stays in its package
            yield node.module or "", [alias.name for alias in node.names]


def test_the_core_imports_no_plugin_and_no_task() -> None:
    crossing = {(path.name, module) for path in CORE for module, _ in imports(path) if module.startswith("losszoo_")}
    assert crossing == set()
    assert len(CORE) > 30


def test_plugins_and_tasks_import_public_names_only() -> None:
    for path in OFFERS:
        for module, names in imports(path):
            if module.split(".")[0] == "losszoo":
                assert module == "losszoo", f"{path} imports {module}"
                assert names, f"{path} imports losszoo whole"
                assert set(names) <= set(PUBLIC), f"{path} imports {names}"
    assert len(OFFERS) > 15


def test_plugins_and_tasks_do_not_import_each_other() -> None:
    for path in OFFERS:
        own = path.relative_to(ROOT).parts[1]
        others = {module for module, _ in imports(path) if module.startswith("losszoo_")}
        assert all(module.split(".")[0] == own for module in others), path


@pytest.mark.parametrize("path", [p for p in OFFERS if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_an_announcement_imports_nothing_heavy(path: Path) -> None:
    light = {"__future__", "losszoo", "math", "collections", "typing", "dataclasses"}
    named = {module for module, _ in imports(path)}
    assert {module if module.startswith("losszoo_") else module.split(".")[0] for module in named} <= light
