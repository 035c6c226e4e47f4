"""A file of torch, read with limits: nothing in it is executed, unpacked or traversed without end.

``torch.load(weights_only=True)`` executes nothing, but it trusts the sizes in the archive and the references in its
pickle. Here both are looked at first. A list of 65,000 references to a list of 65,000 references has 4 billion items
in 400 kB; a tuple of two references to a tuple of two references, thirty deep, takes a minute to hash once.
"""

from __future__ import annotations

import pickletools
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import IO, Any

from losszoo.common.files import DamagedError, check_regular, checked_length

DAMAGED = "a file that is cut off, damaged, or another kind of zip file"
FOREIGN = "objects that could run code, which are never loaded"
_ENDLESS = "a file that refers to its own parts so often that going through them would not end"
# A tensor has one entry.
_MOST_ENTRIES = 500_000
_ENTRY = b"PK\x01\x02"
# What is larger is copied to the disk and not to memory.
_IN_MEMORY = 64 * 2**20
# A second or two of hashing.
_MOST_WORK = 200_000_000
# What losszoo writes is ten deep, or 32 where a batch is.
_DEEPEST = 64
# What is called while tensors and plain data are read, by name: torch says from which module. Anything else that it
# would call, as torch.FloatTensor of a nest of lists, is nothing that losszoo writes.
_CALLED = (
    "OrderedDict Counter set Size device encode complex bytearray _get_layout _rebuild_tensor _rebuild_tensor_v2 "
    "_rebuild_parameter _rebuild_sparse_tensor _rebuild_nested_tensor _rebuild_qtensor"
)
_OPERATIONS = (
    "PROTO STOP MARK GLOBAL REDUCE BUILD APPEND APPENDS SETITEM SETITEMS TUPLE TUPLE1 TUPLE2 TUPLE3 NONE NEWFALSE "
    "NEWTRUE EMPTY_TUPLE EMPTY_LIST EMPTY_DICT EMPTY_SET BININT BININT1 BININT2 BINFLOAT BINUNICODE SHORT_BINSTRING "
    "LONG1 BINPERSID BINGET LONG_BINGET BINPUT LONG_BINPUT"
)
_INTO_THE_FIRST = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"})


def load(path: Path, most_values: int) -> Any:
    """What a file of :func:`losszoo.common.files.save_atomically` holds, on the CPU.

    Args:
        path: of the file.
        most_values: numbers, texts, lists and the like; a tensor counts as one, whatever its size.

    Raises:
        DamagedError: it is not as it was written, or losszoo never writes such a file; says why.
        OSError: it cannot be read.
    """
    import torch

    check_regular(path)
    with path.open("rb") as file, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        length = checked_length(file)
        try:
            _unpack(file, length, copy, most_values)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, about what a foreign file holds
                content = torch.load(copy, map_location="cpu", weights_only=True)
        except (DamagedError, OSError):
            raise
        except Exception as error:  # a damaged archive or pickle can fail in any way
            raise DamagedError(DAMAGED) from error
    _check_nest(content, most_values)
    return content


def _unpack(file: IO[bytes], length: int, copy: IO[bytes], most_values: int) -> None:
    """A copy that only this function has written, so that torch cannot read its directory in another way."""
    if _count(file, length) > _MOST_ENTRIES:
        raise DamagedError(f"a file of more than {_MOST_ENTRIES:,} tensors")
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(copy, "w") as clean:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > length or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            size = f"{unpacked / 2**20:.0f} MB from {length / 2**20:.1f}"
            raise DamagedError(f"a file that would unpack to {size}, where torch packs nothing")
        for entry in entries:
            if entry.filename.endswith("/data.pkl"):
                _check_pickle(archive.read(entry), most_values)
            with archive.open(entry) as source, clean.open(entry.filename, "w") as target:
                shutil.copyfileobj(source, target)
    copy.seek(0)


def _count(file: IO[bytes], length: int) -> int:
    """Entries in the directory, or more: Python's reader makes an object of each before they can be counted."""
    file.seek(0)
    count, before = 0, b""
    while length > 0 and (chunk := file.read(min(length, 2**20))):
        count += (before + chunk).count(_ENTRY)
        before, length = chunk[-3:], length - len(chunk)
    return count


def _check_pickle(pickle: bytes, most_values: int) -> None:
    """Go through the operations of a pickle without carrying them out.

    The weight of every value on the stack is known: how many values are visited when it is hashed or copied.
    """
    stack: list[list[Any]] = []  # weight, and the name of a global
    marks: list[int] = []
    memo: dict[Any, list[Any]] = {}
    operations = frozenset(_OPERATIONS.split())
    values = work = 0
    for operation, argument, _ in pickletools.genops(pickle):
        name = operation.name
        if name not in operations:
            raise DamagedError(FOREIGN)
        if name == "PROTO":
            continue
        if name.endswith("PUT"):
            memo[argument] = stack[-1]
        elif name.endswith("GET"):
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        elif not operation.stack_before:
            values += 1
            stack.append([1, argument if name == "GLOBAL" else None])
        elif name != "STOP":
            values += 1
            taken = _taken(operation, stack, marks)
            if name == "REDUCE":
                _check_call(*taken)
            into = taken.pop(0) if name in _INTO_THE_FIRST else [1, None]
            weight = sum(value[0] for value in taken)
            into[0] += weight
            work += weight
            stack.append(into)
            if work > _MOST_WORK:
                raise DamagedError(_ENDLESS)
        if values > most_values:
            raise DamagedError(f"a file of more than {most_values:,} values")


def _taken(operation: pickletools.OpcodeInfo, stack: list[list[Any]], marks: list[int]) -> list[list[Any]]:
    """What an operation takes from the stack; at a mark, all that has come since."""
    before = [kind for kind in operation.stack_before if kind is not pickletools.stackslice]
    number = len(before)
    if pickletools.markobject in before:
        number = len(stack) - marks.pop() + before.index(pickletools.markobject)
    if number > len(stack):
        raise DamagedError(DAMAGED)
    taken = stack[len(stack) - number :]
    del stack[len(stack) - number :]
    return taken


def _check_call(function: list[Any], arguments: list[Any]) -> None:
    called = str(function[1]).rpartition(" ")[2]
    # An ordered dict is made empty and then filled; pairs within lists would be hashed unseen.
    if called not in _CALLED.split() or (called == "OrderedDict" and arguments[0] > 1):
        raise DamagedError(FOREIGN)


def _check_nest(content: Any, most_values: int) -> None:
    """No container holds itself, or is held so often that visiting all of it does not end."""
    sizes: dict[int, int] = {}
    open_ones: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(content, False)]
    while waiting:
        value, is_counted = waiting.pop()
        if is_counted:
            open_ones.discard(id(value))
            sizes[id(value)] = 1 + sum(sizes.get(id(item), 1) for item in _items(value))
            if sizes[id(value)] > most_values:
                raise DamagedError(_ENDLESS)
        elif id(value) in open_ones:
            raise DamagedError(_ENDLESS)
        elif id(value) not in sizes and isinstance(value, Mapping | list | tuple | Set):
            open_ones.add(id(value))
            if len(open_ones) > _DEEPEST:
                raise DamagedError(f"a file that is nested more than {_DEEPEST} deep")
            waiting.append((value, True))
            waiting += ((item, False) for item in _items(value))


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value
