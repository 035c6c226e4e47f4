"""A network of the user under a loss: told the sizes that it asks for, tried on two rows, and used as it is."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

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

    Raises:
        UsageError: it is neither, or cannot be imported.
    """
    network: Any = resolve(trunk) if isinstance(trunk, str) else trunk
    if not isinstance(network, nn.Module) and not callable(network):
        raise UsageError(
            f"trunk must be one of {', '.join(TRUNKS)}, a torch.nn.Module or what makes one, got {shown(network)}"
        )
    made: Network = network
    return made


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
    """

    def __init__(self, network: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = network
        self.dim = dim

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, K, ...)."""
        outputs: Tensor = self.network(inputs)
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
    return OwnTrunk(made, _tried(made, name, rows, of_pixels))


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


def _tried(network: nn.Module, name: str, rows: Tensor, of_pixels: bool) -> int:
    """How many numbers it gives for each row, or pixel; in evaluation, so that no statistics change."""
    before = {module: module.training for module in network.modules()}
    network.eval()
    inputs = rows.detach().clone().requires_grad_()
    shape = tuple(rows.shape)
    try:
        with torch.enable_grad():
            outputs = network(inputs)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"network {name} must take inputs of shape (N, {', '.join(map(str, shape[1:]))}), got the error: "
            f"{in_one_line(error)}"
        ) from error
    finally:
        for module, training in before.items():
            module.training = training
    if not isinstance(outputs, Tensor):
        raise UsageError(f"network {name} must return one tensor, got {kind_name(outputs)}; return features or outputs")
    wanted = (4,) if of_pixels else (1, 2)
    needed = f"({shape[0]}, K{', height, width' if of_pixels else ''}), K >= 1,"
    if outputs.ndim not in wanted or outputs.shape[0] != shape[0] or not outputs.numel() or outputs.dtype != rows.dtype:
        raise UsageError(
            f"network {name} must return {rows.dtype} of shape {needed} for {shape[0]} rows, got "
            f"{outputs.dtype} of shape {tuple(outputs.shape)}"
        )
    _check_used(network, name, inputs, outputs)
    return 1 if outputs.ndim == 1 else int(outputs.shape[1])


def _check_used(network: nn.Module, name: str, inputs: Tensor, outputs: Tensor) -> None:
    """Refuse a network that learns nothing from its inputs."""
    learned = [weight for weight in network.parameters() if weight.requires_grad]
    if not outputs.requires_grad:
        if learned:
            raise UsageError(
                f"network {name} must let gradients reach its weights, got outputs without a gradient; leave out "
                "torch.no_grad and detach"
            )
        return  # features that are not trained, under a layer that is
    (reached,) = torch.autograd.grad(outputs.sum(), inputs, allow_unused=True, retain_graph=True)
    if reached is None or _is_blind(inputs, outputs, learned):
        raise UsageError(f"network {name} must use its inputs, got outputs that do not depend on them")


def _is_blind(inputs: Tensor, outputs: Tensor, learned: Sequence[Tensor]) -> bool:
    """Whether rows that differ have the same outputs, and will have them after any step.

    A last layer that begins with zeros has equal outputs too, but another gradient for each row.
    """
    other = next((row for row in range(1, len(inputs)) if not torch.equal(inputs[row], inputs[0])), None)
    if other is None or not bool((outputs == outputs[:1]).all()):
        return False
    gradients = [
        torch.autograd.grad(outputs[row].sum(), learned, allow_unused=True, retain_graph=True) for row in (0, other)
    ]
    return all(a is None or b is None or torch.equal(a, b) for a, b in zip(*gradients, strict=True))
