"""Checks of one argument, for :meth:`losszoo.Signature.check`: public as ``losszoo.checks``.

Each gives the tensor that is computed with, or raises :class:`BrokenRule`, which a loss turns into an error with its
own name, the argument, the rule and what came instead.
"""

from losszoo.losses.arguments import (
    COMPUTED,
    BrokenRule,
    CheckContext,
    check_tensors,
    floating,
    integers,
    like,
    one_each,
    probabilities,
    real,
    require,
    rows,
    same_rows,
    shape_of,
    undifferentiated,
    within,
)

__all__ = [
    "COMPUTED",
    "BrokenRule",
    "CheckContext",
    "check_tensors",
    "floating",
    "integers",
    "like",
    "one_each",
    "probabilities",
    "real",
    "require",
    "rows",
    "same_rows",
    "shape_of",
    "undifferentiated",
    "within",
]
