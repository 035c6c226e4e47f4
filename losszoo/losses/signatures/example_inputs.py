"""An ordinary batch for every signature: what tests, the conformance suite and the doctor start from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from losszoo.common.text import in_one_line
from losszoo.errors import UsageError
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_source import Source
from losszoo.losses.signatures.signature import EdgeCase

Batch = tuple[Any, ...]
ROWS, DIM = 6, 4


def example_inputs(
    signature: str,
    *,
    expects: str = "logits",
    rows: int = ROWS,
    classes: int = 3,
    dim: int = DIM,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """One ordinary batch: moderate numbers, every class present, nothing degenerate.

    Args:
        signature: name of one that is installed.
        expects: "logits", "probabilities" or "log-probabilities".
        rows: samples.
        classes: of the labels.
        dim: width of embeddings.
        seed: the same seed gives the same batch.
        dtype: of everything floating.

    Example:
        >>> logits, targets = example_inputs("multiclass")
        >>> logits.shape, targets.tolist()
        (torch.Size([6, 3]), [0, 1, 2, 0, 1, 2])
    """
    source = Source(rows=rows, classes=classes, dim=dim, expects=expects, seed=seed, dtype=dtype)
    with whose(signature, "example"):
        return tuple(TABLE[signature].example(source))


@contextmanager
def whose(signature: str, method: str) -> Iterator[None]:
    """A block that says, of what a method of a signature raises, whose signature it is.

    Raises:
        UsageError: anything was raised.
    """
    try:
        yield
    except (UsageError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        owner = TABLE.owner(signature)
        raise UsageError(f"signature {signature} of {owner}: {method} raised {in_one_line(error)}") from error


def edge_cases(signature: str, expects: str = "logits", seed: int = 0) -> Iterator[EdgeCase]:
    """Legal edge cases of a signature: its own, and one sample and none.

    Args:
        signature: name of one that is installed.
        expects: "logits", "probabilities" or "log-probabilities".
        seed: of the ordinary batch that they start from.

    Raises:
        UsageError: the signature raises; says whose it is.

    Example:
        >>> [case.label for case in edge_cases("regression")][:2]
        ['perfect prediction', 'residual 1e-30']
    """
    rules, batch = TABLE[signature], example_inputs(signature, expects=expects, seed=seed)
    with whose(signature, "edge_cases"):
        yield from [EdgeCase(*case) for case in rules.edge_cases(batch, expects)]
    if not rules.on_parameters:
        for label, count in (("one sample", 1), ("no sample", 0)):
            yield EdgeCase(label, rules.rows_of(batch, slice(count)))
