"""The table of signatures: what a loss is called with, by name. They come from plugins."""

from __future__ import annotations

from losszoo.losses.known_signatures import TABLE as TABLE
from losszoo.losses.signature import Signature as Signature
