"""Edge cases that belong to a signature: what its users meet, whatever the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from losszoo.losses.signatures.example_inputs import edge_cases as edge_cases

Case = tuple[str, tuple[Any, ...]]


def battery(signature: str, expects: str = "logits", seed: int = 0) -> Iterator[Case]:
    """Legal edge cases of a signature, each with a label; arguments as of :func:`edge_cases`.

    Example:
        >>> [label for label, _ in battery("regression")][:2]
        ['perfect prediction', 'residual 1e-30']
    """
    return ((case.label, case.inputs) for case in edge_cases(signature, expects, seed))
