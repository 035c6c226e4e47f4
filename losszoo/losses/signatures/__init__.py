"""Where the signatures come from. They are plugins, which only the registry finds, and it stands above this room.

The package's face tells this module once whom to ask (:func:`ask`). Free of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from losszoo.losses.signatures.signature import Signature

_FIND: list[tuple[Callable[[str], Signature], Callable[[], list[str]], Callable[[str], str]]] = []


def ask(find: Callable[[str], Signature], names: Callable[[], list[str]], owner: Callable[[str], str]) -> None:
    """Say who knows the signatures.

    Args:
        find: the signature of a name; raises ``UnknownNameError``, and ``UsageError`` where it cannot be loaded.
        names: of all that can be loaded, in the order of their plugins.
        owner: plugin and distribution of a signature, in words.
    """
    _FIND[:] = [(find, names, owner)]


class Signatures(Mapping[str, "Signature"]):
    """The signatures by name; each is loaded when it is asked for."""

    def __getitem__(self, name: str) -> Signature:
        return _FIND[0][0](name)

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def owner(self, name: str) -> str:
        """Plugin and distribution of a signature, in words."""
        return _FIND[0][2](name)

    def _names(self) -> list[str]:
        return _FIND[0][1]()


TABLE = Signatures()
