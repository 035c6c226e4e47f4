"""Mean and log-variance of the normal distribution that an encoder gives of each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Latent(Signature):
    """Means (N, D) and logarithms of variances (N, D) of normal latent variables."""

    name = "latent"
    arguments = ("mean", "log_variance")
    synonyms: ClassVar = {
        "mean": ("mu", "means", "z_mean", "loc"),
        "log_variance": ("logvar", "log_var", "log_sigma2", "z_log_var"),
    }
    sizes = Sizes(wide=True)
    learns = "minus the distance of mean and log-variance from 0"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        mean = checks.rows("mean", inputs[0])
        log_variance = checks.same_rows("mean", mean, "log_variance", inputs[1])
        wide = torch.promote_types(mean.dtype, log_variance.dtype)
        return mean.to(wide), log_variance.to(wide)

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows, source.dim), source.normal(source.rows, source.dim)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        mean, log_variance = inputs
        zero = torch.zeros_like(mean)
        yield EdgeCase("the prior itself", (zero, zero.clone()))
        for size in (1e-20, 1e-4, 1e4, 1e18):
            yield EdgeCase(f"means times {size:g}", (mean * size, log_variance))
        for size in (1e-20, 1e-4, 0.5, 20.0, 80.0):
            yield EdgeCase(f"log-variances of {size:g}", (mean, torch.full_like(mean, size)))
            yield EdgeCase(f"log-variances of -{size:g}", (mean, torch.full_like(mean, -size)))
        yield EdgeCase("a variance of nearly 0", (mean, torch.full_like(mean, -1e4)))

    def rightness(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return -(mean.abs() + log_variance.abs()).mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return dict.fromkeys(self.arguments, "real")

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return tuple(batch.outputs.chunk(2, 1))
