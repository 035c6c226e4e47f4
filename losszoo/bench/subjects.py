"""Which losses are measured: names, calls and targets, with everything that their inputs depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from losszoo.api import list_losses
from losszoo.bench.workload import Size, Workload, labels_of, second_of
from losszoo.errors import UsageError, suggest
from losszoo.losses.signatures import TABLE
from losszoo.registry.compatibility import COMBINER, check_params, own_names
from losszoo.registry.expressions import Call, parse
from losszoo.registry.registry import installed


def is_wide(signature: str) -> bool:
    """Whether the inputs have a width."""
    return TABLE[signature].sizes.wide


@dataclass(frozen=True)
class Subject:
    """A loss to measure.

    Args:
        text: as it was asked for.
        loss: its name, or the target.
        signature, expects: of the loss.
        params: every hyperparameter with its value.
        given: those that were given.
    """

    text: str
    loss: str
    signature: str
    expects: str = "logits"
    params: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def workload(self, size: Size, dim: int, classes: int | None, **rest: Any) -> Workload:
        """At a size. Hyperparameters named ``dim`` and ``classes`` that were left out are those of the inputs."""
        shape: dict[str, Any] = {"dim": dim, "classes": labels_of(classes)}
        left_out: dict[str, Any] = {name: value for name, value in shape.items() if self.params.get(name, ...) is None}
        return Workload(
            loss=self.loss,
            signature=self.signature,
            expects=self.expects,
            params={**self.params, **left_out},
            given={**self.given, **left_out},
            first=size.first,
            second=second_of(size, self.signature, classes),
            **shape,
            **rest,
        )


def subject_of(text: str, signature: str | None = None, expects: str | None = None) -> Subject:
    """The loss of a name ("nca"), a call ("nca(temperature=0.5)") or a target ("file.py:MyLoss").

    Raises:
        UsageError: unknown name, parameters that are not legal, a sum, or a loss that only combines others.

    Example:
        >>> subject_of("focal(gamma=1)").params
        {'gamma': 1, 'alpha': None}
    """
    text = own_names(text)
    terms = parse(text)
    if len(terms) != 1 or terms[0].scale != 1 or terms[0].schedules or terms[0].call.inner:
        raise UsageError(f"bench must have single losses, got {text!r}; measure its terms one by one")
    call = terms[0].call
    if ":" in call.name:
        return _own(text, call, signature, expects)
    if signature or expects:
        raise UsageError(f"signature and expects must go with a loss of your own, got {text!r}, which is registered")
    spec = installed().loss(call.name)
    check_params(spec, call.arguments, str(installed().origin("loss", spec.name)))
    if COMBINER in spec.tags:
        raise UsageError(f"bench must have losses with inputs of their own, got {spec.name}, which combines others")
    params = {param.name: param.default for param in spec.params} | call.arguments
    return Subject(text, spec.name, spec.signature, spec.expects, params, dict(call.arguments))


def subjects_of_family(family: str) -> list[Subject]:
    """Every loss of a family with inputs of its own.

    Raises:
        UsageError: there is no such family.
    """
    registry = installed()
    families = sorted({registry.origin("loss", name).entry_point for name in registry.losses})
    if family not in families:
        raise UsageError(f"unknown family {family!r}: {suggest(family, families)}")
    specs = [spec for spec in list_losses(plugin=family) if COMBINER not in spec.tags]
    return [subject_of(spec.name) for spec in specs]


def _own(text: str, call: Call, signature: str | None, expects: str | None) -> Subject:
    from losszoo.creation import create
    from losszoo.losses.loss import Loss

    loss = create(text, signature=signature, expects=expects)
    if not isinstance(loss, Loss):
        raise UsageError(f"bench must have single losses, got {text!r}, a sum; measure its terms one by one")
    identity = loss.identity
    return Subject(text, call.name, identity.signature, identity.expects, dict(call.arguments), dict(call.arguments))
