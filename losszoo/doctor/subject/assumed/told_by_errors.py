"""What the errors of a refused trial say: an argument is indices or a mask; the number of classes is another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

# A loss whose number of classes is fixed refuses every other one.
CLASS_COUNTS = range(2, 21)

_INDEX = re.compile(
    r"int64 for index|used as indices must be|index to be|only applicable to index tensor|integer or bool"
)
_BOOL = re.compile(r"boolean tensor|bool tensor|expected.*\bBool\b|on a Float|on Float|dtype.*bool", re.IGNORECASE)
# An argument of these is no tensor, or the one that is trained.
_FIXED = ("number", "step", "classes", "width", "rows", "device", "model", "lengths", "prediction", "logits")


def other_roles(roles: Mapping[str, str], errors: Iterable[str]) -> Iterator[dict[str, str]]:
    """The same roles, but for one argument that is whole numbers or true and false, where an error asks for those.

    Example:
        >>> list(other_roles({"logits": "logits", "actions": ""}, ["gather(): Expected dtype int64 for index"]))
        [{'logits': 'logits', 'actions': 'labels'}]
    """
    said = list(errors)
    for pattern, role in ((_INDEX, "labels"), (_BOOL, "flags")):
        if not any(pattern.search(error) for error in said):
            continue
        for name, known in list(roles.items())[1:]:
            if known not in (*_FIXED, role):
                yield {**roles, name: role}
