"""Risks against the times of events."""

import torch
from torch import nn

from losszoo import EdgeCase, OptionCase, Signature, Weighed, checks


class Survival(Signature):
    """Risks against the times of events, or the last times seen without one."""

    name = "survival"
    arguments = ("risks", "times", "events")
    given = ("times", "events")
    synonyms = {
        "risks": ("log_hazards", "log_hazard", "scores"),
        "times": ("time", "durations", "duration"),
        "events": ("event", "observed", "status"),
    }
    fits = ("survival",)
    rows_interact = True
    learns = "the risk of those who have an event early over that of those who are still seen later"

    def check(self, inputs, context):
        """Shapes and dtypes: the inputs as they are computed with."""
        risks = checks.floating("risks", inputs[0])
        if risks.ndim != 1:
            raise checks.BrokenRule("risks", "have shape (N,)", checks.shape_of(risks))
        times = checks.like("times", inputs[1], risks, "risks")
        return risks, times, checks.like("events", inputs[2], risks, "risks")

    def check_values(self, inputs, context):
        """What must look at the numbers."""
        _, times, events = inputs
        checks.require((times >= 0) & times.isfinite(), "times", "be finite and >= 0", times)
        checks.require((events == 0) | (events == 1), "events", "be 0 or 1", events)

    def example(self, source):
        """An ordinary batch of any size: whoever has a higher risk tends to have the event earlier."""
        risks = source.normal(source.rows)
        times = (source.normal(source.rows) - risks).exp()
        events = (source.uniform(source.rows) < 0.7).to(risks.dtype)
        events[:1] = 1  # a batch without any event is an edge case
        return risks, times, events

    def edge_cases(self, inputs, expects):
        """Legal inputs at the edge of what may come."""
        risks, times, events = inputs
        yield EdgeCase("nobody has an event", (risks, times, torch.zeros_like(events)))
        yield EdgeCase("everybody has an event", (risks, times, torch.ones_like(events)))
        yield EdgeCase("all times are tied", (risks, torch.ones_like(times), events))
        yield EdgeCase("all times are 0", (risks, torch.zeros_like(times), events))
        yield EdgeCase("equal risks", (torch.zeros_like(risks), times, events))
        late = torch.where(times > times.median(), 40.0, -40.0)
        yield EdgeCase("high risks for those who are seen longest", (late, times, events), wrong=True)

    def illegal_values(self, inputs, expects):
        """Numbers that a loss must refuse by the name of their argument."""
        risks, times, events = inputs
        yield "times", "a negative time", (risks, -times - 1, events)
        yield "events", "an event of 0.5", (risks, times, torch.full_like(events, 0.5))

    def rightness(self, risks, times, events):
        """How right the risks are: training must raise it."""
        earlier = (times[:, None] < times[None, :]) & (events[:, None] == 1)
        return (risks[:, None] - risks[None, :])[earlier].mean()

    def head(self, width, data):
        """The module from features to predictions."""
        return nn.Linear(width, 1)

    def loss_inputs(self, batch):
        """What a loss is called with in training."""
        times, events = batch.targets.unbind(1)
        return batch.outputs.squeeze(1), times, events

    def predict(self, outputs, data):
        """What the metrics of the kind judge."""
        return outputs.squeeze(1)

    options = {
        "horizon": {
            "default": None,
            "range": (0, None),
            "bounds": "()",
            "summary": "time at which the study ends: a later event is not seen",
        },
        "entry": {
            "default": 0.0,
            "range": (0, None),
            "summary": "who was seen for a shorter time takes no part",
        },
    }

    def present(self, inputs, options):
        """False where an option leaves a row out; None where it leaves out none."""
        return inputs[1] >= options["entry"] if options["entry"] else None

    def weighed(self, inputs, options):
        """What the options make of the inputs, and what they multiply the values by: here by nothing."""
        risks, times, events = inputs
        end = options["horizon"]
        if end is None:
            return Weighed(inputs)
        return Weighed((risks, times.clamp(max=end), torch.where(times > end, 0.0, events)))

    def option_cases(self, inputs, expects):
        """Calls with options, and without, that must agree."""
        risks, times, events = inputs
        every, middle = torch.arange(len(times)), times.median().item()
        ended = risks, times.clamp(max=middle), torch.where(times > middle, 0.0, events)
        yield OptionCase("a study that has ended", {"horizon": middle}, inputs, {}, ended, every)
        kept = every[times >= middle]
        yield OptionCase("who is absent", {"entry": middle}, inputs, {}, self.rows_of(inputs, kept), kept)
