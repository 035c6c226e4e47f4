"""One rule of the suite: what it says, whom it concerns, and how it is broken."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.signature import Signature
from losszoo.testing.loss_under_test import NotApplicable, Subject, subject_of

NO_SAMPLES = "a penalty has no samples"


class ConformanceError(LosszooError, AssertionError):
    """A loss breaks a rule of the suite. Its message says the rule, what came instead, and the next step."""


class Check:
    """A rule that can be called on a loss: on a :class:`Subject`, or on whatever ``losszoo.create`` takes.

    Args:
        function: looks at a subject and raises :class:`ConformanceError`; the first line of its docstring is the rule.
        concerns: whether the rule concerns losses of a signature.
        without: tags of losses that it does not concern.
        because: why it does not concern the others; of a penalty that is plain.
    """

    def __init__(
        self,
        function: Callable[[Subject], None],
        concerns: Callable[[Signature], bool],
        without: tuple[str, ...],
        because: str,
    ) -> None:
        self.function, self.concerns, self.without, self.because = function, concerns, without, because
        functools.update_wrapper(self, function)
        self.name = function.__name__

    def __call__(self, subject: Any) -> None:
        """Look at a loss.

        Raises:
            ConformanceError: it breaks the rule, or raises where it should not.
            NotApplicable: the rule does not concern it.
        """
        subject = subject_of(subject)
        reason = self.reason_against(subject.signature, subject.tags)
        if reason:
            raise NotApplicable(reason)
        try:
            self.function(subject)
        except NotApplicable:
            raise
        except ConformanceError as error:
            raise ConformanceError(f"{self.name}[{subject}]: {error}") from None  # it is the same error, with a name
        except (Exception, SystemExit) as error:  # whatever the author's code raises is an answer too
            raise ConformanceError(f"{self.name}[{subject}]: {self.rule} Got {in_one_line(error)}") from error

    def __repr__(self) -> str:
        return f"<{self.name}: {self.rule}>"

    @property
    def rule(self) -> str:
        """The rule, in one line."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def reason_against(self, signature: str, tags: tuple[str, ...] = ()) -> str | None:
        """Why the rule does not concern a loss of that signature and those tags; None where it does."""
        rules = TABLE[signature]
        concerned = self.concerns(rules)
        if concerned and not set(self.without) & set(tags):
            return None
        return NO_SAMPLES if rules.on_parameters and not concerned else self.because


def check(
    *,
    concerns: Callable[[Signature], bool] = lambda signature: True,
    without: tuple[str, ...] = (),
    because: str = "",
) -> Callable[[Callable[[Subject], None]], Check]:
    """Make a function a rule of the suite; the arguments are those of :class:`Check`."""
    return lambda function: Check(function, concerns, without, because)


def require(holds: bool, rule: str, came: str, advice: str) -> None:
    """Break the rule, with what came instead and the next step."""
    if not holds:
        raise ConformanceError(f"{rule}, got {came}; {advice}")
