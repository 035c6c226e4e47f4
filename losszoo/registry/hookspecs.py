"""The two hooks of a losszoo plugin.

A plugin is a module, or an object in one, that a distribution names in the entry-point group ``losszoo``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from losszoo.registry.specs import LossSpec, TaskSpec

GROUP = "losszoo"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def losszoo_losses() -> Iterable[LossSpec]:  # type: ignore[empty-body]
    """The losses that this plugin offers.

    Called once per process, when the registry is built, for ``losszoo list`` too: return the specs and import
    nothing heavy. The functions themselves are named by ``LossSpec.target`` and loaded when they are used.
    A name that another plugin already holds is refused; the rest of the list is kept.
    """


@hookspec
def losszoo_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """The tasks that this plugin offers, announced like losses and loaded like them: when used."""
