"""The signatures and the kinds of task that come with losszoo, a plugin like any other. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import hookimpl

_HERE = "losszoo_plugins.signatures"


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Ten signatures, each in the file of its name."""
    return (
        f"{_HERE}.binary:Binary",
        f"{_HERE}.multiclass:Multiclass",
        f"{_HERE}.regression:Regression",
        f"{_HERE}.segmentation:Segmentation",
        f"{_HERE}.embedding:Embedding",
        f"{_HERE}.pair:Pair",
        f"{_HERE}.triplet:Triplet",
        f"{_HERE}.views:Views",
        f"{_HERE}.neighbors:Neighbors",
        f"{_HERE}.penalty:Penalty",
    )


@hookimpl
def losszoo_kinds() -> Iterable[str]:
    """Nine kinds of task."""
    names = (
        *("Multiclass", "Binary", "Regression", "Segmentation", "SemanticSegmentation", "Retrieval", "Views"),
        *("Multilabel", "MultiOutput"),
    )
    return tuple(f"{_HERE}.kinds:{name}Task" for name in names)
