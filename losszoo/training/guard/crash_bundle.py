"""A crash bundle: everything that a failed step needs to happen again, in one file of tensors and plain data."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from losszoo._version import __version__
from losszoo.common.files import DamagedError, remove_stale, save_atomically
from losszoo.common.foreign_code import level_of_user
from losszoo.common.plain_data import leaves, plain, size_of
from losszoo.common.text import in_one_line, kind_name
from losszoo.common.torch_files import load
from losszoo.errors import UsageError

# Changes whenever a reader of the old form would misread the new one.
FORMAT = 3
# Of all tensors together. Models that are larger are kept elsewhere, and a bundle is sent by mail.
MOST_BYTES = 256 * 2**20
# Of all parts together, a tensor being one: what a batch of text or lists may have.
MOST_VALUES = 200_000
# In the file each of them is some more: its name, the list that holds it, the parts of a tensor.
_MOST_PICKLED = 10 * MOST_VALUES
# A few bundles tell all there is to tell, and a broken loss can fail at every step.
MOST_BUNDLES = 3
# What is given up where a bundle would be larger, in this order: no forward pass needs the optimizer.
DISPENSABLE = ("optimizer", "model", "loss", "batch")
# Names, zip directory and pickled structure around the tensors.
_OVERHEAD = 64 * 2**20
_ZIP = b"PK\x03\x04"
_PARTS: Mapping[str, type | tuple[type, ...]] = {
    "kind": str,
    "versions": dict,
    "event": dict,
    "model": (dict, list, type(None)),
    "random": dict,
    "config": (dict, type(None)),
    "left_out": list,
}


def versions() -> dict[str, str]:
    """What a step may depend on."""
    return {
        "losszoo": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def pack(kind: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a bundle: copies on the CPU, within :data:`MOST_BYTES`, and what was left out of it.

    Args:
        kind: "run" (its config rebuilds the step) or "guard" (a custom training loop).
        parts: model, loss and optimizer states, batch, random state, config and whatever else is plain.
    """
    left_out: list[str] = []
    kept = dict(parts)
    sizes = {name: size_of(part) for name, part in parts.items()}
    counts = {name: sum(leaf is not None for leaf in leaves(part)) for name, part in parts.items()}
    for name in DISPENSABLE:
        if sum(sizes.values()) <= MOST_BYTES and sum(counts.values()) <= MOST_VALUES:
            break
        size, count = sizes.pop(name, 0), counts.pop(name, 0)
        if size or count:
            held = f"{size / 2**20:.1f} MiB, {count} values"
            most = f"{MOST_BYTES / 2**20:g} MiB, {MOST_VALUES} values"
            left_out.append(f"{name} ({held}): a bundle holds at most {most}")
            kept[name] = None
    packed = {name: plain(part, name, left_out) for name, part in kept.items()}
    return {"format": FORMAT, "kind": kind, "versions": versions(), **packed, "left_out": left_out}


class Bundles:
    """The folder that one run, or one guard, writes its bundles to: :data:`MOST_BUNDLES` of them and no more.

    Args:
        folder: made when the first one is written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.tried = 0

    def wanted(self) -> bool:
        """Whether there are not enough of them yet."""
        return self.tried < MOST_BUNDLES

    def go_on(self, tried: int, step: int) -> None:
        """As they were after that step; those of later steps are removed."""
        self.tried = tried
        remove_stale(self.folder)
        for path in self.folder.glob("step-*.pt"):
            number = path.stem.split("-")[1]
            if number.isdecimal() and int(number) > step:
                path.unlink(missing_ok=True)

    def collect(self, content: Callable[[], dict[str, Any]], step: int) -> dict[str, Any] | None:
        """The content of a bundle; None where none is wanted, or where it cannot be collected, which warns."""
        if not self.wanted():
            return None
        try:
            return content()
        except Exception as error:  # whatever a foreign state_dict may raise, the event matters more
            self.tried += 1
            self._warn(step, in_one_line(error))
            return None

    def write(self, content: Mapping[str, Any], step: int) -> Path | None:
        """A bundle; None once there are enough of them, or where it cannot be written, which warns."""
        if not self.wanted():
            return None
        self.tried += 1
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Bundles of an earlier process are never written over.
            names = (f"step-{step}{f'-{number}' if number else ''}.pt" for number in range(10**6))
            path = next(path for name in names if not (path := self.folder / name).exists())
            save_atomically(path, dict(content))
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError on a full disk
            self._warn(step, str(error).splitlines()[0] if str(error) else type(error).__name__)
            return None
        return path

    def _warn(self, step: int, why: str) -> None:
        warnings.warn(
            f"the crash bundle of step {step} could not be written to {self.folder}: {why}; training is not affected",
            RuntimeWarning,
            stacklevel=level_of_user(),
        )


def read(path: str | Path) -> dict[str, Any]:
    """The content of a bundle. Nothing in the file is executed.

    Raises:
        UsageError: there is no such file, or it is truncated, foreign, or of another format.
    """
    path = Path(path)
    _check_file(path)
    try:
        content = load(path, _MOST_PICKLED)
    except DamagedError as error:
        raise UsageError(f"{_rule(path)} {error}; {_NEXT}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict) or "event" not in content or type(content.get("format")) is not int:
        raise UsageError(f"{_rule(path)} another file of torch ({_told(content)}); {_NEXT}")
    if content["format"] != FORMAT:
        raise UsageError(
            f"a bundle must be of format {FORMAT}, got format {content['format']} in {path}; "
            "replay it with the version of losszoo that wrote it"
        )
    if size_of(content) > MOST_BYTES + _OVERHEAD:
        raise UsageError(f"{_rule(path)} tensors of more than {MOST_BYTES // 2**20} MiB; {_NEXT}")
    for name, kind in _PARTS.items():
        if not isinstance(content.get(name), kind):
            raise UsageError(f"{_rule(path)} a missing or damaged part {name!r}; {_NEXT}")
    return content


_NEXT = "pass a file bundles/step-N.pt as losszoo run or losszoo.Guard wrote it"


def _rule(path: Path) -> str:
    return f"{path} must be a crash bundle of losszoo, got"


def _check_file(path: Path) -> None:
    """What can be refused before torch looks inside."""
    try:
        if not path.exists():
            raise UsageError(f"there is no file {path}; {_NEXT}")
        if not path.is_file():
            raise UsageError(f"{_rule(path)} {'a folder' if path.is_dir() else 'no file'}; {_NEXT}")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(_ZIP))
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if start != _ZIP:
        came = (
            "an empty file" if not size else "a file that is cut off" if _ZIP.startswith(start) else "no file of torch"
        )
        raise UsageError(f"{_rule(path)} {came}; {_NEXT}")
    if size > MOST_BYTES + _OVERHEAD:
        most = f"{MOST_BYTES // 2**20} MiB"
        raise UsageError(f"{_rule(path)} {size / 2**20:.0f} MiB, where a bundle has at most {most}; {_NEXT}")


def _told(content: Any) -> str:
    """What stands in a file, in a few words."""
    if isinstance(content, dict):
        return f"a dict of {', '.join(map(repr, list(content)[:5])) or 'nothing'}"[:200]
    return kind_name(content)
