"""A network that ends in sigmoid or softmax, under a loss that applies it once more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from losszoo.common.seeding import isolated
from losszoo.losses.loss import Loss
from losszoo.training.data.batch_inputs import Model

# Of the inputs: a layer without sigmoid or softmax leaves [0, 1] for large inputs of one sign or the other.
_SCALES = (1.0, 1e3, -1e3)


def note_of_squashed(model: Model, losses: list[Loss], name: str, rows: Tensor) -> list[str]:
    """A note where outputs lie in [0, 1] whatever goes in, and a loss takes them for logits.

    Args:
        model: with a network of the user, as it is built.
        losses: that are trained.
        name: of the network.
        rows: some inputs.
    """
    taken = [
        loss
        for loss in losses
        if loss.identity.expects == "logits"
        and loss.signature in model.heads
        and isinstance(model.heads[loss.signature], nn.Identity)
    ]
    if not taken or not _is_squashed(model, rows):
        return []
    return [
        f"{name} gives numbers from 0 to 1, as after sigmoid or softmax, and {taken[0].identity} takes logits, to "
        "which it applies that itself: let the network return what is before it, or take a loss of probabilities"
    ]


def _is_squashed(model: Model, rows: Tensor) -> bool:
    mode = model.training
    model.eval()
    try:
        with torch.no_grad(), isolated(0, rows.device):
            return all(_in_unit(model(rows * scale)) for scale in _SCALES)
    except (RuntimeError, ValueError, IndexError):  # not every network takes large numbers, as one of indices
        return False
    finally:
        model.train(mode)


def _in_unit(outputs: Tensor) -> bool:
    return bool(((outputs >= 0) & (outputs <= 1)).all())
