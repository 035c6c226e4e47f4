"""What the tests of hostile files share: every form of code in a config, and files that hold it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from click.testing import Result

from losszoo.common.files import save_atomically, write_json

TASK = "breast-cancer"
EVIL = """
import pathlib
pathlib.Path("marked").touch()
import torch
class Loss(torch.nn.Module):
    def forward(self, predictions, targets):
        return (predictions - targets) ** 2
    class Inner:
        def __call__(self, predictions, targets):
            return predictions - targets
"""
POPEN = 'subprocess:Popen(args="touch marked", shell=true)'
LOSSES = {
    "class": POPEN,
    "in a sum": f"0.5*bce + 0.5*{POPEN}",
    "in brackets": f"2*(bce + 3*(bce + {POPEN}))",
    "in a combiner": f"uncertainty(bce, {POPEN})",
    "in two combiners": f"uncertainty(bce, uncertainty(bce, {POPEN}))",
    "as a combiner": 'subprocess:Popen(bce, bce, args="touch marked", shell=true)',
    "scheduled": f"linear(0, 1, epochs=3)*{POPEN} + bce",
    "of weight 0": f"bce - 0*{POPEN}",
    "with spaces": f"bce\n\t+ {POPEN} ",
    "file": "evil.py:Loss",
    "file with a dot": "./evil.py:Loss",
    "file above": "../{folder}/evil.py:Loss",
    "file by its whole path": "{path}/evil.py:Loss",
    "file of the user": "~/evil.py:Loss",
    "file with a space": '"my evil.py:Loss"',
    "part of a class": "evil.py:Loss.Inner",
    "module": "evil:Loss",
    "module that is gone": "evil:Nothing",
    "function": 'importlib:import_module(name="evil")',
    "builtin": "builtins:exec + bce",
    "system": "os:system",
    "dotted": "evil.Loss",
}
# Of other parts of a config than its loss.
PARTS: dict[str, dict[str, Any]] = {
    "task": {"task": "evil.py:Loss"},
    "task of a module": {"task": "evil:Loss"},
    "trunk": {"trunk": "evil.py:Loss"},
    "trunk above": {"trunk": "../../evil.py:Loss"},
    "model": {"model": {"trunk": "evil:Loss", "dim": POPEN}},
    "signature": {"signature": "evil:Loss"},
    "expects": {"expects": POPEN},
    "task options": {"task_options": {"split": 0, "evil:Loss": 1}},
    "split": {"task_options": {"split": "evil.py:Loss"}},
    "loss options": {"loss_options": {"signature": "evil:Loss"}},
    "loss options by name": {"loss_options": {"evil:Loss": POPEN}},
    "optimizer": {"recipe": {"optimizer": POPEN}},
    "no text": {"loss": ["evil.py:Loss"]},
    "object": {"loss": "evil:Loss", "loss_is_object": True},
    "code": {"loss": "evil.py:Loss", "code": {"evil.py": "{hash}"}},
}
FORMS: dict[str, dict[str, Any]] = {**{name: {"loss": text} for name, text in LOSSES.items()}, **PARTS}
Cli = Callable[..., Result]


def form(name: str) -> dict[str, Any]:
    """The changes of a config, made for the working directory."""
    digest = hashlib.sha256(EVIL.encode()).hexdigest()
    text = json.dumps(FORMS[name]).replace("{folder}", Path.cwd().name).replace("{path}", str(Path.cwd()))
    changes: dict[str, Any] = json.loads(text.replace("{hash}", digest))
    return changes


def hostile_bundle(honest: Path, path: str, changes: dict[str, Any]) -> str:
    content = torch.load(next(honest.glob("bundles/*.pt")), weights_only=True)
    content["config"] |= changes
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_atomically(Path(path), content)
    return path


def hostile_run(honest: Path, path: str, changes: dict[str, Any]) -> str:
    shutil.copytree(honest, path)
    config = json.loads(Path(path, "config.json").read_text())
    write_json(Path(path, "config.json"), {**config, **changes})
    return path


def refused(answer: Result) -> str:
    """The sentence of a command that was refused."""
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert answer.exit_code == 2, answer.output
    assert "Traceback" not in answer.output
    assert answer.stderr.startswith("error: ")
    return answer.stderr


def opened(name: str) -> Any:
    """A study, read anew: what has ended is read once, and kept."""
    import optuna

    (database,) = Path("tunings").glob("*.db")
    return optuna.load_study(study_name=name, storage=f"sqlite:///{database}")


def tune(cli: Cli, trials: int = 1) -> Result:
    return cli("tune", "--loss", "focal", "--task", TASK, "--epochs", "1", "--trials", trials, "--json")
