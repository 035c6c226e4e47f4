"""The networks under a loss, by name: from the inputs of a task to features for a head, or for distances."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from losszoo.common.text import shown
from losszoo.errors import UnknownNameError, UsageError, nearest, suggest
from losszoo.registry.from_source.statements import last_name, parsed
from losszoo.registry.params import Param
from losszoo.training.models.networks import PeriodicEmbedding, UNet

Shape = tuple[int, ...]
SMALLEST_IMAGE = 4


class Trunk(nn.Module):
    """A network that says how many features come out of it.

    Args:
        dim: features out.
        body: the network; inputs (N, ...) to (N, dim), or (N, dim, ...) where every pixel has a target.
    """

    def __init__(self, dim: int, body: nn.Module) -> None:
        super().__init__()
        self.dim = dim
        self.body = body

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.body(inputs)
        return features


def linear(shape: Shape, numeric: int | None = None, *, dim: int = 64) -> Trunk:
    """One linear layer on the flattened input."""
    return Trunk(dim, nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), dim)))


def mlp(
    shape: Shape,
    numeric: int | None = None,
    *,
    dim: int = 64,
    width: int = 128,
    depth: int = 2,
    dropout: float = 0.0,
) -> Trunk:
    """``depth`` hidden layers of ``width`` with ReLU on the flattened input, then one linear layer."""
    layers: list[nn.Module] = [nn.Flatten()]
    size = math.prod(shape)
    for _ in range(depth):
        layers += [nn.Linear(size, width), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        size = width
    return Trunk(dim, nn.Sequential(*layers, nn.Linear(size, dim)))


def plr(
    shape: Shape,
    numeric: int | None = None,
    *,
    dim: int = 128,
    width: int = 34,
    frequencies: int = 77,
    scale: float = 0.0443,
) -> Trunk:
    r"""Periodic embeddings of the numeric columns, beside the other columns, then one linear layer.

    .. math:: e_f = \mathrm{ReLU}(W [\cos 2\pi c_f x_f, \sin 2\pi c_f x_f] + b)

    The encoder of ModernNCA. Each feature has its own frequencies ``c``; ``W`` and ``b`` are shared ("lite").

    Reference:
        Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
        NeurIPS 2022, arXiv:2203.05556;
        Ye, Yin, Zhan, Chao, "Revisiting Nearest Neighbor for Tabular Data", ICLR 2025,
        arXiv:2407.03257.
    """
    if len(shape) != 1:
        raise UsageError(f"inputs of trunk plr must be tabular, of shape (columns,), got {shape}")
    numeric = shape[0] if numeric is None else numeric
    if not 1 <= numeric <= shape[0]:
        raise UsageError(f"numeric of trunk plr must be from 1 to {shape[0]} columns, got {numeric}")
    embedding = PeriodicEmbedding(numeric, width, frequencies, scale)
    return Trunk(dim, nn.Sequential(embedding, nn.Linear(numeric * width + shape[0] - numeric, dim)))


def conv(shape: Shape, numeric: int | None = None, *, dim: int = 64, width: int = 32) -> Trunk:
    """Two convolutions, the second of stride 2, pooled to at most 4 x 4, then one linear layer."""
    channels, height, breadth = _image("conv", shape)
    grid = (min(4, (height + 1) // 2), min(4, (breadth + 1) // 2))
    body = nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(grid),
        nn.Flatten(),
        nn.Linear(2 * width * math.prod(grid), dim),
    )
    return Trunk(dim, body)


def unet(shape: Shape, numeric: int | None = None, *, dim: int = 16, width: int = 16, depth: int = 2) -> Trunk:
    """Convolutions down ``depth`` halvings and back up, joined at each size; features for every pixel.

    Reference:
        Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        MICCAI 2015, arXiv:1505.04597.
    """
    channels, *sides = shape
    if not 1 <= len(sides) <= 3 or min(sides) < SMALLEST_IMAGE:
        raise UsageError(
            "inputs of trunk unet must have shape (channels, length), (channels, height, width) or (channels, depth, "
            f"height, width), each side >= {SMALLEST_IMAGE}, got {shape}"
        )
    if min(sides) >> depth < 1:
        image = " x ".join(map(str, sides))
        raise UsageError(f"depth of trunk unet must leave a pixel of an image of {image}, got {depth} halvings")
    return Trunk(dim, UNet(channels, dim, width, depth, len(sides)))


TRUNKS: Mapping[str, Callable[..., Trunk]] = {
    "linear": linear,
    "mlp": mlp,
    "plr": plr,
    "conv": conv,
    "unet": unet,
}

# What an option may be, whichever trunk has it; the defaults are those of the builders.
LEGAL = {
    param.name: param
    for param in (
        Param(name="dim", type="int", default=64, range=(1, math.inf), search=(2, 512), log=True),
        Param(name="width", type="int", default=128, range=(1, math.inf), search=(2, 1024), log=True),
        Param(name="depth", type="int", default=2, range=(0, math.inf), search=(1, 4)),
        Param(name="dropout", type="float", default=0.0, range=(0, 1), bounds="[)", search=(0, 0.6)),
        Param(name="frequencies", type="int", default=77, range=(1, math.inf), search=(4, 256), log=True),
        Param(
            name="scale", type="float", default=0.0443, range=(0, math.inf), bounds="()", search=(0.005, 1.0), log=True
        ),
    )
}


def trunk_options(name: str) -> dict[str, Any]:
    """The options of a trunk with their defaults.

    Raises:
        UnknownNameError: no trunk has that name.

    Example:
        >>> trunk_options("linear")
        {'dim': 64}
    """
    if not isinstance(name, str):
        raise UsageError(f"trunk must be one of {', '.join(TRUNKS)}, got {name!r}")
    if name.endswith(".py"):
        raise UsageError(f"the network must be named beside its file, got {name}; say {_in_file(name)}")
    if name not in TRUNKS:
        near = f"; {suggest(name, list(TRUNKS))}" if nearest(name, list(TRUNKS)) else ""
        raise UnknownNameError(f"trunk must be one of {', '.join(TRUNKS)}, got {name!r}{near}")
    parameters = inspect.signature(TRUNKS[name]).parameters.values()
    return {option.name: option.default for option in parameters if option.kind is option.KEYWORD_ONLY}


def build_trunk(name: str, shape: Shape, numeric: int | None = None, **options: Any) -> Trunk:
    """A fresh trunk for inputs of one shape, drawn from torch's random state.

    Args:
        name: one of :data:`TRUNKS`.
        shape: of one input, without the batch.
        numeric: how many leading columns are numbers; None for all of them. Only ``plr`` looks at it.
        options: see :func:`trunk_options`.

    Returns:
        A module whose attribute ``dim`` is the number of features that it gives.

    Raises:
        UnknownNameError: no such trunk, or the trunk has no such option.
        UsageError: an option, or the shape, is not legal.

    Example:
        >>> import torch
        >>> build_trunk("mlp", (10,), dim=3)(torch.zeros(2, 10)).shape
        torch.Size([2, 3])
    """
    known = trunk_options(name)
    for option, value in options.items():
        if option not in known:
            raise UnknownNameError(f"trunk {name} has no option {option!r}; {suggest(option, list(known))}")
        complaint = LEGAL[option].complaint(value)
        if complaint:
            raise UsageError(f"option {option} of trunk {name} {complaint}, got {shown(value)}")
    return TRUNKS[name](tuple(shape), numeric, **options)


def _image(name: str, shape: Shape) -> Shape:
    if len(shape) != 3 or min(shape[1:]) < SMALLEST_IMAGE:
        raise UsageError(
            f"trunk {name} needs images of shape (channels, height, width), "
            f"height and width >= {SMALLEST_IMAGE}, got {shape}"
        )
    return shape


def _in_file(path: str) -> str:
    """How the networks in a file are named, read from its text: nothing in it is run."""
    try:
        tree = parsed(Path(path).read_bytes()) if Path(path).is_file() else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    classes = [node for node in (tree.body if tree else ()) if isinstance(node, ast.ClassDef)]
    modules = [node for node in classes if any(last_name(base).endswith("Module") for base in node.bases)]
    return " or ".join(f"{path}:{node.name}" for node in modules or classes) or f"{path}:NAME"
