"""A network of the user under a loss: told the sizes that it asks for, tried on two rows, and used as it is."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.seeding import isolated
from losszoo.common.text import in_one_line, kind_name, shown
from losszoo.errors import LosszooError, UnknownNameError, UsageError, suggest
from losszoo.registry.import_target import resolve
from losszoo.training.models.trunks import LEGAL, TRUNKS

Network = nn.Module | Callable[..., nn.Module]

# What the constructor of a network may ask for by name; nothing else has to be given for it.
SIZES_OUT = ("out_features", "num_classes")
SIZES = ("in_features", "input_dim", "in_channels", "input_shape", *SIZES_OUT)
# The setting that chooses what is told as a size out, as it does for networks of ours.
DIM = "dim"


def is_own(trunk: Any) -> bool:
    """Whether a trunk is a network of the user: a target, a class, a function or a module; not one of ours by name."""
    return not isinstance(trunk, str) or ":" in trunk


def resolved(trunk: Any) -> Network:
    """The module, or what makes it. A target is imported: who calls this has asked whether a person has named it.

    A module that a file holds is copied: every run begins with the weights that it has there.

    Raises:
        UsageError: it is neither, or cannot be imported.
    """
    network: Any = _named(trunk) if isinstance(trunk, str) else trunk
    if not isinstance(network, nn.Module) and not callable(network):
        raise UsageError(
            f"trunk must be one of {', '.join(TRUNKS)}, a torch.nn.Module or what makes one, got {shown(network)}"
        )
    made: Network = network
    return made


def _named(target: str) -> Any:
    """What a file or package holds; weights that are drawn as it is imported are the same in every process."""
    with isolated(0, torch.device("cpu")):
        found = resolve(target)
    return copy.deepcopy(found) if isinstance(found, nn.Module) else found


def name_of_network(trunk: Any) -> str:
    """What a run calls it."""
    if isinstance(trunk, str):
        return trunk
    return type(trunk).__name__ if isinstance(trunk, nn.Module) else getattr(trunk, "__name__", type(trunk).__name__)


def network_options(trunk: Any) -> dict[str, Any]:
    """The keywords of its constructor that ``model.`` settings can give, and ``dim`` where it asks for a size out.

    A module that is made has none.
    """
    network = resolved(trunk)
    if isinstance(network, nn.Module):
        return {}
    keywords = _keywords(network)
    size = {DIM: None} if _is_told_dim(keywords) else {}
    return {name: p.default for name, p in keywords.items() if name not in SIZES} | size


def takes_dim(trunk: Any) -> bool:
    """Whether ``dim`` is the size out that it is told, and no option of its own."""
    network = resolved(trunk)
    return not isinstance(network, nn.Module) and _is_told_dim(_keywords(network))


def _is_told_dim(keywords: Mapping[str, Any]) -> bool:
    return DIM not in keywords and any(name in keywords for name in SIZES_OUT)


def _keywords(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(make).parameters.values()
    return {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


class OwnTrunk(nn.Module):
    """A network of the user, which gives features or outputs.

    Args:
        network: inputs (N, ...) to (N, K), (N,) or, where every pixel has a target, (N, K, ...).
        dim: K.
        writes: whether it changes its inputs in place, which other parts of an evaluation share: it gets a copy then.
    """

    def __init__(self, network: nn.Module, dim: int, writes: bool = False) -> None:
        super().__init__()
        self.network = network
        self.dim = dim
        self.writes = writes

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, K, ...)."""
        outputs: Tensor = self.network(inputs.clone() if self.writes else inputs)
        return outputs.unsqueeze(1) if outputs.ndim == 1 else outputs


def build_network(
    trunk: Any, rows: Tensor, outputs: int, options: Mapping[str, Any], of_pixels: bool = False
) -> OwnTrunk:
    """A network that is made and tried.

    Args:
        trunk: a target, a class, a function or a module.
        rows: some inputs, (n, ...) with n >= 2.
        outputs: how many numbers the loss takes of each row, where it takes predictions; else 0.
        options: for the constructor; and ``dim``, which it is told as the size out.
        of_pixels: whether every pixel has outputs of its own.

    Raises:
        UsageError: it cannot be made, does not take the inputs, gives something else, or does not use its inputs.
    """
    network = resolved(trunk)
    made = network if isinstance(network, nn.Module) else _made(network, trunk, rows, outputs, options)
    name = name_of_network(trunk)
    return OwnTrunk(made, *_tried(made, name, rows, of_pixels))


def _made(make: Callable[..., Any], trunk: Any, rows: Tensor, outputs: int, options: Mapping[str, Any]) -> nn.Module:
    name, known, options = name_of_network(trunk), _keywords(make), dict(options)
    shape = tuple(rows.shape[1:])
    features = math.prod(shape)
    size = options.pop(DIM, None) if _is_told_dim(known) else None
    complaint = "" if size is None else LEGAL[DIM].complaint(size)
    if complaint:
        raise UsageError(f"model.{DIM} {complaint}, got {shown(size)}")
    size = size or outputs or LEGAL[DIM].default
    told = {
        "in_features": features,
        "input_dim": features,
        "in_channels": shape[0],
        "input_shape": shape,
        **dict.fromkeys(SIZES_OUT, size),
    }
    for key in options:
        if key not in known:
            near = suggest(key, [k for k in known if k not in SIZES])
            raise UnknownNameError(f"network {name} has no option {key!r}: {near}")
    given = {key: value for key, value in told.items() if key in known} | options
    needed = [key for key, p in known.items() if p.default is p.empty and key not in given]
    if needed:
        raise UsageError(
            f"network {name} must be given {' and '.join(needed)}; say "
            f"{' '.join(f'--set model.{key}=VALUE' for key in needed)}, or name sizes of the data as {', '.join(SIZES)}"
        )
    try:
        made = make(**given)
    except (LosszooError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        said = ", ".join(f"{key}={value!r}" for key, value in given.items()) or "nothing"
        raise UsageError(f"network {name} cannot be made with {said}: {in_one_line(error)}") from error
    if not isinstance(made, nn.Module):
        raise UsageError(f"network {name} must be a torch.nn.Module, got {kind_name(made)}")
    return made


def _tried(network: nn.Module, name: str, rows: Tensor, of_pixels: bool) -> tuple[int, bool]:
    """How many numbers it gives for each row, or pixel, and whether it changes its inputs.

    It is called in evaluation, so that no statistics change; and a copy of it in training, where it may do otherwise.
    """
    outputs, writes = _called(network.eval, network, name, rows)
    _check_outputs(outputs, name, rows, of_pixels)
    _check_used(network, name, rows, outputs)
    try:
        trained = copy.deepcopy(network)
    except Exception:  # a network that cannot be copied is not tried
        trained = None
    if trained is not None and len(rows) > 1:
        _check_outputs(_called(trained.train, trained, name, rows)[0], name, rows, of_pixels, " in training")
    return 1 if outputs.ndim == 1 else int(outputs.shape[1]), writes


def _called(mode: Callable[[], Any], network: nn.Module, name: str, rows: Tensor) -> tuple[Tensor, bool]:
    """Its outputs for the rows in a mode, and whether it has changed them; it is in its own mode afterwards."""
    before = {module: module.training for module in network.modules()}
    inputs = rows.detach().clone()
    mode()
    try:
        with torch.enable_grad(), isolated(0, rows.device):
            outputs = network(inputs)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"network {name} must take inputs of shape (N, {', '.join(map(str, rows.shape[1:]))}), got the error: "
            f"{in_one_line(error)}"
        ) from error
    finally:
        for module, training in before.items():
            module.training = training
    if not isinstance(outputs, Tensor):
        when = "" if mode == network.eval else " in training"
        raise UsageError(
            f"network {name} must return one tensor, got {kind_name(outputs)}{when}; return features or outputs"
        )
    return outputs, not torch.equal(inputs, rows)


def _check_outputs(outputs: Tensor, name: str, rows: Tensor, of_pixels: bool, when: str = "") -> None:
    wanted, count = (4,) if of_pixels else (1, 2), len(rows)
    if outputs.ndim not in wanted or outputs.shape[0] != count or not outputs.numel() or outputs.dtype != rows.dtype:
        needed = f"({count}, K{', height, width' if of_pixels else ''}), K >= 1,"
        raise UsageError(
            f"network {name} must return {rows.dtype} of shape {needed} for {count} rows, got {outputs.dtype} of shape "
            f"{tuple(outputs.shape)}{when}"
        )


def _check_used(network: nn.Module, name: str, rows: Tensor, outputs: Tensor) -> None:
    """Refuse a network that learns nothing from its inputs."""
    learned = [weight for weight in network.parameters() if weight.requires_grad]
    if learned and not outputs.requires_grad:
        raise UsageError(
            f"network {name} must let gradients reach its weights, got outputs without a gradient; leave out "
            "torch.no_grad and detach"
        )
    if _is_blind(rows, outputs, learned):
        raise UsageError(f"network {name} must use its inputs, got outputs that do not depend on them")


def _is_blind(rows: Tensor, outputs: Tensor, learned: Sequence[Tensor]) -> bool:
    """Whether rows that differ have the same outputs, and will have them after any step.

    A last layer that begins with zeros has equal outputs too, but another gradient for each row.
    """
    other = next((row for row in range(1, len(rows)) if not torch.equal(rows[row], rows[0])), None)
    if other is None or not bool((outputs == outputs[:1]).all()):
        return False
    if not learned:
        return True
    gradients = [
        torch.autograd.grad(outputs[row].sum(), learned, allow_unused=True, retain_graph=True) for row in (0, other)
    ]
    return all(a is None or b is None or torch.equal(a, b) for a, b in zip(*gradients, strict=True))
