"""Risks against the exits of deaths."""

import torch
from torch import nn

from losszoo import EdgeCase, OptionCase, Signature, Weighed, checks


class Survival(Signature):
    """Risks against the exits of deaths, or the last exits seen without one."""

    name = "lifetimes"
    arguments = ("risks", "exits", "deaths")
    given = ("exits", "deaths")
    synonyms = {
        "risks": ("log_hazards", "log_hazard"),
        "exits": ("exit_times", "exit_time", "leaving"),
        "deaths": ("death", "died", "dead"),
    }
    fits = ("lifetimes",)
    rows_interact = True
    learns = "the risk of those who have an event early over that of those who are still seen later"

    def check(self, inputs, context):
        """Shapes and dtypes: the inputs as they are computed with."""
        risks = checks.floating("risks", inputs[0])
        if risks.ndim != 1:
            raise checks.BrokenRule("risks", "have shape (N,)", checks.shape_of(risks))
        exits = checks.like("exits", inputs[1], risks, "risks")
        return risks, exits, checks.like("deaths", inputs[2], risks, "risks")

    def check_values(self, inputs, context):
        """What must look at the numbers."""
        _, exits, deaths = inputs
        checks.require((exits >= 0) & exits.isfinite(), "exits", "be finite and >= 0", exits)
        checks.require((deaths == 0) | (deaths == 1), "deaths", "be 0 or 1", deaths)

    def example(self, source):
        """An ordinary batch of any size: whoever has a higher risk tends to have the event earlier."""
        risks = source.normal(source.rows)
        exits = (source.normal(source.rows) - risks).exp()
        deaths = (source.uniform(source.rows) < 0.7).to(risks.dtype)
        deaths[:1] = 1  # a batch without any event is an edge case
        return risks, exits, deaths

    def edge_cases(self, inputs, expects):
        """Legal inputs at the edge of what may come."""
        risks, exits, deaths = inputs
        yield EdgeCase("nobody has an event", (risks, exits, torch.zeros_like(deaths)))
        yield EdgeCase("everybody has an event", (risks, exits, torch.ones_like(deaths)))
        yield EdgeCase("all exits are tied", (risks, torch.ones_like(exits), deaths))
        yield EdgeCase("all exits are 0", (risks, torch.zeros_like(exits), deaths))
        yield EdgeCase("equal risks", (torch.zeros_like(risks), exits, deaths))
        late = torch.where(exits > exits.median(), 40.0, -40.0)
        yield EdgeCase("high risks for those who are seen longest", (late, exits, deaths), wrong=True)

    def illegal_values(self, inputs, expects):
        """Numbers that a loss must refuse by the name of their argument."""
        risks, exits, deaths = inputs
        yield "exits", "a negative time", (risks, -exits - 1, deaths)
        yield "deaths", "an event of 0.5", (risks, exits, torch.full_like(deaths, 0.5))

    def rightness(self, risks, exits, deaths):
        """How right the risks are: training must raise it."""
        earlier = (exits[:, None] < exits[None, :]) & (deaths[:, None] == 1)
        return (risks[:, None] - risks[None, :])[earlier].mean()

    def head(self, width, data):
        """The module from features to predictions."""
        return nn.Linear(width, 1)

    def loss_inputs(self, batch):
        """What a loss is called with in training."""
        exits, deaths = batch.targets.unbind(1)
        return batch.outputs.squeeze(1), exits, deaths

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
        risks, exits, deaths = inputs
        end = options["horizon"]
        if end is None:
            return Weighed(inputs)
        return Weighed((risks, exits.clamp(max=end), torch.where(exits > end, 0.0, deaths)))

    def option_cases(self, inputs, expects):
        """Calls with options, and without, that must agree."""
        risks, exits, deaths = inputs
        every, middle = torch.arange(len(exits)), exits.median().item()
        ended = risks, exits.clamp(max=middle), torch.where(exits > middle, 0.0, deaths)
        yield OptionCase("a study that has ended", {"horizon": middle}, inputs, {}, ended, every)
        kept = every[exits >= middle]
        yield OptionCase("who is absent", {"entry": middle}, inputs, {}, self.rows_of(inputs, kept), kept)
