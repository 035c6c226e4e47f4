"""A given input on which a loss breaks, diagnosed: what a crash bundle hands over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.common.seeding import isolated
from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.findings import bare_finding, finding_of
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.effort import EFFORT, SECONDS, Effort
from losszoo.doctor.report.examination import Finding
from losszoo.doctor.subject.dtypes import quiet
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, is_floating, make_subject
from losszoo.losses.introspection import positional_names
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import example_inputs


def diagnose(
    loss: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    signature: str = "",
    expects: str = "logits",
    target: str = "loss",
    seed: int = 0,
    effort: int = EFFORT,
    budget: float = SECONDS,
) -> tuple[Finding, ...]:
    """Which operation is to blame for a known failure, on which smallest input, and what cures it.

    Args:
        loss: that breaks.
        inputs: on which it does.
        signature: of the table, if it has one: remedies are then checked on an ordinary input of it.
        expects: "logits", "probabilities" or "log-probabilities".
        target: what to call it.
        seed: of every draw.
        effort: evaluations of the loss that may be spent on it.
        budget: seconds, after which no more is tried.

    Returns:
        One finding, or none where everything is finite.

    Raises:
        Exception: what the loss raises on these inputs.

    Example:
        >>> found, = diagnose(lambda x: torch.log(x).sum(), (torch.zeros(5),))
        >>> found.op, found.paste
        ('log', 'loss(torch.tensor([0.0]))')
    """
    with isolated(seed, torch.device("cpu")), quiet():
        leaves = tree_leaves(tuple(inputs))
        dtype = next((x.dtype for x in leaves if is_floating(x)), torch.float32)
        limit = Effort(effort, budget)
        subject = replace(_subject(loss, tuple(inputs), signature, expects, target, seed), effort=limit)
        outcome = evaluate(subject, leaves, dtype)
        if outcome.error is not None:
            raise outcome.error
        symptom = symptom_of(outcome)
        if symptom is None:
            return ()

        def shows(smaller: Leaves) -> bool:
            return symptom_of(evaluate(subject, smaller, dtype)) == symptom

        detached = [x.detach() if isinstance(x, Tensor) else x for x in leaves]
        culprit = blame(subject, leaves, dtype)
        failure = Failure(subject, "the failing batch", symptom, dtype, detached, culprit, shows)
        try:
            return (finding_of(failure, limit),)
        except TimeUpError:
            return (bare_finding(failure),)


def _subject(
    loss: Callable[..., Any], inputs: tuple[Any, ...], signature: str, expects: str, target: str, seed: int
) -> Subject:
    if signature not in TABLE:
        subject = make_subject(loss, inputs, positional_names(loss), "", expects, target, seed)
        # Of zeros and ones alone nothing tells a target from a prediction.
        floating = tuple(i for i, x in enumerate(subject.leaves) if is_floating(x))
        named = any(isinstance(x, Tensor) and x.requires_grad for x in tree_leaves(inputs))
        return subject if named else replace(subject, trained=floating)
    row = TABLE[signature]
    usual = example_inputs(signature, expects=expects, seed=seed)[: len(inputs)]
    return make_subject(loss, usual, row.names, signature, expects, target, seed)
