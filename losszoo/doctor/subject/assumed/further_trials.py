"""What is tried once every ordinary batch is refused: an argument is indices or a mask; another number of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# A loss whose number of classes is fixed refuses every other one.
CLASS_COUNTS = range(2, 21)

# An argument of these is no tensor, or the one that is trained.
_FIXED = ("number", "step", "classes", "width", "rows", "device", "model", "lengths", "prediction", "logits")


def other_roles(roles: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The same roles, but for one argument that is whole numbers, and then for one that is true and false.

    Example:
        >>> list(other_roles({"logits": "logits", "actions": ""}))
        [{'logits': 'logits', 'actions': 'labels'}, {'logits': 'logits', 'actions': 'flags'}]
    """
    for role in ("labels", "flags"):
        for name, known in list(roles.items())[1:]:
            if known not in (*_FIXED, role):
                yield {**roles, name: role}
