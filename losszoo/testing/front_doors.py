"""Two doors into one list of rules: a function for scripts, and a decorator for pytest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.testing.check import Check, ConformanceError
from losszoo.testing.loss_under_test import NotApplicable, Subject, subject_of
from losszoo.testing.suite import CHECKS, known_checks
from losszoo.testing.suite_report import FAILED, KNOWN, PASSED, SKIPPED, Outcome, Report

LEFT_OUT = "left out by the caller"


def check_loss(
    target: Any,
    *,
    signature: str | None = None,
    expects: str | None = None,
    known_failures: Mapping[str, str] | None = None,
    skip: Collection[str] = (),
    **params: Any,
) -> Report:
    """Run every rule that concerns a loss.

    Args:
        target: a name ("focal"), a call ("focal(gamma=1)"), a target ("file.py:MyLoss"), an announcement
            (``LossSpec``), or a function, module or module class of your own.
        signature: of a target that is not in the registry; read off its argument names when left out.
        expects: what such a loss expects: "logits", "probabilities" or "log-probabilities".
        known_failures: reason by name of the check, for what is known to fail; one that passes is an error.
        skip: names of checks that are not to be run.
        params: hyperparameters.

    Returns:
        Which rules hold, which fail as known, and which do not concern the loss and why.

    Raises:
        ConformanceError: names every broken rule, with what came instead and the next step.
        UsageError: there is no such loss or check.

    Example:
        >>> print(check_loss("mse", skip=["check_compile", "check_compile_masked"]))
        mse: 31 passed, 7 skipped
    """
    reasons, left_out = _reasons(known_failures, "known_failures"), known_checks(skip, "skip")
    subject = subject_of(target, signature=signature, expects=expects, **params)
    ordinary, *others = CHECKS
    outcomes = [_outcome(ordinary, subject, reasons, left_out)]
    if outcomes[0].status != FAILED:  # a loss that cannot be called at all breaks every rule, for one reason
        outcomes += [_outcome(check, subject, reasons, left_out) for check in others]
    report = Report(subject.name, tuple(outcomes))
    report.raise_failures()
    return report


def _outcome(check: Check, subject: Subject, reasons: Mapping[str, str], left_out: Collection[str]) -> Outcome:
    if check.name in left_out:
        return Outcome(check.name, SKIPPED, LEFT_OUT)
    try:
        check(subject)
    except NotApplicable as why:
        return Outcome(check.name, SKIPPED, str(why))
    except ConformanceError as error:
        known = reasons.get(check.name)
        return Outcome(check.name, FAILED, str(error)) if known is None else Outcome(check.name, KNOWN, known)
    if check.name not in reasons:
        return Outcome(check.name, PASSED)
    said = f"{check.name}[{subject}]: a known failure must fail, got a pass; take it off known_failures"
    return Outcome(check.name, FAILED, said)


def parametrize_losses(
    losses: Iterable[Any],
    *,
    signature: str | None = None,
    expects: str | None = None,
    known_failures: Mapping[str, Mapping[str, str]] | None = None,
    skip: Collection[str] = (),
) -> Callable[[Callable[..., Any]], Any]:
    """Make a test function of ``loss`` and ``check`` into one test for every loss and every rule.

    The function calls ``check(loss)``. A rule that does not concern a loss is a skipped test that says why; a known
    failure is an expected one (``xfail``), and an error once it passes.

    Args:
        losses: each as in :func:`check_loss`.
        signature: of losses that are not in the registry.
        expects: what such losses expect.
        known_failures: reason by name of the check, by name of the loss.
        skip: names of checks that are not to be run.

    Raises:
        UsageError: there is no such loss or check.

    Example:
        >>> @parametrize_losses(["focal", "bce"], skip=["check_compile", "check_compile_masked"])
        ... def test_conformance(loss, check):
        ...     check(loss)
        >>> [case.id for case in test_conformance.pytestmark[0].args[1]][:2]
        ['check_ordinary_batch[focal]', 'check_battery[focal]']
    """
    import pytest

    left_out = known_checks(skip, "skip")
    if isinstance(losses, str):
        raise UsageError(f"losses must be a list, got {losses!r}; write [{losses!r}]")
    subjects = [subject_of(loss, signature=signature, expects=expects) for loss in losses]
    reasons = _reasons_by_loss(known_failures or {}, [subject.name for subject in subjects])
    cases = []
    for subject, check in itertools.product(subjects, [check for check in CHECKS if check.name not in left_out]):
        reason = reasons.get(subject.name, {}).get(check.name, "")
        marks = [pytest.mark.xfail(reason=reason, raises=ConformanceError, strict=True)] if reason else []
        cases.append(pytest.param(subject, check, id=f"{check.name}[{subject}]", marks=marks))
    return pytest.mark.parametrize(("loss", "check"), cases)


def _reasons_by_loss(known: Mapping[str, Mapping[str, str]], losses: list[str]) -> dict[str, Mapping[str, str]]:
    for name in known:
        if name not in losses:
            raise UnknownNameError(f"known_failures: {name!r} is not among the losses: {suggest(name, losses)}")
    return {name: _reasons(reasons, f"known_failures[{name!r}]") for name, reasons in known.items()}


def _reasons(known: Mapping[str, str] | None, what: str) -> Mapping[str, str]:
    """Reasons by name of the check, each of which there is."""
    if not isinstance(known or {}, Mapping):
        raise UsageError(f"{what} must be {{check: reason}}, got {known!r}")
    reasons = dict(known or {})
    known_checks(reasons, what)
    for name, reason in reasons.items():
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f"{what}: {name} must have a reason, got {reason!r}; say why it fails")
    return reasons
