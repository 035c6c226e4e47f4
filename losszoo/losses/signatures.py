"""The signatures: what a loss is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.losses import rules
from losszoo.losses.arguments import BrokenRule, CheckContext, Inputs


@dataclass(frozen=True)
class Signature:
    """One row of the table of signatures.

    Args:
        name: as in ``LossSpec.signature``.
        arguments: names, in order.
        prepare: checks shapes and dtypes, gives the inputs in the dtype that is computed in.
        element_shape: shape of what a mask may select from.
        hide: inputs with a harmless value wherever the (expanded) mask is False.
        check_values: checks that must look at the numbers.
        optional: names that may be left out.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Inputs, CheckContext], Inputs]
    element_shape: Callable[[Inputs], torch.Size]
    hide: Callable[[Inputs, Tensor, CheckContext], Inputs]
    check_values: Callable[[Inputs, CheckContext], None]
    optional: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a loss, and a pickled one, has the same row of the table.
        return signature_named, (self.name,)

    def bind(self, args: Inputs, named: Mapping[str, Any]) -> Inputs:
        """Positional and named inputs in order; optional ones that were left out are None."""
        names = (*self.arguments, *self.optional)
        if len(args) > len(names):
            raise BrokenRule("inputs", f"be {', '.join(names)}", f"are {len(args)}")
        values = dict(zip(names, args, strict=False))
        for key, value in named.items():
            if key not in names or key in values:
                raise BrokenRule(
                    "inputs",
                    f"be {', '.join(names)}",
                    f"hold {key} {'twice' if key in values else ''}".rstrip(),
                )
            values[key] = value
        missing = [name for name in self.arguments if name not in values]
        if missing:
            raise BrokenRule("inputs", f"be {', '.join(self.arguments)}", f"lack {', '.join(missing)}")
        return tuple(values.get(name) for name in names)


def signature_named(name: str) -> Signature:
    """The row of the table."""
    return TABLE[name]


_ROWS = (rules.samples, rules.hide_rows)
TABLE: Mapping[str, Signature] = {
    signature.name: signature
    for signature in (
        Signature(
            "binary",
            ("predictions", "targets"),
            rules.prepare_alike("predictions"),
            rules.whole,
            rules.hide_alike,
            rules.check_binary,
        ),
        Signature(
            "multiclass",
            ("logits", "targets"),
            rules.prepare_multiclass,
            rules.positions,
            rules.hide_multiclass,
            rules.check_multiclass,
        ),
        Signature(
            "regression",
            ("predictions", "targets"),
            rules.prepare_alike("predictions"),
            rules.whole,
            rules.hide_alike,
            rules.check_regression,
        ),
        Signature(
            "segmentation",
            ("logits", "targets"),
            rules.prepare_segmentation,
            rules.whole,
            rules.hide_alike,
            rules.check_segmentation,
        ),
        Signature("embedding", ("embeddings", "labels"), rules.prepare_embedding, *_ROWS, rules.check_embedding),
        Signature("pair", ("first", "second", "same"), rules.prepare_pair, *_ROWS, rules.check_pair),
        Signature(
            "triplet",
            ("anchors", "positives", "negatives"),
            rules.prepare_rows("anchors", "positives", "negatives"),
            *_ROWS,
            rules.accept,
        ),
        Signature("views", ("queries", "keys"), rules.prepare_rows("queries", "keys"), *_ROWS, rules.accept),
        Signature(
            "neighbors",
            ("queries", "query_targets", "candidates", "candidate_targets"),
            rules.prepare_neighbors,
            rules.samples,
            rules.hide_queries,
            rules.check_neighbors,
            optional=("own",),
        ),
        Signature("penalty", ("parameters",), rules.prepare_penalty, rules.scalar, rules.nothing_to_hide, rules.accept),
    )
}
