"""The parts of a plan: the loss that fits the task, model, optimizer, and how it predicts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.seeding import isolated
from losszoo.creation import create
from losszoo.errors import UntrustedError, UsageError
from losszoo.losses.introspection import fitting_signatures, infer_signature, parameters_of
from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import example_inputs
from losszoo.losses.signatures.signature import Signature, interchangeable
from losszoo.losses.sums.leaves import leaves
from losszoo.losses.sums.sum_loss import SumLoss, Term
from losszoo.pairs.pairwise_loss import PairwiseLoss
from losszoo.registry.compatibility import check_fit, example_for, fitting_tasks, targets_of
from losszoo.registry.compatibility import leaves as calls_of
from losszoo.registry.expressions import Weighted, parse
from losszoo.registry.import_target import resolve
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.task import Recipe, Setup
from losszoo.training.data.batch_inputs import Model, make_head
from losszoo.training.data.prepared_data import Prepared
from losszoo.training.evaluation.predict import Prediction
from losszoo.training.models.own_network import DIM, build_network, is_own, takes_dim
from losszoo.training.models.trunks import LEGAL, build_trunk, trunk_options
from losszoo.training.parameter_groups import parameter_groups

# What losszoo.create takes beside the parameters of a loss.
_OPTIONS = {name for name, p in parameters_of(create).items() if p.kind is not p.VAR_KEYWORD}

# Rows that a network of the user is tried on.
_TRIED = 8


def device_of(name: str) -> torch.device:
    """The device of that name, tried out.

    Raises:
        UsageError: this machine does not have it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        said = str(error).splitlines()[0].partition(". ")[0]
        raise UsageError(f"device must be one that this machine has, got {name!r} ({said}); cpu always works") from None
    if device.type == "meta":
        raise UsageError("device must be one that computes, got 'meta', which holds shapes alone; cpu always works")
    return device


def make_loss(
    loss: str | Callable[..., Any],
    spec: TaskSpec,
    params: Mapping[str, Any],
    signature: str | None = None,
    expects: str | None = None,
    *,
    targets: bool = False,
    calls: bool = True,
) -> SumLoss:
    """The loss as a sum, even of one term; refused where it does not fit the task.

    Args:
        loss: a name, expression or target, or an object.
        spec: of the task.
        params: the ``loss.`` settings.
        signature: of a loss of one's own.
        expects: of a loss of one's own.
        targets: let the text name targets. A target is imported, and so runs code: True for what a person has written,
            False for what a file says.
        calls: call a loss of the user that fits several signatures, to tell which it takes; else it is taken for what
            the task naturally feeds.

    Raises:
        UntrustedError: the text names a target and may not; nothing is imported.
        UsageError: the loss cannot be made, or does not fit.
    """
    terms: Sequence[Weighted] = ()
    if isinstance(loss, str):
        terms = parse(loss)
        named = targets_of(terms)
        if named and not targets:
            raise UntrustedError(
                f"a loss that a file names must be registered, got {', '.join(named)}: that is code, and would run as "
                "you"
            )
        check_fit(installed(), terms, spec)
        own: list[Any] = [resolve(call.name) for call in calls_of(installed(), terms) if ":" in call.name]
    else:
        own = [] if isinstance(loss, Loss | SumLoss) else [loss]
        if params and isinstance(loss, nn.Module):
            raise UsageError(f"loss. settings must be left out for a loss that is made, got {', '.join(params)}")
    _check_settings(loss, terms, params)
    if signature is None and {infer_signature(thing) for thing in own} == {None}:
        # No custom loss says by its arguments what it takes.
        signature = _taken(own, spec, expects, params) if calls else installed().kinds[spec.kind].natural
    made = create(loss, signature=signature, expects=expects, **params)
    for leaf in leaves(made):
        if not leaf.rules.on_parameters and not installed().fits(leaf.signature, spec.kind):
            raise UsageError(
                f"{leaf.identity.name} is a {leaf.signature} loss and does not fit {spec.name}, a {spec.kind} task; "
                f"it fits {fitting_tasks(installed(), leaf.signature)}. "
                f"Try {example_for(installed(), spec)}, or say --signature"
            )
    return made if isinstance(made, SumLoss) else SumLoss([Term(str(made.identity), made)])


def _check_settings(loss: str | Callable[..., Any], terms: Sequence[Weighted], params: Mapping[str, Any]) -> None:
    """Refuse ``loss.`` settings that are no parameters of the loss, or are in its text too.

    Raises:
        UsageError: one is.
    """
    for name in params:
        if name in _OPTIONS:
            raise UsageError(f"loss.{name} must be a parameter of the loss, got {name}, an option of losszoo.create")
    twice = [name for name in params for term in terms if name in term.call.arguments]
    if twice:
        raise UsageError(f"a parameter must be given once, got {', '.join(twice)} in {loss!r} and in loss.{twice[0]}")


def _taken(own: Sequence[Any], spec: TaskSpec, expects: str | None, params: Mapping[str, Any]) -> str:
    """What custom losses take on a task: what it naturally feeds, unless a single row of that teaches them nothing.

    So with torch's CrossEntropyLoss on a binary task: it takes (N,) logits for one sample of N classes, and of one row
    its value is 0, whatever the logit.
    """
    natural = installed().kinds[spec.kind].natural
    fitting = [set(fitting_signatures(thing)) for thing in own]
    others = [name for name in TABLE if installed().fits(name, spec.kind) and all(name in names for names in fitting)]
    for name in dict.fromkeys((natural, *others)):
        if all(_learns_from_rows(thing, name, expects, params) for thing in own):
            return name
    return natural


def _learns_from_rows(thing: Any, signature: str, expects: str | None, params: Mapping[str, Any]) -> bool:
    """Whether some batch of one row gives the first input a gradient."""
    try:
        batch = example_inputs(signature, expects=expects or "logits")
        rows = len(batch[0])
        with isolated(0, torch.device("cpu")):
            loss = create(copy.deepcopy(thing), signature=signature, expects=expects, **params)
            for row in range(rows):
                one = [x[row : row + 1] if isinstance(x, Tensor) and x.shape[:1] == (rows,) else x for x in batch]
                first = one[0].detach().requires_grad_()
                value = loss(first, *one[1:]).sum()
                if value.requires_grad:
                    (slope,) = torch.autograd.grad(value, first, allow_unused=True)
                    if slope is not None and bool((slope != 0).any()):
                        return True
    except (Exception, SystemExit):  # of the user's code, or of a signature without an example of rows
        return False
    return False


def text_of(loss: str | Callable[..., Any]) -> str:
    """What a run calls its loss.

    Example:
        >>> text_of("bce"), text_of(nn.MSELoss()), text_of(abs)
        ('bce', 'MSELoss', 'abs')
    """
    if isinstance(loss, str):
        return loss
    if isinstance(loss, Loss):
        return str(loss.identity)
    if isinstance(loss, SumLoss):
        return " + ".join(term.label if term.scale == 1 else f"{term.scale:g}*{term.label}" for term in loss.terms)
    return getattr(loss, "__name__", type(loss).__name__)


def shaped_signatures(loss: SumLoss) -> list[Signature]:
    """The signatures of the terms, each once, as the parameters of the terms shape them.

    Raises:
        UsageError: two terms would share a head that they shape differently.
    """
    found: dict[str, Loss] = {}
    for leaf in leaves(loss):
        first = found.setdefault(leaf.signature, leaf)
        if leaf.shape != first.shape:
            names = " and ".join(leaf.rules.shaped_by)
            raise UsageError(
                f"{leaf.identity}: {names} must be those of {first.identity}, whose head it shares, {first.shape}, "
                f"got {leaf.shape}"
            )
    return [leaf.rules for leaf in found.values()]


def make_model(
    trunk: Any, options: Mapping[str, Any], numeric: int | None, data: Prepared, signatures: Sequence[Signature]
) -> Model:
    """A fresh trunk with a head for every signature that needs one; those that judge one prediction share theirs.

    Args:
        trunk: the name of one of ours, or a network of the user.
        options: of the trunk.
        numeric: how many leading columns are numbers.
        data: of the task.
        signatures: of the loss.

    Raises:
        UsageError: it cannot be built, as where it is larger than the memory.
    """
    if is_own(trunk):
        return _own_model(trunk, options, data, signatures)
    try:
        built = build_trunk(trunk, data.train.shape, numeric, **options)
    except (RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, UsageError):
            raise
        said = (str(error).splitlines() or [""])[0]
        chosen = ", ".join(f"model.{name}={value}" for name, value in options.items())
        raise UsageError(
            f"trunk {trunk} must be one that fits into memory, got {chosen} ({type(error).__name__}: {said}); "
            "choose smaller sizes"
        ) from error
    made = {rules.name: make_head(rules, built.dim, data) for rules in signatures}
    return Model(built, _shared({name: head for name, head in made.items() if head is not None}))


def with_dim(setup: Setup, proposal: Setup, data: Prepared, signatures: Sequence[Signature]) -> Setup:
    """The setup with the size of an embedding that a network of the user is told, where no head is put on top.

    Args:
        setup: with the user's changes.
        proposal: of the task, whose size of an embedding it is.
        data: of the task.
        signatures: of the loss.
    """
    told = DIM in setup.model or not is_own(setup.trunk) or not takes_dim(setup.trunk)
    if told or any(make_head(rules, 1, data) is not None for rules in signatures):
        return setup
    options = {} if is_own(proposal.trunk) else {**trunk_options(proposal.trunk), **proposal.model}
    return replace(setup, model={**setup.model, DIM: options.get(DIM, LEGAL[DIM].default)})


def _own_model(trunk: Any, options: Mapping[str, Any], data: Prepared, signatures: Sequence[Signature]) -> Model:
    """A network whose outputs have the shape that a loss takes is used as it is; any other gets a linear layer."""
    rows = data.train.first(_TRIED)
    outputs = {rules.name: _outputs_of(make_head(rules, 1, data), rows) for rules in signatures}
    built = build_network(
        trunk, rows, next((count for count in outputs.values() if count), 0), options, data.train.targets.ndim > 2
    )
    heads: dict[str, nn.Module] = {}
    for rules in signatures:
        head = nn.Identity() if built.dim == outputs[rules.name] else make_head(rules, built.dim, data)
        if head is not None:
            heads[rules.name] = head
    return Model(built, _shared(heads))


def _outputs_of(head: nn.Module | None, rows: Tensor) -> int:
    """How many numbers a head of one feature gives, of a row or of a pixel; 0 without a head."""
    if head is None:
        return 0
    for shape in ((len(rows), 1), (len(rows), 1, *rows.shape[2:])):
        with suppress(RuntimeError), torch.no_grad():  # a head of pixels takes no plain rows
            outputs = head(torch.zeros(shape))
            return int(outputs.shape[1]) if outputs.ndim > 1 else 1
    return 0


def _shared(heads: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """One head for terms that are called with the same tensors, as in bce + dice: what predicts is what all judge."""
    strictest = interchangeable([TABLE[name] for name in heads])
    if strictest is None:
        return heads
    one = heads[strictest.name]
    return {name: one if _alike(head, one) else head for name, head in heads.items()}


def _alike(first: nn.Module, second: nn.Module) -> bool:
    """Whether two heads differ by their random numbers only."""
    return str(first) == str(second) and [p.shape for p in first.parameters()] == [p.shape for p in second.parameters()]


def make_optimizer(model: nn.Module, loss: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; parameters that a loss learns are not decayed."""
    groups = parameter_groups(model, loss, lr=recipe.lr, loss_lr=recipe.loss_lr, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, fused=True)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, fused=True)


def make_prediction(loss: SumLoss, signature: str) -> Prediction:
    """How the predicting term predicts: what it expects, the similarity and temperature of its training."""
    leaf = next(leaf for leaf in leaves(loss) if leaf.signature == signature)
    if isinstance(leaf, PairwiseLoss):
        temperature = float(getattr(leaf, "temperature", 1.0))
        return Prediction(signature, leaf.identity.expects, leaf.similarity, temperature, shape=leaf.shape)
    defaults = {name: p.default for name, p in parameters_of(leaf.function).items() if p.default is not p.empty}
    chosen = {**defaults, **leaf.identity.params}
    similarity, temperature = chosen.get("similarity", "euclidean"), chosen.get("temperature", 1.0)
    return Prediction(signature, leaf.identity.expects, similarity, temperature, shape=leaf.shape)
