"""What a loss takes from the data: how many classes, how wide an embedding, how many rows of each class."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from losszoo.losses.sums.leaves import leaves


def set_sizes(loss: nn.Module, classes: int, dim: int) -> None:
    """Tell the sizes of the data to every loss inside that asks, by a method ``set_sizes(classes, dim)``.

    A loss may so leave its sizes open until it is trained or examined. What it was given before, it keeps.

    Args:
        loss: of the zoo, or a sum of such losses.
        classes: every label is below it.
        dim: width of what a loss without a head is given.
    """
    for leaf in leaves(loss):
        tell = getattr(leaf.function, "set_sizes", None)
        if tell is not None:
            tell(classes, dim)
            leaf._sizes = classes, dim


def set_class_counts(loss: nn.Module, counts: Sequence[float]) -> None:
    """Tell how many training rows each class has to every loss inside that asks.

    A loss asks by a parameter ``class_counts`` that nobody has given, or, as a class, by a method
    ``set_class_counts(counts)``.

    Args:
        loss: of the zoo, or a sum of such losses.
        counts: of the classes in their order; of a task without labels there are none, and nothing is told.
    """
    for leaf in leaves(loss) if counts else ():
        leaf.set_class_counts(counts)
