"""A file is written whole or not at all, and is read only if it is unchanged. Torch-free but for its own files.

What a run, a comparison or a tuning resumes from carries the SHA-256 of its content: JSON as its last key, a file of
torch behind its end. A flipped bit or a lost block is refused, and never computed with.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from losszoo.common.processes import is_gone, mark
from losszoo.errors import UsageError

# A history of a long run has a megabyte; what is larger than this is none.
LARGEST_JSON = 64 * 2**20
# The data written here are five levels deep; a recursive function calls itself at every level.
DEEPEST_JSON = 64
# What a study or a comparison begins with has less: a disk that is full is told before anything is computed.
_ROOM = 2**17
_KEY = "sha256"
_BLANK = "0" * 64
_JSON_END = re.compile(rb'"sha256": "([0-9a-f]{64})"\n\}')
_SEAL = re.compile(rb"\nlosszoo sha256 ([0-9a-f]{64})\n")
_SEAL_BYTES = len("\nlosszoo sha256 \n") + 64
_TEMPORARY = re.compile(r"\..+\.(\d+-[0-9a-f-]*)\.part")
# No write takes as long. Of another machine it is not known whether the process still writes.
_STALE_SECONDS = 3600.0

_CHANGED = "a file that was damaged or changed after it was written: its checksum does not fit"
_WITHOUT = "a file that is cut off, changed, or not written by this losszoo: it carries no checksum"


class DamagedError(UsageError):
    """A file that was changed or cut off, or that losszoo never writes; the text says which."""


def write_atomically(path: Path, content: bytes) -> None:
    """Under a temporary name, then renamed: a reader sees the old file or the new one."""
    with _under_temporary_name(path) as temporary:
        temporary.write_bytes(content)


def made_folder(out: str | Path) -> Path:
    """The folder for results, made if it is not there; it takes a file of :data:`_ROOM` bytes.

    Raises:
        UsageError: it cannot be made or written, or its disk is full.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
    except OSError as error:
        raise unwritable(error, folder) from error
    return folder


def unwritable(error: OSError, folder: Path) -> UsageError:
    """The error of a folder that takes no result."""
    said = "it is a file" if folder.is_file() else error.strerror or error
    return UsageError(f"out must be a folder that can be written, got {folder} ({said}); choose another --out")


def write_json(path: Path, content: Any) -> None:
    """A JSON file; a mapping carries its checksum as its last key. Numbers that are not finite become null."""
    write_atomically(path, _json(content))


def save_atomically(path: Path, content: Any) -> None:
    """``torch.save`` of plain data and tensors with a checksum behind it, which ``torch.load`` does not mind."""
    import torch

    with _under_temporary_name(path) as temporary:
        torch.save(content, temporary)
        with temporary.open("r+b") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.write(f"\nlosszoo sha256 {digest}\n".encode())


def _json(content: Any) -> bytes:
    plain = jsonable(content)
    if not isinstance(plain, dict):
        return json.dumps(plain, indent=1, allow_nan=False).encode()
    plain.pop(_KEY, None)
    blank = json.dumps({**plain, _KEY: _BLANK}, indent=1, allow_nan=False)
    return (blank[: -len(_BLANK) - 3] + _digest(blank.encode()) + '"\n}').encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_json(path: Path, checked: bool = True) -> Any:
    """What a JSON file holds, without its checksum.

    Args:
        path: of the file.
        checked: refuse a file without a checksum; one that does not fit is always refused.

    Raises:
        DamagedError: says why.
        OSError: it cannot be read.
    """
    content = _regular(path)
    try:
        found = json.loads(content)
    except RecursionError:
        raise DamagedError(f"a file that is nested more than {DEEPEST_JSON} deep") from None
    except ValueError as error:
        raise DamagedError(f"a file that is cut off or damaged: {error}") from error
    if _is_deeper(found, DEEPEST_JSON):
        raise DamagedError(f"a file that is nested more than {DEEPEST_JSON} deep")
    told = _JSON_END.fullmatch(content[-len(_BLANK) - 14 :]) if isinstance(found, dict) else None
    if told is None:
        if checked:
            raise DamagedError(_WITHOUT)
        return found
    if _digest(content[: -len(_BLANK) - 3] + f'{_BLANK}"\n}}'.encode()) != told[1].decode():
        raise DamagedError(_CHANGED)
    del found[_KEY]
    return found


def _regular(path: Path) -> bytes:
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise DamagedError(
            f"a file of {path.stat().st_size / 2**20:.0f} MB, where at most {LARGEST_JSON // 2**20} are read"
        )
    return content


def check_regular(path: Path) -> None:
    """A pipe would be waited for, and a device read without end.

    Raises:
        DamagedError: it is one.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise DamagedError("a pipe, a device or a folder, which is no regular file")


def check_no_links(*paths: Path) -> None:
    """A folder of another person may hold links, through which files elsewhere would be written or removed.

    Raises:
        UsageError: one of the paths is a link.
    """
    for path in paths:
        if path.is_symlink():
            raise UsageError(
                f"{path} must lie where it is named, got a link to {os.readlink(path)}: what is written there would "
                "be written elsewhere; remove the link, or name the folder itself"
            )


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        inside = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def checked_length(file: IO[bytes]) -> int:
    """How many bytes of an open file come before its checksum, which fits.

    Raises:
        DamagedError: there is none, or it does not fit.
    """
    length = file.seek(0, os.SEEK_END) - _SEAL_BYTES
    file.seek(max(0, length))
    told = _SEAL.fullmatch(file.read(_SEAL_BYTES))
    if told is None:
        raise DamagedError(_WITHOUT)
    digest, left = hashlib.sha256(), length
    file.seek(0)
    while left > 0 and (chunk := file.read(min(left, 2**20))):
        digest.update(chunk)
        left -= len(chunk)
    if digest.hexdigest() != told[1].decode():
        raise DamagedError(_CHANGED)
    return length


@contextmanager
def _under_temporary_name(path: Path) -> Iterator[Path]:
    remove_stale(path.parent)
    temporary = temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A name of this process beside a file, from which others can tell whether its writer still runs."""
    return path.with_name(f".{path.name}.{mark().replace(':', '-')}.part")


def remove_stale(folder: Path) -> None:
    """Remove the temporary files in a folder whose writer was killed."""
    for path in folder.glob(".*.part"):
        told = _TEMPORARY.fullmatch(path.name)
        with contextlib.suppress(OSError):  # another process has removed it, or it is not ours to remove
            if told and (is_gone(told[1].replace("-", ":")) or time.time() - path.stat().st_mtime > _STALE_SECONDS):
                path.unlink()


def slug(text: str) -> str:
    """A folder name that says what the text says, and nothing that a path could mean.

    Example:
        >>> slug("0.7*bce + 0.3*../evil:X")
        '0.7-bce-0.3-evil-X'
        >>> slug("/home/me/losses/my_loss.py:MyLoss")
        'my-loss.py-MyLoss'
    """
    without_folders = re.sub(r"[^\s*+(,]*[/\\]", "", text)
    safe = re.sub(r"\.{2,}", "", re.sub(r"[^A-Za-z0-9.]+", "-", without_folders))
    return re.sub(r"-{2,}", "-", safe).strip("-.")[:80].strip("-.") or "loss"


def flattened(config: Mapping[str, Any], lead: str = "") -> dict[str, Any]:
    """The values of nested mappings by the path to each.

    Example:
        >>> flattened({"recipe": {"lr": 0.1}, "seed": 0})
        {'recipe.lr': 0.1, 'seed': 0}
    """
    values: dict[str, Any] = {}
    for key, value in config.items():
        values |= flattened(value, f"{lead}{key}.") if isinstance(value, Mapping) else {f"{lead}{key}": value}
    return values


def jsonable(value: Any) -> Any:
    """Plain data that JSON can say."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Sequence):
        return [jsonable(item) for item in value]
    return str(value)
