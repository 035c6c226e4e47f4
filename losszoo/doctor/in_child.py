"""An examination in a process of its own, with a bound on memory and an end that no loss can put off."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from losszoo.common.child_process import ChildProcess, EndedError
from losszoo.doctor.journal import last_words, new_folder
from losszoo.doctor.report.examination import Examination, undecided

_JOB = "losszoo.doctor.examination_child:examination"


class Examiner(ChildProcess):
    """A process that examines one loss after another.

    Example:
        >>> with Examiner() as examiner:
        ...     found = examiner.examine("mse", {"budget": 600.0, "effort": 20})
        >>> found.verdict  # so few evaluations do not suffice
        'undecided'
    """

    def __init__(self) -> None:
        # What torch.jit.script is given runs as it is written, so that its operations are seen.
        super().__init__(environment={"PYTORCH_JIT": "0", **os.environ}, computing=True)

    def examine(self, target: str, options: Mapping[str, Any], example: str | None = None) -> Examination:
        """The answer of the process; where it was ended, or has ended itself, what it had found until then.

        Args:
            target: name, expression or target of the loss.
            options: of :func:`losszoo.examine`; "budget" among them.
            example: target of the function that makes an ordinary input.

        Raises:
            LosszooError: what ``losszoo.examine`` raises.
        """
        began = time.monotonic()
        with new_folder() as folder:
            request = {"target": target, "example": example, "options": dict(options), "journal": folder}
            try:
                found: Examination = self.ask(_JOB, request, options["budget"])
            except EndedError as ended:
                last = last_words(folder)
                found = undecided(target, last.said(str(ended)), time.monotonic() - began)
                return replace(found, findings=last.findings, signature=options.get("signature") or "")
        return found
