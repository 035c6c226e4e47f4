"""The random numbers of one example batch: one source for tests, the doctor and the measurements of ``bench``."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor


@dataclass
class Source:
    """What :meth:`losszoo.Signature.example` draws from.

    Args:
        rows: samples.
        classes: of the labels.
        dim: width of embeddings.
        second: the second size where one is measured (see :class:`losszoo.Sizes`), such as candidates; None where the
            batch is an ordinary one.
        expects: what the predictions are: "logits", "probabilities" or "log-probabilities".
        dtype: of everything floating.
        device: where everything stands.
        seed: the same seed gives the same batch.
        measured: time and memory are measured on this batch, which may be large; labels are then in no order.
    """

    rows: int = 6
    classes: int = 3
    dim: int = 4
    second: int | None = None
    expects: str = "logits"
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    measured: bool = False

    def __post_init__(self) -> None:
        self.generator = Generator(self.device).manual_seed(self.seed)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        if self.measured:
            return torch.randn(*shape, generator=self.generator, dtype=self.dtype, device=self.device)
        # Drawn in float64, so that every dtype gets the same numbers.
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64, device=self.device).to(self.dtype)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        drawn = torch.rand(*shape, generator=self.generator, dtype=torch.float64, device=self.device)
        return drawn.to(self.dtype)

    def bits(self, *shape: int) -> Tensor:
        """0 and 1, as floating numbers, each with probability 1/2."""
        return torch.rand(*shape, generator=self.generator, device=self.device).lt_(0.5).to(self.dtype)

    def labels(self, count: int | None = None, classes: int | None = None) -> Tensor:
        """Labels as even as can be: 0, 1, 2, 0, 1, ...; in no order where they are measured."""
        count, classes = self.rows if count is None else count, classes or self.classes
        if self.measured:
            return torch.randperm(count, generator=self.generator, device=self.device).remainder_(classes)
        return torch.arange(count, device=self.device) % classes

    def places(self, count: int) -> Tensor:
        """0, 1, 2, ..."""
        return torch.arange(count, device=self.device)
