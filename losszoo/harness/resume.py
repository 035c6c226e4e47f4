"""A run folder read again: its result, or all that is needed to go on with it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from losszoo.engine.world import World
from losszoo.errors import UsageError
from losszoo.harness.options import Options
from losszoo.harness.planning import FORMAT, KEPT, Choice, choose
from losszoo.harness.record import CHECKPOINT, jsonable
from losszoo.harness.result import RunResult
from losszoo.harness.saving import read_checkpoint


class NotResumableError(UsageError):
    """A folder that cannot be gone on with: it is damaged, of another version, or of another config."""


@dataclass(frozen=True)
class Kept:
    """What a run folder holds.

    Args:
        folder: of the run.
        config: that it was started with.
        result: of a run that has ended.
        checkpoint: to go on from; None where there is none yet.
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
        """The text that makes it; an object has to be given again."""
        if not self.config["loss_is_object"]:
            return str(self.config["loss"])
        if given is None:
            raise UsageError(
                f"the loss of this run, {self.config['loss']}, was an object, which its name does not make again; "
                f"call losszoo.run(loss=..., resume={str(self.folder)!r}) in Python with an equal one"
            )
        return given  # type: ignore[no-any-return]

    def task_of(self, given: Any = None) -> Any:
        """The name of an installed task; one of your own has to be given again."""
        if not self.config.get("task_is_own"):
            return self.task
        if given is None:
            raise UsageError(
                f"the task of this run, {self.task}, is your own, and its name alone does not make it again; give it "
                f"with --task file.py:NAME, or losszoo.run(resume={str(self.folder)!r}, task=...) in Python"
            )
        return given

    def options(self, **beside: Any) -> Options:
        """As the run was started, all defaults written out; ``beside`` are those that decide nothing."""
        config = self.config
        groups = {
            "model": {"trunk": config["trunk"], **config["model"]},
            "recipe": config["recipe"],
            "loss": config["loss_options"],
            "task": config["task_options"],
        }
        settings = {f"{group}.{key}": value for group, keys in groups.items() for key, value in keys.items()}
        beside.setdefault("tensorboard", (self.folder / "tensorboard").is_dir())
        return Options(set=settings, run_dir=self.folder, **{name: config[name] for name in KEPT}, **beside)

    def chosen(self, loss: Any, task: Any, options: Options, world: World | None) -> Choice:
        """What the folder tells, chosen again.

        Args:
            loss: given again, where it was an object.
            task: given again, where it was of your own.
            options: as the folder holds them.
            world: the ranks.

        Raises:
            UsageError: names what differs.
        """
        for path in self.config["code"]:
            if not Path(path).expanduser().is_file():
                raise NotResumableError(
                    f"the file {path} must be where it was, however: it is not in {Path.cwd()}; go on in the "
                    "folder in which the run was begun"
                )
        chosen = choose(self.loss(loss), self.task_of(task), options)
        now = jsonable(chosen.config(world))
        differing = differences(self.config, now)
        if differing:
            raise NotResumableError(
                f"a run must be gone on with as it was started, however: {'; '.join(differing)} ({self.folder}); "
                f"{_next_step(self.config, now)}"
            )
        if self.checkpoint is not None and jsonable(self.checkpoint.get("config")) != self.config:
            raise NotResumableError(
                f"{self.folder / CHECKPOINT} must be of the run that config.json tells of, however: it is of another "
                "one; without this file the run begins again"
            )
        return chosen


def _next_step(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if then["world"] != now["world"]:
        return f"start it with {resume_command('...', then['world'])}"
    return "start a new run, or put back what has changed"


def resume_command(folder: str | Path, world: int = 1, task: str = "") -> str:
    """What goes on with a run, ready to be pasted.

    Args:
        folder: of the run.
        world: how many processes train it.
        task: "file.py:MyTask", where it was given so: a file that is read again never says which code to load.

    Example:
        >>> resume_command("my runs/1")
        "losszoo run --resume 'my runs/1'"
    """
    started = f"torchrun --nproc-per-node {world} -m losszoo" if world > 1 else "losszoo"
    return f"{started} run --resume {shlex.quote(str(folder))}" + (f" --task {shlex.quote(task)}" if task else "")


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
        raise NotResumableError(f"resume must be given the folder of a run, however: {what}: {folder}")
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        came = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise NotResumableError(
            f"a run folder must be of format {FORMAT}, however: {folder} is of format {came}; go on with the version "
            "of losszoo that wrote it"
        )
    result = _json(folder, "result.json")
    if result is not None and result.get("status") != "interrupted":
        return Kept(folder, config, RunResult.from_dict(result))
    return Kept(folder, config, checkpoint=_checkpoint(folder))


def _checkpoint(folder: Path) -> dict[str, Any] | None:
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return read_checkpoint(path)
    except Exception as error:  # a damaged archive can fail in any way
        raise NotResumableError(
            f"{path} must be a whole checkpoint, however: it is cut off or damaged ({type(error).__name__}); "
            "without this file the run begins again"
        ) from error


def _json(folder: Path, name: str) -> Any:
    path = folder / name
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotResumableError(f"{path} must be a whole JSON file, however: {error}") from error


@contextmanager
def same_threads(config: Mapping[str, Any]) -> Iterator[None]:
    """Sums are parted among threads: another number of them gives other last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(config["threads"])
    try:
        yield
    finally:
        torch.set_num_threads(before)
