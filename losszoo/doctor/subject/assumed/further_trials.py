"""What is tried once every ordinary batch is refused: an argument is indices or a mask; another number of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# A loss whose number of classes is fixed refuses every other one.
CLASS_COUNTS = range(2, 21)

# What holds tensors.
_HOLDING = ("fields", "two numbers", "three numbers", "two tensors", "three tensors")

# An argument of these is no tensor, or the one that is trained.
_FIXED = ("number", "step", "classes", "width", "rows", "device", "model", "lengths", "prediction", "logits")


def other_roles(roles: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The same roles, but for one argument that is whole numbers, and then for one that is true and false.

    Example:
        >>> list(other_roles({"logits": "logits", "actions": ""}))[:2]
        [{'logits': 'logits', 'actions': 'labels'}, {'logits': 'logits', 'actions': 'flags'}]
    """
    for role in ("labels", "flags", "several"):
        for name, known in list(roles.items())[1:]:
            if known not in (*_FIXED, role):
                yield {**roles, name: role}
    if "embeddings" in roles.values():
        yield {name: "" if role == "embeddings" else role for name, role in roles.items()}
    for role in ("several", *_HOLDING):
        for name in roles:
            yield {**roles, name: role}
        if len(roles) > 1:
            yield dict.fromkeys(roles, role)
