"""Objects that hold tensors in their attributes: dataclasses, namespaces, batches. Each becomes a node of a tree."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import register_pytree_node, tree_leaves

# A class of their own, so that nothing is registered for the user's.
_NODES: dict[type, type] = {}


def as_tree(value: Any) -> Any:
    """The value, in which every object with tensors among its attributes is one that a tree goes into."""
    if type(value) is dict:
        return {key: as_tree(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(as_tree(inner) for inner in value)
    if isinstance(value, Tensor | nn.Module | Mapping | list | tuple | type) or callable(value) or is_held(value):
        return value
    fields = fields_of(value)
    inner = {name: as_tree(field) for name, field in fields.items()}
    holds = any(isinstance(x, Tensor) for x in tree_leaves(list(inner.values())))
    node = _node(type(value)) if holds and tree_leaves([value]) == [value] else None
    return value if node is None else _made(node, inner)


def is_held(value: Any) -> bool:
    """Whether it is an object that a tree goes into."""
    return type(value) in _NODES.values()


def fields_of(value: Any) -> dict[str, Any]:
    """The attributes that it was made with."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(getattr(value, "__dict__", {}))


def _made(node: type, fields: Mapping[str, Any]) -> Any:
    made: Any = node.__new__(node)  # type: ignore[call-overload]
    for name, value in fields.items():
        object.__setattr__(made, name, value)  # frozen ones too
    return made


def _node(kind: type) -> type | None:
    """A class like it whose attributes are branches; None where it can have no such class."""
    if kind not in _NODES:
        try:
            node = types.new_class(kind.__name__, (kind,))
        except TypeError:
            return None
        register_pytree_node(
            node,
            lambda x: (list(fields_of(x).values()), list(fields_of(x))),
            lambda values, names: _made(node, dict(zip(names, values, strict=True))),
        )
        _NODES[kind] = node
    return _NODES[kind]
