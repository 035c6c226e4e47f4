"""The four hooks of a losszoo plugin.

A plugin is a module, or an object in one, that a distribution names in the entry-point group ``losszoo``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from losszoo.registry.signature_specs import KindSpec, SignatureSpec
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
    """The tasks that this plugin offers, with specs like losses, and loaded like them: when used."""


@hookspec
def losszoo_signatures() -> Iterable[SignatureSpec | str | type]:  # type: ignore[empty-body]
    """The signatures that this plugin offers: what losses of a further field are called with.

    Each is "package.module:Class" of a :class:`losszoo.Signature`, whose attributes (``name``, ``arguments``, ``fits``
    and so on) are read from its source as literals, so that ``losszoo list`` imports nothing; or a
    :class:`losszoo.SignatureSpec`; or the class itself, where the plugin imports it anyway. The signatures and kinds
    of all plugins are known before any loss or task is checked against them.
    """


@hookspec
def losszoo_kinds() -> Iterable[KindSpec | str | type]:  # type: ignore[empty-body]
    """The kinds of task that this plugin offers: what their targets are and which metrics judge them.

    Each is "package.module:Class" of a :class:`losszoo.Kind`, a :class:`losszoo.KindSpec`, or the class itself.
    """
