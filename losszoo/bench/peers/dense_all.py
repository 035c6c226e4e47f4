"""The peer ``dense``: every formula as one writes it in plain torch, with autograd for the gradient."""

from __future__ import annotations

from losszoo.bench.peers.dense_classes import CLASS_MAKERS, CLASSES
from losszoo.bench.peers.dense_numbers import NUMBERS
from losszoo.bench.peers.dense_pairs import PAIRS
from losszoo.bench.peers.dense_triplets import TRIPLETS
from losszoo.bench.peers.peer import Peer

_FORMULAS = {**PAIRS, **TRIPLETS, **CLASSES, **NUMBERS}
PEERS = {"dense": Peer("dense", "torch", formulas=_FORMULAS, makers=CLASS_MAKERS)}
