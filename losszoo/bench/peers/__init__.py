"""The peers: other packages that compute a loss of the zoo."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from losszoo.bench.peers.peer import Call as Call
from losszoo.bench.peers.peer import NoAnswerError as NoAnswerError
from losszoo.bench.peers.peer import Peer as Peer
from losszoo.common.text import kind_name
from losszoo.errors import UsageError, suggest
from losszoo.registry.import_target import resolve

_HOME = {
    "dense": "dense_all",
    "torch": "builtin",
    "pml": "pml",
    "pml-supcon": "pml",
    "entmax": "sparse",
    "entmax-k100": "sparse",
    "torchvision": "vision",
}


@dataclass(frozen=True)
class OwnPeer(Peer):
    """A function of the user's own, called with the inputs and the parameters that were given."""

    function: Any = None

    @property
    def version(self) -> str | None:
        return ""

    def refusal(self, loss: str, given: Mapping[str, Any]) -> str | None:
        return None

    def answer(self, loss: str, params: Mapping[str, Any], given: Mapping[str, Any]) -> Call:
        return lambda *inputs: self.function(*inputs, **given)


def peer_of(name: str) -> Peer:
    """The peer of that name, or of a target: a function of the inputs that returns the loss, or its values.

    Raises:
        UsageError: unknown name, or nothing callable there.

    Example:
        >>> peer_of("entmax").losses
        ('sparsemax', 'entmax')
    """
    if ":" in name:
        function = resolve(name)
        if not callable(function):
            raise UsageError(f"a peer must be callable, got {name}, {kind_name(function)}")
        return OwnPeer(name, "", function=function)
    if name not in _HOME:
        raise UsageError(f"unknown peer {name!r}: {suggest(name, list(_HOME))}")
    found: Peer = importlib.import_module(f"{__name__}.{_HOME[name]}").PEERS[name]
    return found


def every_peer() -> tuple[Peer, ...]:
    """All that are known, installed or not."""
    return tuple(peer_of(name) for name in _HOME)
