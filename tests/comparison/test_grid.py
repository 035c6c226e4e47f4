"""The grid is checked as a whole: every fault in one error, and nothing of torch where names are wrong."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import losszoo
from losszoo import UsageError
from losszoo.comparison.compare_options import DECIDING, FREE, CompareRequest, parse_seeds
from losszoo.comparison.grid import make_grid
from losszoo.training.run_options import Options


def request(**changes: Any) -> CompareRequest:
    asked: dict[str, Any] = {"losses": ["cross-entropy"], "tasks": ["digits"], "seeds": 2, **changes}
    return CompareRequest(**asked)


def refused(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        make_grid(request(**changes))
    return str(caught.value)


def test_the_cells_are_losses_within_seeds_within_tasks() -> None:
    grid = make_grid(request(losses=["bce", "nca"], tasks=["digits", "breast-cancer"], seeds=[3, 7]))
    assert [(cell.task, cell.seed, cell.loss) for cell in grid.cells] == [
        (task, seed, loss) for task in ("digits", "breast-cancer") for seed in (3, 7) for loss in ("bce", "nca")
    ]
    assert grid.notes == ()


def test_a_cell_lies_where_its_task_loss_and_seed_say() -> None:
    """The six digits are those that sha256sum begins with for the text of the loss."""
    (cell,) = make_grid(request(losses=["0.5*bce + nca"], seeds=[7], out=Path("o"))).cells
    assert cell.folder == Path("o/digits/0.5-bce-nca-8e08ee/seed-7")
    assert cell.run_dir == cell.folder / "run"


def test_every_fault_is_in_one_error() -> None:
    said = refused(
        losses=["focl", "mse(delta=", "huber", "cross-entropy", "l2"],
        tasks=["digits", "digits-segmentation", "abalon"],
        seeds=0,
        threads=0,
        options={"epoch": 3, "set": ["model.wdth=3"]},
    )
    for part in (
        "nothing is started, as the grid holds what cannot be run:\n",
        "seeds must be from 1 to 10000, got 0",
        "threads must be a whole number >= 1, got 0",
        "compare has no option 'epoch': did you mean epochs",
        "unknown task 'abalon': did you mean abalone",
        "unknown loss 'focl': did you mean focal",
        "cannot read the loss expression at position 11",
        "cross-entropy is a multiclass loss and does not fit digits-segmentation",
        "a penalty must stand in a sum",
        "has no option 'wdth'",
    ):
        assert part in said, part
    assert said.count("unknown loss 'focl'") == 1


def test_one_fault_stands_alone() -> None:
    assert refused(losses=["focl"]).startswith("unknown loss 'focl'")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"losses": []}, "a comparison must have a loss, got none"),
        ({"tasks": []}, "a comparison must have a task, got none"),
        (
            {"losses": [max]},
            "a loss must be given as text, from which every worker makes it, got a builtin_function_or_method max",
        ),
        ({"seeds": [1, -1]}, r"seeds must be how many, or a list of whole numbers in \[0, 2\^32\), got"),
        ({"seeds": []}, "seeds must be how many"),
        ({"seeds": True}, "seeds must be how many"),
        ({"seeds": 100_000}, "seeds must be from 1 to 10000"),
        ({"options": {"on_nonfinite": "ignore"}}, "on_nonfinite must be one of raise, skip, rollback"),
        ({"options": {"set": ["recipe.lr=0"]}}, "recipe.lr must be in"),
        ({"options": {"set": ["lr=1"]}}, "a setting must start with model"),
        ({"options": {"device": "cuda:77"}}, "device must be one that this machine has"),
        ({"losses": ["nowhere.py:Mine"]}, "there is no file"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_grid(request(**changes))


@pytest.mark.parametrize("text", ["", "x", "3,,7", "-1", "1.5", "3,x"])
def test_seeds_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="seeds must be how many"):
        parse_seeds(text)


def test_members_given_twice_are_compared_once() -> None:
    grid = make_grid(request(losses=["focal(gamma=2)", " focal( gamma = 2 )", "nca"], tasks=["digits", "digits"]))
    assert [cell.loss for cell in grid.cells] == ["focal(gamma=2)", "nca"] * 2
    assert grid.notes == (
        "loss focal( gamma = 2 ) is given twice; it is compared once",
        "task digits is given twice; it is compared once",
    )
    assert len(make_grid(request(seeds=[3, 3, 5])).cells) == 2


def test_the_config_holds_what_decides_the_result(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import torch\n\n\ndef mine(logits, targets):\n    return logits.sum()\n")
    (cell,) = make_grid(
        request(losses=[f"{file}:mine"], seeds=1, options={"set": ["task.split=3"], "epochs": 2}, threads=2)
    ).cells
    config = dict(cell.config)
    assert config.pop("losszoo") == losszoo.__version__
    assert config.pop("torch") == importlib.metadata.version("torch")
    assert list(config.pop("code")) == [str(file)]
    # A network or a metric of the user stands there only where it is given.
    assert config == {
        **{name: value for name, value in DECIDING.items() if name not in ("model", "class_weight", "metric")},
        "loss": f"{file}:mine",
        "task": "digits",
        "seed": 0,
        "threads": 2,
        "set": {"task.split": 3},
        "epochs": 2,
        "plugins": {},
    }
    assert cell.options == {"set": ["task.split=3"], "epochs": 2}


def test_the_order_of_settings_does_not_count() -> None:
    options = [{"set": ["model.width=8", "recipe.lr=0.1"]}, {"set": {"recipe.lr": 0.1, "model.width": 8}}]
    first, second = (make_grid(request(seeds=1, options=o)).cells[0].config for o in options)
    assert first == second


def test_the_options_are_those_of_a_run() -> None:
    """Every option of a run decides its result, decides nothing, or is the comparison's business."""
    fields = {field.name: field.default for field in dataclasses.fields(Options)}
    known = {**DECIDING, **FREE}
    assert known == {name: fields[name] for name in known}
    assert set(fields) - set(known) == {"seed", "out", "run_dir", "checkpoint_seconds", "parts"}


def test_baselines_that_do_not_fit_are_told() -> None:
    grid = make_grid(request(losses=["dice"], tasks=["digits-segmentation"], seeds=1, baselines=True))
    assert len(grid.cells) == 1
    assert "baselines that do not fit digits-segmentation, a segmentation task: logistic-regression" in grid.notes[0]
    grid = make_grid(request(losses=["mse"], tasks=["diabetes"], seeds=3, baselines=True))
    named = [(cell.loss, cell.folder.parts[-2]) for cell in grid.cells if cell.kind == "baseline"]
    assert named == [(name, f"baseline-{name}") for name in ("ridge", "knn", "gradient-boosting")]


def test_a_wrong_name_is_told_before_torch_is_imported() -> None:
    code = (
        "import sys; from losszoo.comparison.grid import make_grid\n"
        "from losszoo.comparison.compare_options import CompareRequest\n"
        "try: make_grid(CompareRequest(['focl'], ['digits']))\n"
        "except Exception as error: print(type(error).__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "UnknownNameError False\n" or done.stdout == "UsageError False\n"
