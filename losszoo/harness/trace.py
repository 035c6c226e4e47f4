"""Where a number first stopped being finite: a failed step is repeated, so a healthy one pays nothing."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from losszoo.engine.dense import whole_matrix
from losszoo.harness.finite import DTYPES

_HERE = str(Path(__file__).resolve())
CORE = str(Path(__file__).resolve().parents[1]) + os.sep
# Networks of the core's own, of which a line says something.
_NETWORKS = tuple(str(Path(__file__).resolve().parent / name) for name in ("trunks.py", "networks.py"))
# What Python, IPython, IDLE and doctest call code that was typed.
_SESSIONS = ("<stdin", "<console", "<python-input", "<ipython-input", "<pyshell", "<doctest", "<timed")
# Of Python itself, such as functools, whose lines only hand on; site-packages lies in a folder below.
STDLIB = os.path.dirname(traceback.__file__)
TORCH = str(Path(torch.__file__).resolve().parent) + os.sep
# What fills with infinity means it.
_FILLS = ("where", "masked_fill", "full", "full_like", "tensor", "new_tensor", "new_full", "fill", "setitem")
# What is not yet written holds anything.
_UNWRITTEN = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted")
_OPERATORS = {
    "truediv": "div",
    "rtruediv": "div",
    "rdiv": "div",
    "rsub": "sub",
    "rpow": "pow",
}

Frame = tuple[str, int | None]


class Origin(NamedTuple):
    """An operation and the line that called it."""

    op: str
    source: str | None


def first_non_finite(step: Callable[[], Tensor]) -> Origin | None:
    """Repeat a step and name the operation where it broke, in the forward pass or else in the backward pass.

    Args:
        step: computes the loss again, from the same batch and random state.

    Example:
        >>> x = torch.zeros(2, requires_grad=True)
        >>> first_non_finite(lambda: torch.log(x).sum()).op
        'log'
        >>> first_non_finite(lambda: torch.sqrt(x).sum()).op
        'sqrt'
    """
    return first_non_finite_of(lambda: step)


def first_non_finite_of(make: Callable[[], Callable[[], Tensor]]) -> Origin | None:
    """As :func:`first_non_finite`, of a step that is made anew for each repetition; the making is not looked at."""
    step, mode = make(), _Forward()
    # Every operation is to be seen, not a closed form of many.
    with torch.enable_grad(), whole_matrix(), mode:
        loss = step()
    return mode.found if not bool(torch.isfinite(loss).all()) else (_in_backward(make()) or mode.found)


class _Forward(TorchFunctionMode):
    """Remembers the first operation whose result is worse than its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Origin | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.found is not None:
            return func(*args, **(kwargs or {}))
        before = _spoilt((args, kwargs))  # now, for the operation may write into them
        result = func(*args, **(kwargs or {}))
        name = _name(func)
        if name not in (*_FILLS, *_UNWRITTEN) and _worse(before, _spoilt((args, kwargs, result))):
            frames = [(frame.filename, frame.lineno) for frame in traceback.extract_stack()]
            self.found = Origin(name, author_line(frames))
        return result


def _in_backward(step: Callable[[], Tensor]) -> Origin | None:
    """The operation whose derivative is the first that is not finite, and its line in the forward pass."""
    found: list[Origin] = []
    parts = _Parts()

    def watch(node: Any) -> None:
        def hook(outgoing: Sequence[Tensor | None], incoming: Sequence[Tensor | None]) -> None:
            if not found and _worse(_spoilt(incoming), _spoilt(outgoing)):
                found.append(Origin(parts.names.get(node) or _operation(node.name()), author_line(_frames(node))))

        node.register_hook(hook)

    # Anomaly mode remembers with every node where it was made.
    with torch.enable_grad(), whole_matrix(), torch.autograd.set_detect_anomaly(True, check_nan=False):
        with parts:
            loss = step()
        for node in nodes_under(loss.grad_fn):
            watch(node)
        loss.backward()  # type: ignore[no-untyped-call]
    return found[0] if found else None


class _Parts(TorchFunctionMode):
    """Remembers what was done in place to a part of a tensor, whose node in the graph does not say it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[Any, str] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        whole = result._base if isinstance(result, Tensor) else None
        if whole is not None and whole.grad_fn is not None and whole.grad_fn.name().endswith("CopySlices"):
            self.names.setdefault(whole.grad_fn, _name(func))
        return result


def nodes_under(root: Any) -> list[Any]:
    """Every node of the graph under a root."""
    seen: dict[Any, None] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen[node] = None
            waiting += [parent for parent, _ in node.next_functions]
    return list(seen)


def _name(func: Any) -> str:
    name = getattr(func, "__name__", str(func)).strip("_")
    return _OPERATORS.get(name, name)


def _worse(before: tuple[bool, bool], after: tuple[bool, bool]) -> bool:
    """NaN that was not there before, or infinity where everything was finite."""
    (had_nan, had_infinite), (nan, infinite) = before, after
    return not had_nan and (nan or (infinite and not had_infinite))


def _spoilt(values: Any) -> tuple[bool, bool]:
    """Whether any tensor in there holds NaN, and whether any holds infinity."""
    tensors = [x for x in tree_leaves(values) if isinstance(x, Tensor) and x.dtype in DTYPES]
    floating = [x.detach() for x in tensors if not is_lazy(x)]
    return any(bool(x.isnan().any()) for x in floating), any(bool(x.isinf().any()) for x in floating)


def author_line(frames: Sequence[Frame]) -> str | None:
    """``file.py:12`` of the author of the loss: the innermost frame that is neither torch's nor the core's.

    Of what was typed it is the session, ``<stdin>:3``, or the cell, ``In[3]:2``. Where only the core computed, it is
    the line of the network, if that is the core's, or None.

    Args:
        frames: outermost first; only those inside the repeated step count.
    """
    inside: list[Frame] = []
    for filename, line in reversed(frames):
        if filename != _HERE:
            inside.append((filename, line))
        elif inside:
            break
    authors = [frame for frame in inside if not frame[0].startswith((TORCH, CORE)) and _written(frame[0])]
    networks = [frame for frame in inside if frame[0] in _NETWORKS]
    return next((f"{_place(filename)}:{line}" for filename, line in [*authors, *networks]), None)


def _written(filename: str) -> bool:
    """Whether somebody wrote it, in a file or a session; generated code has a name in brackets too."""
    if os.path.dirname(filename) == STDLIB:
        return False
    if filename == "<string>":  # of ``python -c``, and of what exec() makes
        return not hasattr(sys.modules.get("__main__"), "__file__")
    return not filename.startswith("<") or filename.startswith(_SESSIONS)


def _place(filename: str) -> str:
    """As a person knows it."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cell = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(filename)
    if cell is not None:
        return str(cell[1])
    return filename if filename.startswith("<") else Path(filename).name


def _frames(node: Any) -> list[Frame]:
    """Where a node was made, as anomaly mode wrote it down."""
    text = "".join(node.metadata.get("traceback_", ()))
    return [(path, int(line)) for path, line in re.findall(r'File "([^"]+)", line (\d+)', text)]


def _operation(node_name: str) -> str:
    """``LogSoftmaxBackward0`` to ``log_softmax``."""
    plain = re.sub(r"Backward\d*$", "", node_name).strip("_")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
