"""A loss tried on one ordinary batch after another, until one is accepted; and what its code then says of it."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.foreign_code import foreign_code
from losszoo.common.text import in_one_line
from losszoo.doctor.inputs.held_tensors import fields_of, is_held
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.assumed.argument_roles import role_of
from losszoo.doctor.subject.assumed.asked_fields import Asked
from losszoo.doctor.subject.assumed.code_use import uses
from losszoo.doctor.subject.assumed.further_trials import CLASS_COUNTS, other_roles
from losszoo.doctor.subject.assumed.ordinary_batches import CLASSES, ROWS, Draw, Frame, frames
from losszoo.doctor.subject.subject import Subject, evaluate, make_subject
from losszoo.losses.introspection import parameters_of
from losszoo.tracing.finite_check import spoilt

# What a model may give, in the order in which it is tried.
_DOMAINS = ("", "probabilities", "positive", "log-probabilities", "embeddings")
_OF_MODEL = ("prediction", "", "student", "teacher", "image")
_BOUNDED = ("probabilities", "probability of each")
_MOST_ARGUMENTS = 8


@dataclass(frozen=True)
class Accepted:
    """A batch that a loss has answered.

    Args:
        subject: the loss with it.
        draw: how it was drawn.
    """

    subject: Subject
    draw: Draw


@dataclass
class Trial:
    """One loss, its arguments, and what it has raised so far.

    Args:
        loss: is tried.
        label: what it is called.
        seed: of every draw.
        roles: of its arguments.
        keywords: those that are passed by name.
        errors: what was raised, with the batch that raised it.
        unusable: batches that gave a value that is not finite, or one without a gradient.
        constant: a batch whose gradient is 0, as a softmax over a size of 1 gives: taken where there is no other.
    """

    loss: Any
    label: str
    seed: int
    roles: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    errors: dict[str, Exception] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    constant: Accepted | None = None

    def find(self) -> Accepted | None:
        """The first batch with a finite value and a gradient, refined by what the code does with it."""
        found = self._first(self._draws(_frames(self.loss, "image" in self.roles.values())))
        if found is None:
            found = self._first(self._draws(_of_other_classes()))
        if found is None:
            found = self._with_other_roles()
        return found or self.constant

    def _with_other_roles(self) -> Accepted | None:
        for roles in other_roles(self.roles):
            other = replace(self, roles=roles, errors={}, unusable={})
            found = other._first(other._draws(_frames(self.loss, False)))
            if found is not None:
                return found
        return None

    def _first(self, draws: Iterator[Draw]) -> Accepted | None:
        detached: Accepted | None = None
        for draw in draws:
            made = self.made(draw)
            if made is None:
                continue
            outcome = evaluate(made.subject, made.subject.leaves)
            if outcome.error is not None:
                self.errors.setdefault(in_one_line(outcome.error), outcome.error)
            elif not _is_finite(outcome):
                self.unusable.setdefault(described(made.subject), "a value that is not finite")
            elif outcome.is_detached:
                detached = detached or made
            elif _is_constant(outcome) and ("model" in self.roles.values() or 1 in draw.frame.full):
                self.constant = self.constant or made
            else:
                return self.refined(made)
        return detached

    def made(self, draw: Draw) -> Accepted | None:
        """The loss with a batch of that draw; None where it asks for nothing that can be made."""
        draw = replace(draw)  # draws begin again
        inputs = tuple(
            Asked(draw) if role == "fields" else draw.tensor(name, role) for name, role in self.roles.items()
        )
        if "fields" in self.roles.values():
            inputs = self._asked(inputs)
        if any(value is None for value in inputs):
            return None
        subject = make_subject(
            self.loss, inputs, tuple(self.roles), target=self.label, seed=self.seed, keywords=self.keywords
        )
        bounded = [i for i, name in enumerate(self.roles) if draw.domain.get(name) in _BOUNDED]
        return Accepted(replace(subject, within_one=frozenset(bounded)), draw)

    def _asked(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs with what a call has asked for; the call may fail later, for another reason."""
        count = len(inputs) - len(self.keywords)
        try:
            with foreign_code(), torch.enable_grad():
                self.loss(*inputs[:count], **dict(zip(self.keywords, inputs[count:], strict=True)))
        except (Exception, SystemExit) as error:
            self.errors.setdefault(in_one_line(error), RuntimeError(in_one_line(error)))
        return tuple(value.made() if isinstance(value, Asked) else value for value in inputs)

    def _draws(self, worlds: Sequence[Frame]) -> Iterator[Draw]:
        """In a fixed order: what a model gives, the world, what a target is, the shape of masks and weights."""
        roles = list(self.roles.values())
        model, net = [name for name, role in self.roles.items() if role in _OF_MODEL], "model" in roles
        kinds = (
            ("labels", "bits", "real", "positive", "shares", "whole")
            if {"target", "fields"} & {*roles}
            else ("labels", "bits")
        )
        unknown = [name for name, role in self.roles.items() if not role]
        # Of pairs: two of a kind, and whether they belong together.
        per_row = unknown[-1] if len(self.roles) > 2 and unknown and unknown[-1] == list(self.roles)[-1] else ""
        places = range(4) if any(role in ("mask", "flags", "weight", "") for role in roles) else (0,)
        for domain in _DOMAINS if model else ("",):
            for frame in worlds:
                for kind in kinds if frame.classes > 1 else kinds[1:]:
                    said = dict.fromkeys(model, domain) if domain else {}
                    for place, outputs in itertools.product(places, dict.fromkeys((1, frame.classes)) if net else (1,)):
                        yield Draw(frame, kind, place, self.seed, said, outputs)
                    if per_row and frame.classes > 1 and len(frame.full) > 1:
                        yield Draw(frame, kind, 0, self.seed, said, per_row=per_row)

    def refined(self, accepted: Accepted) -> Accepted:
        """The same batch with probabilities, or real targets, where the code shows that it takes those."""
        done = uses(accepted.subject)
        by_name = {name: done.get(i, set()) for i, name in enumerate(self.roles)}
        draw = accepted.draw
        better = replace(draw, domain={**draw.domain, **self._domains(by_name, draw)})
        if self._takes_real_targets(by_name, draw):
            above = any(by_name[name] & {"logarithm", "above 0"} for name in self._targets())
            kind = "positive" if above else "real"
            better = replace(better, target=kind)
        if (better.domain, better.target) == (draw.domain, draw.target):
            return accepted
        made = self.made(better)
        if made is None:
            return accepted
        outcome = evaluate(made.subject, made.subject.leaves)
        return made if outcome.error is None and _is_finite(outcome) and not outcome.is_detached else accepted

    def _targets(self) -> list[str]:
        return [name for name, role in self.roles.items() if role == "target"]

    def _domains(self, done: Mapping[str, set[str]], draw: Draw) -> dict[str, str]:
        found, roles = dict[str, str](), set(self.roles.values())
        of_classes = draw.target != "real" and bool({"target", "labels", "one-hot", "mask"} & roles)
        for name, role in self.roles.items():
            domain = domain_by(done[name], of_classes) if role in (*_OF_MODEL, "probabilities") else None
            if domain == "probabilities" and is_overlap(done[name]) and not {"labels", "one-hot"} & roles:
                domain = "probability of each"
            if domain and (role != "probabilities" or domain == "probability of each"):
                found[name] = domain
        return found

    def _takes_real_targets(self, done: Mapping[str, set[str]], draw: Draw) -> bool:
        """Whether a target is only compared with what the model gives, as it is."""
        model = [done[name] for name, role in self.roles.items() if role in _OF_MODEL]
        targets = [done[name] for name in self._targets()]
        if draw.target != "bits" or not targets or not model:
            return False
        apart = all("difference" in words for words in (*targets, model[0]))
        free = not any({"activated", "within one"} & words for words in (*targets, *model))
        return apart and free


def domain_by(words: set[str], of_classes: bool = True) -> str | None:
    """What a model gives, by what the code does with it; None for any real number.

    Args:
        words: of :func:`uses`.
        of_classes: labels or 0 and 1 stand beside it.

    Example:
        >>> domain_by({"within one", "logarithm"}), domain_by({"activated"}), domain_by({"product"})
        ('probabilities', None, 'probabilities')
    """
    if "log-probability" in words:
        return "log-probabilities"
    if "within one" in words or ("logarithm" in words and of_classes):
        return "probabilities"
    if words & {"logarithm", "above 0"}:
        return "positive"
    # What was never activated: the model has a sigmoid or a softmax at its end.
    return "probabilities" if is_overlap(words) and of_classes else None


def is_overlap(words: set[str]) -> bool:
    """Whether an input is only multiplied with another, as predicted regions with true ones: any may be empty."""
    others = {"activated", "difference", "geometry", "index", "logarithm", "above 0", "log-probability", "within one"}
    return "product" in words and not words & others


def trial_of(loss: Any, label: str, seed: int) -> Trial:
    """The trial of a loss, with the roles of the arguments that it needs."""
    parameters = parameters_of(loss.forward if isinstance(loss, nn.Module) else loss)
    places = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in places if p.default is p.empty]
    by_name = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if not needed and not by_name:
        needed = [p.name for p in places if p.default is None][:2] or ["predictions", "targets"]
    return Trial(loss, label, seed, _roles([*needed, *by_name][:_MOST_ARGUMENTS]), tuple(by_name))


def _roles(names: list[str]) -> dict[str, str]:
    """By name; the first without a name of the field is what a model gives, and data beside images are images."""
    roles = {name: role_of(name) for name in names}
    if "image" in roles.values():
        data = ("x", "input", "inputs", "data", "target", "targets")
        roles |= {name: "image" for name in names if name.lower() in data}
    model = any(role in ("prediction", "logits", "probabilities", "log-probabilities") for role in roles.values())
    if names and not roles[names[0]] and not model:
        roles[names[0]] = "prediction"
    if len(names) == 2 and not roles[names[1]] and roles[names[0]] in ("prediction", "logits", "probabilities"):
        roles[names[1]] = "target"
    return roles


def _frames(loss: Any, of_images: bool) -> tuple[Frame, ...]:
    """With the sizes that a loss has itself; images first where the names speak of them."""
    sizes = {"classes": CLASSES, "width": CLASSES, "rows": ROWS}
    called = loss.forward if isinstance(loss, nn.Module) else loss
    parameters = dict(parameters_of(called))
    if isinstance(loss, nn.Module):
        parameters |= parameters_of(type(loss))
    own = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    if isinstance(loss, nn.Module):
        own |= {name: value for name, value in vars(loss).items() if not name.startswith("_")}
    for name, value in own.items():
        role = role_of(name)
        if role in sizes and isinstance(value, int) and not isinstance(value, bool) and 1 < value <= 1024:
            sizes[role] = value
    found = frames(**sizes)
    return tuple(sorted(found, key=lambda frame: "images" not in frame.name)) if of_images else found


def _of_other_classes() -> tuple[Frame, ...]:
    """Rows and maps of every small number of classes."""
    return tuple(f for count in CLASS_COUNTS for f in frames(classes=count) if f.name in ("rows", "maps"))


def described(subject: Subject) -> str:
    """The batch in words: ``logits (8, 4), labels (8,) of 4 classes``."""
    return ", ".join(f"{name} {_words(name, value)}" for name, value in zip(subject.names, subject.inputs, strict=True))


def _words(name: str, value: Any) -> str:
    if is_held(value):
        return f"with {', '.join(f'.{key} {_words(key, inner)}' for key, inner in fields_of(value).items())}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_words(key, inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(_words(name, inner) for inner in value)}]"
    if not isinstance(value, Tensor):
        return f"a small {type(value).__name__}" if isinstance(value, nn.Module) else repr(value)
    shape = str(tuple(value.shape))
    if value.dtype == torch.bool:
        return f"{shape} of true and false"
    if not value.is_floating_point():
        lengths = "len" in name or not value.numel()
        return shape if lengths else f"{shape} of {int(value.max()) + 1} classes"
    if bool(((value == 0) | (value == 1)).all()):
        return f"{shape} of 0 and 1"
    within = bool(((value >= 0) & (value <= 1)).all())
    return f"{shape} in [0, 1]" if within else f"{shape} above 0" if bool((value > 0).all()) else shape


def _is_constant(outcome: Outcome) -> bool:
    """Whether no gradient is other than 0: of a network with one output, a softmax is 1."""
    return not any(bool(gradient.ne(0).any()) for gradient in outcome.moved())


def _is_finite(outcome: Outcome) -> bool:
    return not any(spoilt([outcome.values, *outcome.moved()]))
