"""``losszoo.load_run``: from a run folder to a model that predicts."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from losszoo.common.files import DamagedError, read_json
from losszoo.common.seeding import isolated
from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UsageError
from losszoo.losses.signatures import TABLE
from losszoo.prediction.trained_model import Parts, TrainedModel
from losszoo.tasks.tables.new_rows import TableForm
from losszoo.training.build_loss import make_model
from losszoo.training.data.batch_inputs import Model
from losszoo.training.evaluation.predict import Prediction
from losszoo.training.make_plan import FORMAT, code_of
from losszoo.training.run_folder.resume import (
    Kept,
    check_parts,
    has_own_network,
    network_of,
    resume_command,
    runs_inside,
)
from losszoo.training.run_folder.run_folder import TRAINED
from losszoo.training.run_folder.trained_files import Trained, not_as_written, read_trained


def load_run(folder: str | Path, *, model: Any = None, metric: Any = None, trust: bool = False) -> TrainedModel:
    """The model that a run has trained, with the weights of its best epoch, by which its test metric was measured.

    The folder is enough: scaling, encoding and class names are in it, and the training rows' embedding where a loss
    predicts by their votes. The data may be gone, or the folder be on another machine.

    Args:
        folder: of a run that has ended, or that was interrupted: the best epoch so far then.
        model: a network of your own once more: a module, which is copied, a class or function that makes one, or
            "file.py:Net". None for one of ours.
        metric: the metrics that the run was judged by once more, if one of them is a function of your own; without it
            the others are measured, and a note says so.
        trust: import the network that the folder names, file.py:Net, if ``model`` does not name it.

    Raises:
        UsageError: it is no run folder, or one of an earlier version, one that has not ended, or a damaged one; or the
            network has to be given; or ``metric`` is not that of the run.

    Example:
        >>> import tempfile, losszoo
        >>> result = losszoo.run("cross-entropy", "digits", epochs=1, out=tempfile.mkdtemp())
        >>> trained = load_run(result.run_dir)
        >>> test = losszoo.load_task("digits").splits(seed=0).test
        >>> trained.predict(test.inputs[:3]).shape, trained.predict_proba(test.inputs[:3]).shape
        ((3,), (3, 10))
        >>> trained.score(test.inputs, test.targets) == result.metrics["test"]
        True
    """
    folder = Path(folder)
    config = _config(folder)
    trained = _trained(folder, config)
    trunk = _trunk(folder, config, model, trust)
    try:
        return _loaded(folder, config, trained, trunk, Kept(folder, config).metrics(metric) if metric else ())
    except LosszooError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise not_as_written(folder, error) from error


def predict_command(folder: str | Path) -> str:
    """What predicts new rows of a table, or images, by the run in a folder, ready to be pasted; "" for another task.

    Example:
        >>> predict_command("no run")
        ''
    """
    try:
        config, told = (read_json(Path(folder, name)) for name in ("config.json", TRAINED))
        rows = (
            "new.csv" if told["task"]["encoding"] else "photos/" if config.get("task_source", {}).get("images") else ""
        )
        trunk = str(config["trunk"])
    except (OSError, DamagedError, KeyError, TypeError, AttributeError):
        return ""
    own = f" --model {shlex.quote(trunk)}" if ":" in trunk else ""
    return f"losszoo predict {shlex.quote(str(folder))} {rows} --out predictions.csv{own}" if rows else ""


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        what = "it holds no config.json" if folder.is_dir() else "there is no such folder"
        what = "this is a file" if folder.is_file() else what
        inside = runs_inside(folder, lambda run, config: f"losszoo predict {shlex.quote(str(run))} ROWS")
        raise UsageError(f"a model must be loaded from the folder of a run, got {folder} ({what}){inside}")
    try:
        config = read_json(path)
    except DamagedError as error:
        raise UsageError(f"{path} must be as the run has written it, got {error}; train it again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        came = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise UsageError(
            f"a run folder must be of format {FORMAT}, got format {came} in {folder}: it is of another version of "
            "losszoo, which loads it; or train it again"
        )
    check_parts(folder, config)
    return config


def _trained(folder: Path, config: Mapping[str, Any]) -> Trained:
    if (folder / TRAINED).exists():
        try:
            return read_trained(folder)
        except OSError as error:
            raise UsageError(f"{folder} must hold what the run has learned, got {in_one_line(error)}") from error
    if (folder / "result.json").exists():
        raise UsageError(
            f"{folder} must hold what the run has learned, got no {TRAINED}: an earlier version of losszoo kept no "
            "model to predict with; train it again"
        )
    raise UsageError(
        f"a run must have ended before it predicts, got {folder}, which was killed or still trains; to end it: "
        f"{resume_command(folder, config['world'], config['loss'])}"
    )


def _trunk(folder: Path, config: Mapping[str, Any], given: Any, trust: bool) -> Any:
    """The network of the run: ours by its name, or the user's, which no folder may choose.

    Raises:
        UsageError: as :func:`network_of`; an object that has to be given again, or a file that has changed.
    """
    name, chosen = str(config["trunk"]), network_of(folder, config, given, trust)
    if chosen is None and not has_own_network(config):
        return name
    if chosen is None:
        raise UsageError(
            f"model must be given again, as this run was trained with an object, {name}; say "
            f"--model file.py:{name}, or losszoo.load_run({str(folder)!r}, model={name}) in Python with an equal one"
        )
    if isinstance(chosen, str) and not config.get("trunk_is_object"):
        _check_file(chosen, name, config["code"])
    return copy.deepcopy(chosen) if isinstance(chosen, nn.Module) else chosen


def _check_file(chosen: str, name: str, code: Mapping[str, str]) -> None:
    """The file may lie elsewhere now; with another content its weights would belong to another network."""
    path = chosen.rpartition(":")[0]
    if not path.endswith(".py"):
        return
    if not Path(path).expanduser().is_file():
        raise UsageError(f"model must be in a file that is there, got {chosen}; say --model with the path of the file")
    wanted = code.get(name.rpartition(":")[0])
    if wanted is not None and code_of(None, chosen)[path] != wanted:
        raise UsageError(
            f"{path} must be the file that the run was trained with, got another content, of it or of a file of its "
            "folder that it imports; put it back, or load the class yourself: losszoo.load_run(..., model=Net)"
        )


def _loaded(
    folder: Path, config: Mapping[str, Any], trained: Trained, trunk: Any, metrics: tuple[Any, ...]
) -> TrainedModel:
    told, prediction = trained.told["task"], trained.prediction(metrics)
    with isolated(0, torch.device("cpu")):  # what is built is drawn, and the weights are put in its place
        network = _network(folder, config, trained, trunk)
    form = TableForm.from_dict(told["encoding"]) if told["encoding"] else None
    held = tuple(told.get("class_values", ()))  # which older folders do not tell
    parts = Parts(network, prediction, trained.data, trained.known, form, held, int(config["threads"]))
    names, notes = tuple(told["class_names"]), (*_notes(folder, trained), *_not_measured(config, prediction))
    return TrainedModel(folder, config["loss"], told["name"], told["metric"], names, parts, notes)


def _network(folder: Path, config: Mapping[str, Any], trained: Trained, trunk: Any) -> Model:
    shapes = trained.told.get("shapes", {})
    signatures = [TABLE[name].shaped(shapes.get(name, {})) for name in trained.told["signatures"]]
    network = make_model(trunk, config["model"], trained.told["task"]["numeric"], trained.data, signatures)
    try:
        network.load_state_dict(dict(trained.state))
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the network {config['trunk']} must take the weights in {folder}, got the error {in_one_line(error)}; "
            "give the network that was trained"
        ) from error
    return network.eval().requires_grad_(False)


def _not_measured(config: Mapping[str, Any], prediction: Prediction) -> list[str]:
    measured = [metric.name for metric in prediction.metrics]
    own = ", ".join(name for name in config.get("metric", ()) if name not in measured)
    return [f"{own} is not measured, as it is code of your own; losszoo.load_run(..., metric=...)"] if own else []


def _notes(folder: Path, trained: Trained) -> tuple[str, ...]:
    """Of a run that did not end by itself."""
    path = folder / "result.json"
    try:
        status = read_json(path).get("status") if path.exists() else "interrupted"
    except (DamagedError, OSError, AttributeError):
        return (f"{path} is damaged: how the run ended is not known",)
    if status not in ("interrupted", "stopped-by-guard"):
        return ()
    epochs, best = trained.told["epochs"], trained.told["best_epoch"]
    chosen = "the last weights" if best is None else f"those of epoch {best + 1}, its best"
    return (f"this run was {str(status).replace('-', ' ')} after {epochs} epochs; {chosen} are used",)
