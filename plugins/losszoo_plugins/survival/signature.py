"""What is predicted of each row, against the time of its event, or the last time it was seen without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.distribution.columns import log_positive

_SYNONYMS = {
    "times": ("time", "durations", "duration"),
    "events": ("event", "observed", "status", "events_observed"),
}


class _Survival(Signature):
    """Times and events, whatever is predicted of them."""

    given: ClassVar[tuple[str, ...]] = ("times", "events")
    fits = ("survival",)
    predicting = 55.0

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        predictions = self.check_predictions(inputs[0])
        name, rows = self.arguments[0], predictions[:, 0] if predictions.ndim > 1 else predictions
        times = checks.like("times", inputs[1], rows, f"the rows of {name}")
        events = checks.like("events", inputs[2], rows, f"the rows of {name}")
        return predictions, times, events

    def check_predictions(self, predictions: Any) -> Tensor:
        """Of one signature."""
        raise NotImplementedError

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        times, events = inputs[1:3]
        checks.require((times >= 0) & times.isfinite(), "times", "be finite and >= 0", times)
        checks.require((events == 0) | (events == 1), "events", "be 0 or 1", events)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        predictions, times, events = inputs[:3]
        yield EdgeCase("nobody has an event", (predictions, times, torch.zeros_like(events)))
        yield EdgeCase("everybody has an event", (predictions, times, torch.ones_like(events)))
        yield EdgeCase("all times are tied", (predictions, torch.ones_like(times), events))
        yield EdgeCase("all times are 0", (predictions, torch.zeros_like(times), events))
        yield EdgeCase("times of 1e6", (predictions, times * 1e6, events))
        yield EdgeCase("equal predictions", (torch.zeros_like(predictions), times, events))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        predictions, times, events = inputs[:3]
        yield "times", "a negative time", (predictions, -times - 1, events)
        yield "times", "an infinite time", (predictions, torch.full_like(times, torch.inf), events)
        yield "events", "an event of 0.5", (predictions, times, torch.full_like(events, 0.5))

    def _times(self, source: Source, risks: Tensor) -> tuple[Tensor, Tensor]:
        times = (source.normal(source.rows) - risks).exp()
        events = (source.uniform(source.rows) < 0.7).to(risks.dtype)
        events[:1] = 1  # a batch without any event is an edge case
        return times, events


class Survival(_Survival):
    """One risk (N,) for each row against times (N,) and events (N,): 1 where the time is that of an event.

    Strata (N,) int64 part the rows into groups that are not compared.
    """

    name = "survival"
    arguments = ("risks", "times", "events")
    optional = ("strata",)
    given = ("times", "events", "strata")
    synonyms: ClassVar = {"risks": ("log_hazards", "log_hazard", "hazards", "risk_scores"), **_SYNONYMS}
    rows_interact = True
    sizes = Sizes(first="rows", usual="256,4096,65536")
    learns = "the risk of those who have an event early over that of those who are still seen later"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        checked = super().check(inputs, context)
        for name, given in zip(("times", "events"), inputs[1:], strict=False):
            checks.undifferentiated(name, given)  # they only say who is compared with whom
        strata = inputs[3] if len(inputs) > 3 else None
        return *checked, None if strata is None else checks.integers("strata", strata, checked[0].shape)

    def check_predictions(self, predictions: Any) -> Tensor:
        risks = checks.floating("risks", predictions)
        if risks.ndim != 1:
            raise checks.BrokenRule("risks", "have shape (N,)", checks.shape_of(risks))
        return risks

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        strata = inputs[3] if len(inputs) > 3 else None
        return *(torch.where(mask, x, 0.0) for x in inputs[:3]), strata

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        return tuple(x if x is None else x[rows] for x in inputs)

    def example(self, source: Source) -> tuple[Any, ...]:
        risks = source.normal(source.rows)
        return risks, *self._times(source, risks)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        yield from super().edge_cases(inputs, expects)
        risks, times, events = inputs[:3]
        seen_long = times > times.median()
        for size in (20.0, 104.0, 1e4):
            yield EdgeCase(f"right by {size:g}", (torch.where(seen_long, -size, size), times, events))
            yield EdgeCase(f"wrong by {size:g}", (torch.where(seen_long, size, -size), times, events), True)
        yield EdgeCase("strata of two rows", (risks, times, events, torch.arange(len(times)) // 2))

    def rightness(self, risks: Tensor, times: Tensor, events: Tensor, strata: Tensor | None = None) -> Tensor:
        earlier = (times[:, None] < times[None, :]) & (events[:, None] == 1)
        return (risks[:, None] - risks[None, :])[earlier].mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"risks": "real", "times": "positive", "events": "bits"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        times, events = batch.targets.unbind(1)
        return batch.outputs.squeeze(1), times, events

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        return outputs.squeeze(1)


class SurvivalWeibull(_Survival):
    """Raw scale and shape (N, 2) of a Weibull distribution against times (N,) and events (N,)."""

    name = "survival-weibull"
    arguments = ("scale_and_shape", "times", "events")
    synonyms: ClassVar = {"scale_and_shape": ("weibull_parameters",), **_SYNONYMS}
    sizes = Sizes(first="rows", usual="256,4096,65536")
    shaped_by = ("scale",)
    learns = "minus the distance of the logarithm of the scale from that of the times of events"

    def __init__(self, scale: str = "softplus") -> None:
        self.scale = scale

    def shaped(self, params: Mapping[str, Any]) -> SurvivalWeibull:
        return SurvivalWeibull(params.get("scale", "softplus"))

    def check_predictions(self, predictions: Any) -> Tensor:
        columns = checks.floating("scale_and_shape", predictions)
        if columns.ndim != 2 or columns.shape[1] != 2:
            raise checks.BrokenRule("scale_and_shape", "have shape (N, 2)", checks.shape_of(columns))
        return columns

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[1].shape
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        columns = source.normal(source.rows, 2)
        return columns, *self._times(source, -log_positive(columns[:, 0]))

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        yield from super().edge_cases(inputs, expects)
        columns, times, events = inputs
        for size in (5.0, 20.0):
            yield EdgeCase(f"columns of {size:g}", (torch.full_like(columns, size), times, events))
            yield EdgeCase(f"columns of -{size:g}", (torch.full_like(columns, -size), times, events))

    def rightness(self, scale_and_shape: Tensor, times: Tensor, events: Tensor) -> Tensor:
        return -(log_positive(scale_and_shape[:, 0]) - times.log())[events == 1].abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"scale_and_shape": "real", "times": "positive", "events": "bits"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 2)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        times, events = batch.targets.unbind(1)
        return batch.outputs, times, events

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """Who is expected to have the event early is at risk: minus the logarithm of the scale."""
        return -log_positive(outputs[:, 0], self.scale)
