"""A run folder read again: its result, or all that is needed to resume it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from losszoo.common.files import DamagedError, jsonable, read_json
from losszoo.common.text import in_one_line
from losszoo.errors import UntrustedError, UsageError, untrusted
from losszoo.pairs.distributed.collectives import World
from losszoo.registry.compatibility import own_names, targets_of
from losszoo.registry.expressions import parse
from losszoo.tasks.make_task import task_from
from losszoo.tasks.metric_choice import name_of_metric, several
from losszoo.training.build_loss import text_of
from losszoo.training.make_plan import FORMAT, KEPT, Choice, choose
from losszoo.training.models.own_network import is_own, name_of_network
from losszoo.training.plan import Plan
from losszoo.training.run_folder.checkpoint import begin_again, go_on, read_checkpoint
from losszoo.training.run_folder.progress import Progress
from losszoo.training.run_folder.run_folder import CHECKPOINT
from losszoo.training.run_options import Options
from losszoo.training.run_result import RunResult

# What has to be in config.json beside the options of a run.
_PARTS: Mapping[str, type] = {
    "loss": str,
    "task": str,
    "trunk": str,
    "model": dict,
    "recipe": dict,
    "loss_options": dict,
    "task_options": dict,
    "loss_is_object": bool,
    "code": dict,
    "threads": int,
    "world": int,
    **dict.fromkeys(KEPT, object),
}
# Of one process, and of ranks: more than any machine has; torch would begin to start them.
_MOST_THREADS = 1024
# A run lies in out/task/loss/; a folder of anything else is not searched to its end.
_LEVELS = 3
_MOST_LOOKED_AT = 10_000
_MOST_NAMED = 5


class NotResumableError(UsageError):
    """A folder that cannot be resumed: it is damaged, of another version, or of another config."""


@dataclass(frozen=True)
class Kept:
    """What a run folder holds.

    Args:
        folder: of the run.
        config: that it was started with.
        result: of a run that has ended.
        checkpoint: to resume from; None where there is none yet.
    """

    folder: Path
    config: Mapping[str, Any]
    result: RunResult | None = None
    checkpoint: Mapping[str, Any] | None = None

    @property
    def task(self) -> str:
        """Its name."""
        return str(self.config["task"])

    def loss(self, given: Any = None) -> str | Callable[..., Any]:
        """The text that makes it, the same text where it is given; an object has to be given again."""
        text, is_object = str(self.config["loss"]), self.config["loss_is_object"]
        wrong = isinstance(given, str) == is_object or (isinstance(given, str) and own_names(given) != text)
        if given is not None and wrong:
            came = repr(given) if isinstance(given, str) else f"an object, {text_of(given)}"
            raise NotResumableError(
                f"loss must be what the run was started with, {'an object, ' if is_object else ''}{text}, got {came} "
                f"({self.folder}); another loss is a new run"
            )
        if not is_object:
            return text
        if given is None:
            raise UsageError(
                f"loss must be given again, as this run was started with an object, {self.config['loss']}; "
                f"call losszoo.run(loss=..., resume={str(self.folder)!r}) in Python with an equal object"
            )
        return given  # type: ignore[no-any-return]

    def task_of(self, given: Any = None) -> Any:
        """The task that the folder tells of; one that is code of your own has to be given again."""
        if not self.config.get("task_is_own"):
            return task_from(self.config, self.folder)
        if given is None:
            raise UsageError(
                f"task must be given again, as {self.task} of this run is your own; give it "
                f"with --task file.py:NAME, or losszoo.run(resume={str(self.folder)!r}, task=...) in Python"
            )
        return given

    def network(self, given: Any, trust: bool) -> Any:
        """See :func:`network_of`; here None too where the task proposes the network.

        Raises:
            NotResumableError: another network.
        """
        text = str(self.config["trunk"])
        if given is not None and name_of_network(given) != text:
            raise NotResumableError(
                f"model must be the network that the run was started with, {text}, got {name_of_network(given)} "
                f"({self.folder}); another network is a new run"
            )
        return network_of(self.folder, self.config, given, trust)

    def metrics(self, given: Any) -> tuple[Any, ...]:
        """The metrics that the run was started with; a function has to be given again."""
        names, again = tuple(self.config.get("metric", ())), several(given)
        if again and tuple(map(name_of_metric, again)) != names:
            came = ", ".join(map(name_of_metric, again))
            raise NotResumableError(
                f"metric must be what the run was started with, {', '.join(names) or 'that of the task'}, got {came} "
                f"({self.folder}); another metric is a new run"
            )
        if self.config.get("metric_is_object") and not any(map(callable, again)):
            raise UsageError(
                f"metric must be given again, as this run was started with a function, {', '.join(names)}; call "
                f"losszoo.run(resume={str(self.folder)!r}, metric=...) in Python"
            )
        return again or names

    def options(self, **beside: Any) -> Options:
        """As the run was started, all defaults written out; ``beside`` are those that decide nothing."""
        config = self.config
        if "trunk" in config["model"]:  # it would pass by the question whether the network may run
            raise _damaged(self.folder, "model must hold the options of the network, got a trunk")
        groups = {
            "model": {**({} if has_own_network(config) else {"trunk": config["trunk"]}), **config["model"]},
            "recipe": config["recipe"],
            "loss": config["loss_options"],
            "task": config["task_options"],
        }
        settings = {f"{group}.{key}": value for group, keys in groups.items() for key, value in keys.items()}
        beside.setdefault("tensorboard", (self.folder / "tensorboard").is_dir())
        kept = {name: config[name] for name in KEPT}
        try:
            return Options(set=settings, run_dir=self.folder, **kept, **beside)
        except (TypeError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            raise _damaged(self.folder, in_one_line(error)) from error

    def chosen(self, loss: Any, task: Any, options: Options, world: World | None, trust: bool = False) -> Choice:
        """What the folder tells, chosen again.

        Args:
            loss: given again, where it was an object; or the text that the folder is to hold.
            task: given again, where it was of your own.
            options: as the folder holds them.
            world: the ranks.
            trust: let the folder name code outside the registry. Text that is given is trusted: a person has written
                it.

        Raises:
            UsageError: names what differs, or the code that would run without having been asked for.
        """
        again = self.loss(loss)
        for path in self.config["code"]:
            if not Path(path).expanduser().is_file():
                raise NotResumableError(
                    f"the file {path} must be where it was, got none in {Path.cwd()}; resume it in the "
                    "folder in which it was started"
                )
        try:
            chosen = choose(again, self.task_of(task), options, targets=trust or isinstance(loss, str))
        except UntrustedError as error:
            command = resume_command(self.folder, self.config["world"])
            raise untrusted(error, self.folder, command, self.config["loss"]) from None
        except UsageError as error:
            raise NotResumableError(f"{error} ({self.folder})") from error
        now = jsonable(chosen.config(world))
        differing = differences(self.config, now)
        if differing:
            next_step = "start a new run, or put back what has changed"
            if self.config["world"] != now["world"]:
                next_step = f"start it with {resume_command('...', self.config['world'])}"
            raise NotResumableError(
                f"a run must be resumed with the options of its start, got {'; '.join(differing)} ({self.folder}); "
                f"{next_step}"
            )
        if self.checkpoint is not None and jsonable(self.checkpoint.get("config")) != self.config:
            raise NotResumableError(
                f"{self.folder / CHECKPOINT} must belong to the run of config.json, got the checkpoint of another "
                "run; delete it to start the run again"
            )
        return chosen

    def progress(self, plan: Plan) -> Progress:
        """Put a fresh plan into the state of the checkpoint; where there is none, the run begins again.

        Raises:
            NotResumableError: the state does not fit what the config makes.
        """
        if self.checkpoint is None:
            return begin_again(plan)
        try:
            return go_on(plan, self.checkpoint)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, RuntimeError) as error:
            raise NotResumableError(
                f"the state in {self.folder / CHECKPOINT} must fit the run of config.json, got "
                f"the error {in_one_line(error)}; delete it to start the run again"
            ) from error


def has_own_network(config: Mapping[str, Any]) -> bool:
    """Whether the network of a run is the user's, and none of ours by name."""
    return bool(config.get("trunk_is_object")) or is_own(config["trunk"])


def network_of(folder: Path, config: Mapping[str, Any], given: Any, trust: bool) -> Any:
    """The network of the user: as it is given again, or the text that the folder holds where a person trusts it.

    Returns:
        None for one of ours, and for an object that is not given again.

    Raises:
        UsageError: one is given, and the run has one of ours.
        UntrustedError: the folder names code, and nobody has said that it may run.
    """
    text = str(config["trunk"])
    if given is not None and not has_own_network(config):
        raise UsageError(f"model must be left out, as the run has the network {text}, got {given!r} ({folder})")
    if given is not None or config.get("trunk_is_object") or not is_own(text):
        return given
    if trust:
        return text
    raise UntrustedError(
        f"a network that a file names must be given again, got {text} ({folder}): that is code, and would run as you; "
        f"if you trust it: say --model {shlex.quote(text)}, or --trust"
    )


def resume_command(folder: str | Path, world: int = 1, loss: str = "", task: str = "") -> str:
    """What resumes a run, ready to be pasted.

    A file that is read again never says which code to load: what names code is part of the command.

    Args:
        folder: of the run.
        world: how many processes train it.
        loss: text of the loss; part of the command where it names code.
        task: "file.py:MyTask", where it was given so.

    Example:
        >>> resume_command("my runs/1", loss="2*mine.py:Loss + bce")
        "losszoo run --resume 'my runs/1' --loss '2*mine.py:Loss + bce'"
    """
    started = f"torchrun --nproc-per-node {world} -m losszoo" if world > 1 else "losszoo"
    return f"{started} run --resume {shlex.quote(str(folder))}{_own_loss(loss)}{_own_task(task)}"


def replay_command(bundle: str | Path, loss: str = "", task: str = "") -> str:
    """What repeats the step of a bundle of a run, ready to be pasted; what names code is part of it, as above."""
    return f"losszoo replay {shlex.quote(str(bundle))}{_own_loss(loss)}{_own_task(task)}"


def _own_task(task: str) -> str:
    return f" --task {shlex.quote(task)}" if task else ""


def _own_loss(loss: str) -> str:
    return f" --loss {shlex.quote(loss)}" if loss and targets_of(parse(loss)) else ""


def differences(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Where two configs differ, in words: ``recipe.lr: 0.01 there, 0.1 here``."""
    found = []
    for name in [*then, *(name for name in now if name not in then)]:
        old, new = then.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new and prefix.endswith("code."):
            found.append(f"{name} has changed since" if old and new else f"{prefix}{name}: {old!r} there, {new!r} here")
        elif old != new:
            found.append(f"{prefix}{name}: {old!r} there, {new!r} here")
    return found


def read_run(folder: Path) -> Kept:
    """What a run folder holds.

    Raises:
        UsageError: it is no run folder, or one of another version; names the file that is damaged.
    """
    config = _json(folder, "config.json")
    if config is None:
        what = "it holds no config.json" if folder.is_dir() else "there is no such folder"
        what = "this is a file" if folder.is_file() else what
        raise NotResumableError(
            f"resume must be given the folder of a run, got {folder} ({what}){runs_inside(folder, _resuming)}"
        )
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        came = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise NotResumableError(
            f"a run folder must be of format {FORMAT}, got format {came} in {folder}; resume it with the version "
            "of losszoo that wrote it"
        )
    check_parts(folder, config)
    result = _json(folder, "result.json")
    if isinstance(result, dict) and result.get("status") == "interrupted":
        result = None
    if result is not None:
        try:
            return Kept(folder, config, RunResult.from_dict(result))
        except (KeyError, TypeError, AttributeError) as error:
            raise NotResumableError(
                f"{folder / 'result.json'} must be the result of a run, got the error {in_one_line(error)}; "
                "delete it to resume the run from its checkpoint"
            ) from error
    path = folder / CHECKPOINT
    try:
        return Kept(folder, config, checkpoint=read_checkpoint(path) if path.exists() else None)
    except (OSError, DamagedError) as error:
        raise NotResumableError(
            f"{path} must be a whole checkpoint, got {_in_place_of_it(error)}; delete it to start the run again"
        ) from error


def runs_inside(folder: Path, command: Callable[[Path, Mapping[str, Any]], str]) -> str:
    """The runs below a folder, the newest first, each as a command; "" where there are none.

    Args:
        folder: that is no run folder itself.
        command: what is to be pasted, of a run folder and its config.
    """
    paths = (path for path in islice(_below(folder, _LEVELS), _MOST_LOOKED_AT) if path.name == "config.json")
    runs = sorted((path.parent for path in paths), key=lambda run: -(run / "config.json").stat().st_mtime)
    commands = [text for run in runs if (text := _command_of(run, command))]
    if not commands:
        return ""
    more = f"\nand {len(commands) - _MOST_NAMED} more" if len(commands) > _MOST_NAMED else ""
    return "; inside it:\n" + "\n".join(commands[:_MOST_NAMED]) + more


def _below(folder: Path, levels: int) -> Iterator[Path]:
    """The files of a folder and of those in it; what cannot be read is passed by, and no link is followed."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            elif levels and entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path), levels - 1)


def _resuming(folder: Path, config: Mapping[str, Any]) -> str:
    own = "  # and its task, which is your own: --task file.py:NAME" if config.get("task_is_own") else ""
    return resume_command(folder, config["world"], config["loss"]) + own


def _command_of(folder: Path, command: Callable[[Path, Mapping[str, Any]], str]) -> str:
    """The command of the run in a folder; "" where there is none that can be read."""
    try:
        config = read_json(folder / "config.json")
        check_parts(folder, config)
        if config.get("format") != FORMAT:
            return ""
        return command(folder, config)
    except (OSError, UsageError, TypeError, AttributeError):  # a config.json of something else
        return ""


def check_parts(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a config.json that lacks a part, or has one of another type.

    Raises:
        NotResumableError: names the part.
    """
    for name, kind in _PARTS.items():
        if name not in config or not isinstance(config[name], kind):
            raise _damaged(folder, f"its part {name!r} is missing or of another type")
    for name in ("threads", "world"):
        if not 1 <= config[name] <= _MOST_THREADS:
            raise _damaged(folder, f"{name}={config[name]}, which is not in [1, {_MOST_THREADS}]")


def _damaged(folder: Path, what: str) -> NotResumableError:
    return NotResumableError(f"{folder / 'config.json'} is damaged: {what}; start a new run")


def _json(folder: Path, name: str) -> Any:
    path = folder / name
    if not path.exists():
        return None
    try:
        return read_json(path)
    except (OSError, DamagedError) as error:
        next_step = "start a new run" if name == "config.json" else "delete it to resume the run from its checkpoint"
        raise NotResumableError(
            f"{path} must be a whole JSON file, got {_in_place_of_it(error)}; {next_step}"
        ) from error


def _in_place_of_it(error: OSError | DamagedError) -> str:
    return str(error) if isinstance(error, DamagedError) else f"one that cannot be read ({error.strerror or error})"
