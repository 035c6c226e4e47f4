"""The inputs of a workload: the same for the zoo and for every peer, from the seed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.bench.workload import Workload
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import whose
from losszoo.losses.signatures.example_source import Source

Inputs = tuple[Any, ...]


def make_inputs(workload: Workload) -> tuple[Inputs, list[Tensor]]:
    """The inputs of the signature, and those of their tensors that get a gradient.

    Standard normal logits, predictions and embeddings; labels that are as even as can be.
    """
    source = Source(
        rows=workload.first,
        classes=workload.classes,
        dim=workload.dim,
        second=workload.second,
        expects=workload.expects,
        dtype=getattr(torch, workload.dtype),
        device=torch.device(workload.device),
        seed=workload.seed,
        measured=True,
    )
    rules = TABLE[workload.signature]
    with whose(workload.signature, "example"):
        inputs = tuple(rules.example(source))
    leaves = [leaf for place in rules.trained for leaf in tree_leaves(inputs[place])]
    for leaf in leaves:
        leaf.requires_grad_()
    return inputs, leaves
