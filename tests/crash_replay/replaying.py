"""What test_replay and test_replay_own_steps share."""

from __future__ import annotations

import torch
from torch import Tensor


def chance() -> dict[str, Tensor]:
    return {"torch": torch.get_rng_state(), "data": torch.Generator().get_state()}
