"""Columns of a network that are a distribution for each target, against these targets.

All of these signatures take (..., P) parameters beside (...) targets. They differ in how many columns the head of a run
has, in the number that it predicts, and in what their targets may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.distribution.quantiles import increasing


class Distribution(Signature):
    """Location and raw scale (..., 2) of a distribution, or members of an ensemble, against finite numbers (...)."""

    name = "distribution"
    arguments = ("parameters", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "parameters": ("params", "distribution_parameters", "predictions", "outputs"),
        "targets": ("target", "y", "observations"),
    }
    fits: ClassVar[tuple[str, ...]] = ("regression", "multi-output")
    any_shape = True
    predicting = 61.0
    sizes = Sizes(first="targets", usual="10000,100000,800000")
    learns = "minus the mean distance of the location from the target"
    count: int = 2

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        parameters = checks.floating("parameters", inputs[0])
        targets = checks.real("targets", inputs[1])
        if not parameters.ndim or not parameters.shape[-1] or (parameters.ndim == 1 and targets.ndim):
            raise checks.BrokenRule("parameters", "have shape (..., P)", checks.shape_of(parameters))
        if targets.shape != parameters.shape[:-1]:
            rule = f"have the shape of parameters without its columns, {tuple(parameters.shape[:-1])}"
            raise checks.BrokenRule("targets", rule, checks.shape_of(targets))
        return parameters, targets.to(parameters.dtype)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        checks.require(torch.isfinite(inputs[1]), "targets", "be finite", inputs[1])

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[1].shape
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows, self.count), source.normal(source.rows)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        parameters, targets = inputs
        yield EdgeCase("location on the target", (self.placed(parameters, targets), targets))
        for size in (1e-8, 1e4, 1e8):
            yield EdgeCase(f"location off by {size:g}", (self.placed(parameters, targets + size), targets))
        for size in (5.0, 20.0, 1e4):
            yield EdgeCase(f"raw columns of {size:g}", (torch.full_like(parameters, size), targets))
            yield EdgeCase(f"raw columns of -{size:g}", (torch.full_like(parameters, -size), targets))
        yield EdgeCase("targets of 0", (parameters, torch.zeros_like(targets)))
        yield EdgeCase("columns of 0", (torch.zeros_like(parameters), targets))

    def placed(self, parameters: Tensor, where: Tensor) -> Tensor:
        """The parameters with the location there."""
        return torch.cat([where.unsqueeze(-1), parameters[..., 1:]], -1)

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        parameters, targets = inputs
        yield "targets", "a target of NaN", (parameters, torch.full_like(targets, torch.nan))
        yield "targets", "an infinite target", (parameters, torch.full_like(targets, torch.inf))

    def rightness(self, parameters: Tensor, targets: Tensor) -> Tensor:
        return -(self.location(parameters) - targets).abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"parameters": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, self.count * data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs.reshape(*batch.targets.shape, self.count), batch.targets

    def location(self, parameters: Tensor) -> Tensor:
        """The one number that is predicted, of (..., P) columns."""
        return parameters[..., 0]

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """(N, K) of K targets a row."""
        return self.location(outputs.reshape(outputs.shape[0], -1, self.count))


class DistributionTails(Distribution):
    """Location, raw scale and raw degrees of freedom (..., 3), against finite numbers (...)."""

    name = "distribution-tails"
    count = 3


class DistributionEvidence(Distribution):
    """The four numbers (..., 4) of a normal-inverse-gamma distribution, against finite numbers (...)."""

    name = "distribution-evidence"
    count = 4


class DistributionCounts(Distribution):
    """Logarithm of the mean and raw dispersion (..., 2), against counts of 0 and more (...)."""

    name = "distribution-counts"
    fits = ("counts",)
    learns = "minus the distance of the logarithm of the mean from that of the counts"

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        targets = inputs[1]
        checks.require((targets >= 0) & targets.isfinite(), "targets", "be finite and >= 0", targets)

    def example(self, source: Source) -> tuple[Any, ...]:
        counts = (2 + 2 * source.normal(source.rows)).abs().round()
        return source.normal(source.rows, self.count), counts.clamp(min=1)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        parameters, targets = inputs
        yield EdgeCase("mean on the target", (self.placed(parameters, targets.log()), targets))
        for size in (5.0, 20.0, 40.0):
            yield EdgeCase(f"raw columns of {size:g}", (torch.full_like(parameters, size), targets))
            yield EdgeCase(f"raw columns of -{size:g}", (torch.full_like(parameters, -size), targets))
        yield EdgeCase("counts of 0", (parameters, torch.zeros_like(targets)))
        yield EdgeCase("counts of 1e6", (self.placed(parameters, parameters[..., 0] + 14), targets + 1e6))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from super().illegal_values(inputs, expects)
        yield "targets", "a count of -1", (inputs[0], -torch.ones_like(inputs[1]))

    def rightness(self, parameters: Tensor, targets: Tensor) -> Tensor:
        return super().rightness(parameters, targets.log())

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """The mean counts."""
        return outputs[:, 0].exp()


class DistributionMixture(Distribution):
    """K logits, K means and K raw scales (..., 3K) of a mixture, against finite numbers (...)."""

    name = "distribution-mixture"
    learns = "minus the mean distance of the mean of the mixture from the target"
    count = 15

    def placed(self, parameters: Tensor, where: Tensor) -> Tensor:
        logits, means, raw = parameters.chunk(3, -1)
        return torch.cat([logits, where.unsqueeze(-1).expand_as(means), raw], -1)

    def location(self, parameters: Tensor) -> Tensor:
        logits, means, _ = parameters.chunk(3, -1)
        return (torch.softmax(logits, -1) * means).sum(-1)


class DistributionQuantiles(Distribution):
    """A column for each quantile (..., Q), against finite numbers (...); the one nearest to the median is predicted."""

    name = "distribution-quantiles"
    learns = "minus the mean distance of the middle quantile from the target"
    shaped_by = ("quantiles", "monotone")
    count = 3

    def __init__(self, quantiles: Sequence[float] = (0.1, 0.5, 0.9), monotone: bool = True) -> None:
        self.monotone = monotone
        self.middle = min(range(len(quantiles)), key=lambda place: abs(quantiles[place] - 0.5))
        self.count = len(quantiles)

    def shaped(self, params: Mapping[str, Any]) -> DistributionQuantiles:
        given = params.get("quantiles", (0.1, 0.5, 0.9))
        quantiles = [given] if isinstance(given, int | float) else given
        return DistributionQuantiles(quantiles, params.get("monotone", True))

    def location(self, parameters: Tensor) -> Tensor:
        return (increasing(parameters) if self.monotone else parameters)[..., self.middle]
