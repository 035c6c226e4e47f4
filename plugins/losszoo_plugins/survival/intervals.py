"""What is predicted of intervals of time, against the interval of an event, or the last one survived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class _Intervals(Signature):
    """Logits (N, T) of T intervals against bins (N,) int64 from -1 to T - 1 and events (N,), 0 or 1.

    The bin of an event is its interval; that of a row that is lost from sight is the last interval that it survived,
    -1 for none. A run cuts the times of the training rows so that each interval has as many events.
    """

    given = ("bins", "events")
    fits = ("survival",)
    predicting = 54.0
    sizes = Sizes(first="rows", second="intervals", second_default=20, usual="256x20,4096x20")
    learns = "the expected time of who is seen longer over that of those whose event comes early"
    count: ClassVar[int] = 10

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        name = self.arguments[0]
        logits = checks.floating(name, inputs[0])
        if logits.ndim != 2 or not logits.shape[1]:
            raise checks.BrokenRule(name, "have shape (N, T), T >= 1", checks.shape_of(logits))
        bins = checks.integers("bins", inputs[1], logits.shape[:1])
        return logits, bins, checks.undifferentiated("events", checks.like("events", inputs[2], logits[:, 0], "bins"))

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, bins, events = inputs
        checks.require((events == 0) | (events == 1), "events", "be 0 or 1", events)
        last = logits.shape[1] - 1
        checks.require((bins >= -1) & (bins <= last), "bins", f"be from -1 to {last}", bins)
        checks.require((bins >= 0) | (events == 0), "bins", "be 0 or more where there is an event", bins)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[1].shape
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        count = source.second or 4
        bins, events = source.labels(source.rows, count), (source.uniform(source.rows) < 0.7).to(source.dtype)
        events[:1] = 1  # a batch without any event is an edge case
        return source.normal(source.rows, count), bins, events

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        logits, bins, events = inputs
        yield EdgeCase("nobody has an event", (logits, bins, torch.zeros_like(events)))
        yield EdgeCase("everybody has an event", (logits, bins, torch.ones_like(events)))
        yield EdgeCase("nobody survives an interval", (logits, torch.full_like(bins, -1), torch.zeros_like(events)))
        yield EdgeCase("everybody survives all", (logits, bins * 0 + logits.shape[1] - 1, torch.zeros_like(events)))
        own = F.one_hot(bins, logits.shape[1]).to(logits.dtype) * 2 - 1
        for size in (20.0, 104.0, 1e4):
            yield EdgeCase(f"right by {size:g}", (size * own, bins, torch.ones_like(events)))
            yield EdgeCase(f"wrong by {size:g}", (-size * own, bins, torch.ones_like(events)), True)
        yield EdgeCase("one interval", (logits[:, :1], bins * 0, events))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        logits, bins, events = inputs
        yield "bins", "a bin behind the last", (logits, torch.full_like(bins, logits.shape[1]), events)
        yield "bins", "a bin of -2", (logits, torch.full_like(bins, -2), events)
        yield "bins", "an event before the first interval", (logits, torch.full_like(bins, -1), torch.ones_like(events))
        yield "events", "an event of 0.5", (logits, bins, torch.full_like(events, 0.5))

    def rightness(self, *inputs: Tensor) -> Tensor:
        logits, bins, events = inputs
        expected = self.expected(logits)
        earlier = (bins[:, None] < bins[None, :]) & (events[:, None] == 1)
        return (expected[None, :] - expected[:, None])[earlier].mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {self.arguments[0]: "real", "bins": "label", "events": "bits"}

    def expected(self, logits: Tensor) -> Tensor:
        """How many intervals a row is expected to survive."""
        raise NotImplementedError

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, self.count)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        times, events = batch.targets.unbind(1)
        seen, died = batch.data.train.targets.to(times.device).unbind(1)
        places = torch.linspace(0, 1, self.count + 1, dtype=times.dtype, device=times.device)[1:-1]
        chosen = seen[died == 1]
        cuts = torch.quantile(chosen if len(chosen) else seen, places)
        interval = torch.searchsorted(cuts, times.contiguous())
        # Of who is lost from sight inside an interval it is only known that those before were survived.
        return batch.outputs, torch.where(events == 1, interval, interval - 1), events

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """Who is expected to survive few intervals is at risk."""
        return -self.expected(outputs)


class SurvivalHazards(_Intervals):
    """Logits (N, T) of the hazard of each interval against bins (N,) int64 and events (N,).

    The bin of an event is its interval; that of a row that is lost from sight is the last interval that it survived,
    -1 for none. A run cuts the times of the training rows so that each of 10 intervals has as many events.
    """

    name = "survival-hazards"
    arguments = ("hazard_logits", "bins", "events")
    synonyms: ClassVar = {"hazard_logits": ("interval_hazards",), "bins": ("idx_durations", "intervals")}

    def expected(self, logits: Tensor) -> Tensor:
        return F.logsigmoid(-logits).cumsum(1).exp().sum(1)


class SurvivalMasses(_Intervals):
    """Logits (N, T) of the share of events in each interval, against bins (N,) int64 and events (N,).

    Beside them stands a logit of 0 for an event later than all. The bin of an event is its interval; that of a row that
    is lost from sight is the last interval that it survived, -1 for none.
    """

    name = "survival-masses"
    arguments = ("mass_logits", "bins", "events")
    synonyms: ClassVar = {"mass_logits": ("pmf_logits",), "bins": ("idx_durations", "intervals")}
    rows_interact = True

    def expected(self, logits: Tensor) -> Tensor:
        later = F.pad(logits, (0, 1)).softmax(1).flip(1).cumsum(1).flip(1)[:, 1:]
        return later.sum(1)
