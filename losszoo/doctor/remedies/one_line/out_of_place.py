"""A write in place is made into a new tensor, which takes the place of the old one from then on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.operations import operation, written_by
from losszoo.tracing.tape import Site, Tape

_ADVICE = "compute it out of place, into a new tensor"
_METHOD = re.compile(r"^([\w.]+)\.(\w+?)_\((.*)\)$")
_AUGMENTED = re.compile(r"^([\w.]+) (\*\*|//|[-+*/@])= (.+)$")
_ENTRY = re.compile(r"^(\w+)\[.+\] [-+*/]?= .+$")


class _Anew(Tape):
    """Makes the writes of some sites into copies, and hands the copies on in place of what they are copies of."""

    def __init__(self, sites: Sequence[Site]) -> None:
        super().__init__(everything=True)
        self.sites = sites
        self._anew: dict[int, tuple[Tensor, Tensor]] = {}  # the old one is held, so that its identity stays its own

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(self._newest, (args, kwargs or {}))
        target = written_by(func, args, kwargs)
        if target is not None and self.site_here(operation(func)) in self.sites:
            copy = target.clone()
            self._anew[id(target)] = (target, copy)
            args, kwargs = tree_map(self._newest, (args, kwargs))
        return super().__torch_function__(func, types, args, kwargs)

    def _newest(self, value: Any) -> Any:
        while id(value) in self._anew:
            value = self._anew[id(value)][1]
        return value


def out_of_place(subject: Subject, sites: Sequence[Site]) -> tuple[str, bool | None]:
    """Words, and whether it was run: value and gradient are finite, and the value is what it was."""
    usual = evaluate(subject, subject.leaves, gradients=False)
    mended = evaluate(subject, subject.leaves, mode=_Anew(sites))
    words = [_words(site) for site in sites]
    text = "; then ".join(dict.fromkeys(w for w in words if w)) or _ADVICE
    if usual.values is None or mended.values is None or usual.values.shape != mended.values.shape:
        return text, None
    same = torch.allclose(usual.values, mended.values, 1e-4, 1e-6)
    finite = all(bool(g.isfinite().all()) for g in mended.moved())
    return text, True if same and finite and None not in words else None


def _words(site: Site) -> str | None:
    """What to write on the line, where it is nothing but the write."""
    code = (site.code or "").partition("  #")[0]
    if (found := _METHOD.match(code)) is not None:
        new = f"{found[1]} = {found[1]}.{found[2]}({found[3]})"
    elif (found := _AUGMENTED.match(code)) is not None:
        new = f"{found[1]} = {found[1]} {found[2]} ({found[3]})"
    elif (found := _ENTRY.match(code)) is not None:
        new = f"{found[1]} = {found[1]}.clone(); {code}"
    else:
        return None
    return f"write {new} instead of {code} at {site.source}"
