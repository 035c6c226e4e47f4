"""What an optimizer is given of a model and of a loss that learns."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from losszoo.common.text import kind_name, shown
from losszoo.errors import UsageError


def parameter_groups(
    model: nn.Module,
    loss: nn.Module,
    *,
    lr: float,
    loss_lr: float | None = None,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """The groups of an optimizer: the model, and what the loss learns, at a rate of its own and never decayed.

    A loss that learns nothing adds no group. Proxies, centers and temperatures are often trained at 10 to 100 times the
    rate of the network.

    Args:
        model: what is trained; parts of the loss that it holds belong to the loss.
        loss: of the zoo, or any module.
        lr: learning rate of the model, > 0.
        loss_lr: learning rate of the loss, > 0; None takes ``lr``.
        weight_decay: of the model, >= 0.

    Returns:
        For ``torch.optim.AdamW(parameter_groups(...))`` and every other optimizer.

    Raises:
        UsageError: no modules, or a number out of range.

    Example:
        >>> from losszoo import create
        >>> loss = create("sup-con", learned_temperature=True)
        >>> groups = parameter_groups(nn.Linear(2, 2), loss, lr=1e-3, loss_lr=0.1, weight_decay=1e-4)
        >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in groups]
        [(2, 0.001, 0.0001), (1, 0.1, 0.0)]
    """
    for name, module in (("model", model), ("loss", loss)):
        if not isinstance(module, nn.Module):
            hint = "; make it with losszoo.create" if name == "loss" else ""
            raise UsageError(f"{name} must be an nn.Module, got {kind_name(module)}{hint}")
    _check("lr", lr, above=True)
    _check("weight_decay", weight_decay, above=False)
    if loss_lr is not None:
        _check("loss_lr", loss_lr, above=True)
    own = list(loss.parameters())
    of_loss = {id(parameter) for parameter in own}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in of_loss]
    groups = [{"params": rest, "lr": lr, "weight_decay": weight_decay}]
    learned = [parameter for parameter in own if parameter.requires_grad]
    if learned:
        groups.append({"params": learned, "lr": lr if loss_lr is None else loss_lr, "weight_decay": 0.0})
    return groups


def _check(name: str, value: Any, *, above: bool) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (above and value == 0):
        raise UsageError(f"{name} must be a finite number {'> 0' if above else '>= 0'}, got {shown(value)}")
