"""A child process that measures one cell; its failure does not end the parent."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from losszoo.bench.agreement import Agreement, agreement_of
from losszoo.bench.contender import Side, function_of, settle
from losszoo.bench.peers import NoAnswerError
from losszoo.bench.step_memory import bound_memory, peak_of
from losszoo.bench.timing import Plan, Spread, alternate, clock, ratios
from losszoo.bench.workload import Workload
from losszoo.bench.workload_inputs import make_inputs
from losszoo.common.text import human_bytes, in_one_line
from losszoo.errors import bytes_refused, is_out_of_memory

Answer = dict[str, Any]
_SMALL = 16


def answers(request: Mapping[str, Any]) -> Iterator[Answer]:
    """As :func:`answer`, for a process that serves."""
    yield answer(request)


def answer(request: Mapping[str, Any]) -> Answer:
    """Measure what was asked for; whatever is raised is a part of the answer.

    Args:
        request: "what" ("memory" or "time"), "workload", "sides", "threads", "memory_limit" and "timeout", and
            "budget" and "repeats" of a time.
    """
    cell = _Cell(request)
    try:
        return cell.measure()
    except NoAnswerError as error:
        return {"status": "no-answer", "said": str(error), "side": cell.at}
    except (Exception, SystemExit) as error:  # a loss that leaves is one that fails
        if is_out_of_memory(error):
            piece, limit = bytes_refused(error), human_bytes(request["memory_limit"])
            what = "it" if piece is None else f"a tensor of {human_bytes(piece)} more"
            return {"status": "memory", "said": f"{what} does not fit into the limit of {limit}", "side": cell.at}
        return {"status": "raised", "said": in_one_line(error), "side": cell.at}


class _Cell:
    """One measurement, and which side it is at."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.began = time.monotonic()
        self.request = request
        self.workload = Workload(**request["workload"])
        self.device = torch.device(self.workload.device)
        self.at: str = request["sides"][-1]

    def measure(self) -> Answer:
        if self.request["threads"]:
            torch.set_num_threads(self.request["threads"])
        settle(self.device)
        found = self._memory() if self.request["what"] == "memory" else self._time()
        return {"status": "ok", "threads": torch.get_num_threads(), **found}

    def _memory(self) -> Answer:
        """The peak of one side, after the same on inputs so small that only code is loaded."""
        function = function_of(self.at, self.workload)
        small = dataclasses.replace(self.workload, first=min(self.workload.first, _SMALL))
        Side(function, *make_inputs(small)).step()
        bounded = bound_memory(self.request["memory_limit"], self.device)
        peak, how = peak_of(Side(function, *make_inputs(self.workload)), self.device)
        return {"extra_bytes": peak, "by": how, "bounded": bounded}

    def _time(self) -> Answer:
        """The first call of each side, whether they agree, and the time of those that do."""
        names = self.request["sides"]
        sides, first, agreement = self._first_calls()
        answer: Answer = {"first_call": dict(zip(names, first, strict=True))}
        if agreement is not None:
            answer["agreement"] = {**dataclasses.asdict(agreement), "agrees": agreement.agrees}
            if not agreement.agrees:
                return answer
        # A tenth of the time is left for the answer.
        deadline = self.began + 0.9 * self.request["timeout"]
        samples = alternate(sides, first, Plan(self.request["budget"], self.request["repeats"], deadline), self.device)
        spreads = [dataclasses.asdict(Spread.of(seconds)) for seconds in samples]
        answer["seconds"] = dict(zip(names, spreads, strict=True))
        if len(samples) == 2:
            answer["ratio"] = dataclasses.asdict(ratios(*samples))
        return answer

    def _first_calls(self) -> tuple[list[Side], list[float], Agreement | None]:
        """The sides on the same inputs, seconds of the first call of each, and whether two of them agree."""
        bound_memory(self.request["memory_limit"], self.device)
        inputs, leaves = make_inputs(self.workload)
        sides, first, values, gradients = [], [], [], []
        for name in self.request["sides"]:
            self.at = name
            side = Side(function_of(self.at, self.workload), inputs, leaves)
            sides.append(side)
            first.append(clock(side, self.device))
            values.append(side.value)
            gradients.append(side.gradients())
        if len(sides) < 2:
            return sides, first, None
        return sides, first, agreement_of((values[0], values[1]), (gradients[0], gradients[1]), self.workload.dtype)
