"""A file from a stranger runs nothing: bundles, run folders, comparisons and studies that name code are refused.

Every form would leave a mark on the disk if any of its code were run, be it only imported. The checksums fit: whoever
changes a file can write them too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import losszoo
from losszoo import UsageError
from losszoo.cli.main import main
from losszoo.common.files import save_atomically, write_json
from losszoo.reporting import replay_bundles
from losszoo.tuning.seal import SEAL, _digest

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
# What a replay of this loss does not look at.
NOT_REPLAYED = ("split",)
Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that its guard has stopped, with its bundle; nothing in it is hostile yet."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    stopped = losszoo.run("nca-ratio", TASK, epochs=30, set={"recipe.lr": 3.0}, run_dir=folder)
    assert stopped.guard["first"]["bundle"]
    (folder / "result.json").unlink()
    return folder


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The command line in a folder that a stranger has filled; afterwards nothing must be marked."""
    for name in ("evil.py", "my evil.py"):
        (tmp_path / name).write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("evil", None)
    yield lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))
    assert not Path("marked").exists()


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


def test_the_forms_do_mark(cli: Cli) -> None:
    """Else this file would prove nothing: each text is one that used to run, or is code where it is trusted."""
    for text in (POPEN, "./evil.py:Loss", "evil:Loss"):
        run = [sys.executable, "-c", f"import losszoo; losszoo.create({text!r}, signature='regression')"]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        # What a person writes is imported; a class that is no loss is not even then constructed.
        assert (Path("marked").exists(), done.returncode) == (text != POPEN, int(text == POPEN)), done.stderr
        Path("marked").unlink(missing_ok=True)


@pytest.mark.parametrize("name", FORMS)
def test_replay(cli: Cli, honest: Path, name: str) -> None:
    bundle = hostile_bundle(honest, "b.pt", form(name))
    if name in NOT_REPLAYED:
        assert cli("replay", bundle, "--no-doctor").exit_code == 1
        return
    refused(cli("replay", bundle))
    answer = cli("replay", bundle, "--no-doctor", "--json")
    assert (answer.exit_code, set(json.loads(answer.stdout))) == (2, {"error"})


@pytest.mark.parametrize("name", FORMS)
def test_resume(cli: Cli, honest: Path, name: str) -> None:
    folder = hostile_run(honest, "run", form(name))
    said = refused(cli("run", "--resume", folder))
    if ":" in str(FORMS[name].get("loss")) and name not in ("no text", "object"):
        assert "a loss that a file names must be registered, got" in said
    with pytest.raises(UsageError):
        losszoo.run(resume=folder)


def test_report(cli: Cli, honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly")
    for limit in ("PATIENCE", "SECONDS"):  # of a machine that has time
        monkeypatch.setattr(replay_bundles, limit, 600.0)
    names = ["class", "file", "as a combiner"]
    for name in names:
        folder = Path(hostile_run(honest, f"runs/{name}", form(name)))
        bundle = hostile_bundle(honest, str(next(folder.glob("bundles/*.pt"))), form(name))
        first = {"step": 1, "epoch": 0, "where": "loss", "op": "log", "source": "x.py:1", "bundle": bundle}
        guard = {"nonfinite": 1, "skipped": 0, "rollbacks": 0, "clipped": 0, "first": first}
        metrics = {part: {"accuracy": 0.5} for part in ("train", "val", "test")}
        result = {"loss": form(name)["loss"], "task": TASK, "seed": 0, "status": "stopped-by-guard", "epochs": 1}
        result |= {"steps": 1, "seconds": 1.0, "run_dir": str(folder), "guard": guard, "metrics": metrics}
        write_json(folder / "result.json", result)
    answer = cli("report", "runs")
    assert answer.exit_code == 0, answer.output
    page = Path("runs/report.html").read_text("utf-8")
    assert page.count("a loss that a file names must be registered, got") == len(names)


def test_compare(cli: Cli, honest: Path) -> None:
    """Every seed of a comparison that is to be gone on with has a run folder of another form."""
    arguments = ["compare", "--task", TASK, "--loss", "bce", "--epochs", "1", "--out", "out", "--json"]
    arguments += ["--seeds", str(len(FORMS))]
    first = json.loads(cli(*arguments).stdout)
    for name, cell in zip(FORMS, first["cells"], strict=True):
        folder = Path(cell["folder"])
        record = json.loads((folder / "cell.json").read_text())
        write_json(folder / "cell.json", {**record, "status": "missing"})
        (folder / "run" / "result.json").unlink()
        config = json.loads((folder / "run" / "config.json").read_text())
        write_json(folder / "run" / "config.json", {**config, **form(name)})
    again = cli(*arguments)
    document = json.loads(again.stdout)
    failed = [cell["error"]["message"] for cell in document["cells"] if cell["status"] != "done"]
    assert (failed, again.exit_code) == ([], 0)
    assert document["tables"][TASK][0]["mean"] == first["tables"][TASK][0]["mean"]
    for changes in ({"loss": POPEN}, {"config": {**record["config"], "loss": POPEN}}):
        write_json(folder / "cell.json", {**record, **changes})
        answer = cli(*arguments)
        assert (answer.exit_code == 2, "config" in changes) in ((True, True), (False, False))


@pytest.fixture
def study(cli: Cli) -> Any:
    """A study of one trial, as its storage holds it."""
    optuna = pytest.importorskip("optuna")
    assert tune(cli).exit_code == 0
    (database,) = Path("tunings").glob("*.db")
    (name,) = optuna.get_all_study_names(f"sqlite:///{database}")
    return opened(name)


def opened(name: str) -> Any:
    """A study, read anew: what has ended is read once, and kept."""
    import optuna

    (database,) = Path("tunings").glob("*.db")
    return optuna.load_study(study_name=name, storage=f"sqlite:///{database}")


def tune(cli: Cli, trials: int = 1) -> Result:
    return cli("tune", "--loss", "focal", "--task", TASK, "--epochs", "1", "--trials", trials, "--json")


def test_tune(cli: Cli, study: Any) -> None:
    identity = study.user_attrs["losszoo"]
    for name in FORMS:
        changes = {key.replace("_", " "): value for key, value in form(name).items()}
        study.set_user_attr("losszoo", {**identity, **changes})
        refused(tune(cli))
    study.set_user_attr("losszoo", identity)


def test_what_a_study_says_of_its_trials(cli: Cli, study: Any) -> None:
    """The command that is printed, to be pasted, comes from the values; a value that is none is no trial."""
    (trial,) = study.get_trials()
    for name, value in (("loss", POPEN), ("settings", {"model.trunk": POPEN}), ("threads", "1; touch marked;")):
        _set_attribute(study, trial._trial_id, name, value)
    (changed,) = opened(study.study_name).get_trials()
    _set_attribute(study, trial._trial_id, SEAL, _digest(changed, changed.state, changed.value))
    for name in LOSSES:
        study.enqueue_trial({"loss.gamma": form(name)["loss"], "recipe.lr": form(name)["loss"]})
    answer = tune(cli)
    assert answer.exit_code == 0, answer.output
    best = json.loads(answer.stdout)["best"]
    assert best["loss"] == "focal"
    words = shlex.split(best["command"])
    assert words[:5] == ["OMP_NUM_THREADS=1; touch marked;", "losszoo", "run", "--loss", "focal"]
    assert not any("Popen" in word for word in words)


def _set_attribute(study: Any, trial: int, name: str, value: Any) -> None:
    """Of a trial that has ended, which Optuna itself would not change."""
    import sqlite3

    (database,) = Path("tunings").glob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = ? AND key = ?",
            (json.dumps(value), trial, name),
        )
    connection.close()


# Links to elsewhere, and what is no file.


def precious(folder: Path) -> dict[str, bytes]:
    """Somebody's files, with the names that a run, a comparison or a tuning would write or remove."""
    folder.mkdir(exist_ok=True)
    for name in ("step-9.pt", "cell.json", "lock", "hung.txt"):
        folder.joinpath(name).write_text(f"precious {name}")
    return everything_in(folder)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("part", ["bundles", "tensorboard"])
def test_a_resumed_run_writes_nothing_elsewhere(cli: Cli, honest: Path, part: str) -> None:
    shutil.copytree(honest, "run")
    shutil.rmtree(f"run/{part}", ignore_errors=True)
    before = precious(Path("elsewhere"))
    Path("run", part).symlink_to(Path("elsewhere").resolve())
    assert f"{part} must lie where it is named, got a link to" in refused(cli("run", "--resume", "run"))
    assert everything_in(Path("elsewhere")) == before


@pytest.mark.parametrize("part", ["lock", "hung.txt", "run", "seed", "loss", "task"])
def test_a_comparison_writes_nothing_elsewhere(cli: Cli, part: str) -> None:
    arguments = ["compare", "--task", TASK, "--loss", "bce", "--epochs", "1", "--out", "out", "--json"]
    arguments += ["--seeds", "1", "--timeout", "600"]
    folder = Path(json.loads(cli(*arguments).stdout)["cells"][0]["folder"])
    (folder / "cell.json").unlink()
    before = precious(Path("elsewhere"))
    places = {"seed": folder, "loss": folder.parent, "task": folder.parent.parent}
    place = places.get(part, folder / part)
    target = Path("elsewhere", part) if place.suffix or part == "lock" else Path("elsewhere")
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(target.resolve())
    document = json.loads(cli(*arguments).stdout)
    assert everything_in(Path("elsewhere")) == before
    # What is written anew takes the place of a link; any other one is refused.
    assert document["cells"][0]["status"] == ("done" if part == "hung.txt" else "failed")


def test_a_trial_writes_nothing_elsewhere(cli: Cli, study: Any) -> None:
    before = precious(Path("elsewhere"))
    (folder,) = Path("tunings").glob("*/trial-0")
    folder.with_name("trial-1").symlink_to(Path("elsewhere").resolve())
    assert "must lie where it is named" in refused(tune(cli, trials=2))
    assert everything_in(Path("elsewhere")) == before


@pytest.mark.parametrize("name", ["checkpoint.pt", "config.json", "result.json"])
def test_a_pipe_is_not_waited_for(honest: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(honest, tmp_path / "run")
    (tmp_path / "run" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "run" / name)
    resume = [sys.executable, "-m", "losszoo", "run", "--resume", str(tmp_path / "run")]
    done = subprocess.run(resume, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, "got a pipe, a device or a folder, which is no regular file;" in done.stderr) == (2, True)


# One's own.

OWN = """
import pathlib
pathlib.Path("ran").touch()
def ratio(predictions, targets):
    gap = (predictions - targets) * 0
    return gap / gap
"""


@pytest.fixture
def own(cli: Cli) -> dict[str, Any]:
    """A run on a loss of one's own, stopped by its guard."""
    Path("own.py").write_text(OWN)
    result = losszoo.run("own.py:ratio", TASK, epochs=1, signature="binary", run_dir="my run")
    Path("my run/result.json").unlink()
    Path("ran").unlink()
    first: dict[str, Any] = result.guard["first"]
    return first


def commands_in(said: str) -> list[list[str]]:
    """The command lines at the end of the sentence, word by word, without the program."""
    told = said.partition("if you trust it: ")[2].strip()
    return [shlex.split(command)[1:] for command in told.split(", or ")]


@pytest.mark.parametrize("what", ["replay", "run"])
def test_the_error_says_the_command_that_works(cli: Cli, own: dict[str, Any], what: str) -> None:
    words = ["replay", own["bundle"], "--no-doctor"] if what == "replay" else ["run", "--resume", "my run"]
    said = refused(cli(*words))
    assert not Path("ran").exists()
    assert "got own.py:ratio: that is code, and would run as you" in said
    commands = commands_in(said)
    assert [command[-2:] for command in commands] == [
        [words[words.index("my run")] if what == "run" else own["bundle"], "--trust"],
        ["--loss", "own.py:ratio"],
    ]
    for command in commands:
        Path("ran").unlink(missing_ok=True)
        answer = cli(*command)
        assert answer.exit_code == 1, answer.output  # it breaks again
        Path("my run/result.json").unlink(missing_ok=True)


def test_the_same_text_and_no_other(cli: Cli, own: dict[str, Any], honest: Path) -> None:
    for text in ("own.py:ratios", "./own.py:ratio", "bce", "evil.py:Loss"):
        assert "loss must be what" in refused(cli("run", "--resume", "my run", "--loss", text))
        assert "loss must be what" in refused(cli("replay", own["bundle"], "--loss", text))
    assert "trust must go with" in refused(cli("run", "--loss", "bce", "--task", TASK, "--trust"))
    with pytest.raises(UsageError, match="trust must go with resume="):
        losszoo.run("bce", TASK, trust=True)
    # A loss of the registry needs neither.
    assert cli("replay", next(honest.glob("bundles/*.pt")), "--no-doctor").exit_code == 1
    assert not Path("ran").exists()


def test_from_python(cli: Cli, own: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"must be registered, got own\.py:ratio"):
        losszoo.replay(own["bundle"], examine=False)
    with pytest.raises(UsageError, match=r"must be registered, got own\.py:ratio"):
        losszoo.run(resume="my run")
    assert losszoo.replay(own["bundle"], examine=False, trust=True).reproduced
    assert losszoo.replay(own["bundle"], examine=False, loss="own.py:ratio").reproduced
    assert losszoo.run(resume="my run", trust=True).status == "stopped-by-guard"
    Path("my run/result.json").unlink()
    assert losszoo.run("own.py:ratio", resume="my run").status == "stopped-by-guard"
    with pytest.raises(UsageError, match=r"loss must be what the run was started with, own\.py:ratio, got 'bce'"):
        losszoo.run("bce", resume="my run")  # although it has ended
    with pytest.raises(UsageError, match="got an object, MSELoss"):
        losszoo.run(torch.nn.MSELoss(), resume="my run")


def test_a_comparison_of_ones_own_goes_on(cli: Cli) -> None:
    """Its loss is on the command line, so a cell that was begun is gone on with."""
    Path("own.py").write_text("def gap(predictions, targets):\n    return (predictions - targets) ** 2\n")
    arguments = ["compare", "--task", TASK, "--loss", "own.py:gap", "--epochs", "1", "--out", "out", "--json"]
    arguments += ["--seeds", "1", "--signature", "regression"]
    first = json.loads(cli(*arguments).stdout)
    folder = Path(first["cells"][0]["folder"])
    record = json.loads((folder / "cell.json").read_text())
    write_json(folder / "cell.json", {**record, "status": "missing"})
    (folder / "run" / "kept").touch()
    answer = cli(*arguments)
    assert answer.exit_code == 0, answer.output
    assert (folder / "run" / "kept").exists()
