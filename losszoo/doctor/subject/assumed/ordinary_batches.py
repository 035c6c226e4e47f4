"""Ordinary batches of one world: rows, images, sequences, volumes; every role has its tensor there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS, CLASSES = 8, 4


@dataclass(frozen=True)
class Frame:
    """The sizes that belong together.

    Args:
        name: of the world.
        full: shape of what a model gives; classes are the second dimension, or the last one.
        labels: shape of one label for each thing.
        classes: how many there are.
        width: of embeddings.
    """

    name: str
    full: tuple[int, ...]
    labels: tuple[int, ...]
    classes: int
    width: int


@dataclass
class Draw:
    """Tensors of a frame, drawn in order: the same seed gives the same.

    Args:
        frame: its sizes.
        target: what a target is: "labels", "bits", "real", "shares" or "whole".
        place: which of the possible shapes masks, weights and unknown arguments have.
        seed: of the draws.
        domain: of each argument, where the code has said it: "probabilities", "log-probabilities", "positive".
        outputs: of a network.
        per_row: the unknown argument that has one number for each row, where the others are as what a model gives.
    """

    frame: Frame
    target: str = "labels"
    place: int = 0
    seed: int = 0
    domain: Mapping[str, str] = field(default_factory=dict)
    outputs: int = 1
    per_row: str = ""

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def tensor(self, name: str, role: str) -> Any:
        """What stands for an argument."""
        role = self.domain.get(name, role)
        if name == self.per_row:
            return self.bits(self.frame.full[0])
        makers: dict[str, Callable[[], Any]] = {
            "number": lambda: 0.5,
            "step": lambda: 1,
            "classes": lambda: self.frame.classes,
            "width": lambda: self.frame.width,
            "rows": lambda: self.frame.full[0],
            "device": lambda: "cpu",
            "labels": lambda: self.one_hot() if self.target == "bits" and self.frame.classes > 1 else self.labels(),
            "several": lambda: functional.normalize(self.normal(self.frame.full[0], 3, self.frame.width), dim=-1),
            "two numbers": lambda: [0.1 + self.uniform() for _ in range(2)],
            "three numbers": lambda: [0.1 + self.uniform() for _ in range(3)],
            "two tensors": lambda: [self.normal(*self.frame.full) for _ in range(2)],
            "three tensors": lambda: [self.normal(*self.frame.full) for _ in range(3)],
            "one-hot": lambda: self.one_hot(),
            "target": self.targets,
            "mask": lambda: self.bits(*self.shape()),
            "flags": lambda: self.bits(*self.shape()).bool(),
            "weight": lambda: 0.5 + self.uniform(*self.shape()),
            "embeddings": lambda: self.normal(self.frame.full[0], self.frame.width),
            "positive": lambda: 0.5 + self.uniform(*self.frame.full),
            "counts": lambda: (self.uniform(*self.frame.full) * 5).floor(),
            "mean": lambda: self.normal(*self.latent()),
            "log-variance": lambda: self.normal(*self.latent()) * 0.5,
            "log-scale": lambda: self.normal(*self.frame.full) * 0.5 - 1,
            "probabilities": self.probabilities,
            "probability of each": lambda: 0.05 + 0.9 * self.uniform(*self.frame.full),
            "log-probabilities": lambda: self.normal(*self.frame.full).log_softmax(self.dim()),
            "lengths": lambda: self.lengths(name),
            "model": self.model,
            "event": lambda: self.bits(self.frame.full[0]),
            "time": lambda: 0.5 + 5 * self.uniform(self.frame.full[0]),
            "row": lambda: self.normal(self.frame.full[0]),
            "similarity": lambda: self.normal(self.frame.full[0], self.frame.full[0]),
            "boxes": self.boxes,
            "image": lambda: 0.05 + 0.9 * self.uniform(*self.frame.full),
        }
        maker = makers.get(role)
        return maker() if maker else self.normal(*(self.shape() if role == "" and self.place else self.frame.full))

    def dim(self) -> int:
        """Along which classes stand."""
        return 1 if len(self.frame.full) > 1 and self.frame.full[1] == self.frame.classes else -1

    def shape(self) -> tuple[int, ...]:
        """Of masks, weights and unknown arguments."""
        full, labels = self.frame.full, self.frame.labels
        return (labels, full, full[:1], (self.frame.classes,))[self.place % 4]

    def latent(self) -> tuple[int, ...]:
        """Of a mean and a variance: beside images those of a code, else those of the prediction."""
        return (self.frame.full[0], self.frame.width) if "images" in self.frame.name else self.frame.full

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        return torch.rand(shape, generator=self.generator)

    def bits(self, *shape: int) -> Tensor:
        """Zeros and ones, both of them in every batch."""
        drawn = (self.uniform(*shape) < 0.5).float().reshape(-1)
        drawn[:1], drawn[-1:] = 1.0, 0.0
        return drawn.reshape(shape)

    def labels(self) -> Tensor:
        """Labels, each as often as the others."""
        shape = self.frame.labels
        if self.frame.classes == 1:
            return self.bits(*shape)
        count = math.prod(shape)
        if self.frame.name.startswith("speech"):  # 0 is no label but the blank
            return (torch.arange(count) % (self.frame.classes - 1) + 1).reshape(shape)
        mixed = len(shape) > 1
        order = torch.randperm(count, generator=self.generator) if mixed else torch.arange(count)
        return (order % self.frame.classes).reshape(shape)

    def lengths(self, name: str) -> Tensor:
        """Of the sequences that the name speaks of: every frame of an input, every label of a target."""
        count, steps = self.frame.labels[0], self.frame.labels[-1]
        if self.frame.name.startswith("speech") and "target" not in name and "label" not in name:
            steps = max(self.frame.full)
        return torch.full((count,), max(steps, 1))

    def model(self) -> nn.Module:
        """A small network."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self.seed)
            return nn.Sequential(nn.Linear(self.frame.full[-1], 8), nn.Tanh(), nn.Linear(8, self.outputs))

    def one_hot(self) -> Tensor:
        """The labels as rows of one 1."""
        hot = functional.one_hot(self.labels(), self.frame.classes).float()
        return hot if self.dim() == -1 else hot.movedim(-1, 1)

    def targets(self) -> Tensor:
        """What the target is here."""
        if self.target == "labels":
            return self.labels()
        if self.target == "bits":
            return self.one_hot() if len(self.frame.full) > len(self.frame.labels) else self.bits(*self.frame.full)
        if self.target == "shares":
            return self.normal(*self.frame.full).softmax(self.dim())
        if self.target == "whole":
            return self.bits(*self.frame.full).long()
        if self.target == "positive":
            return 0.5 + self.uniform(*self.frame.full)
        return self.normal(*self.frame.full)

    def probabilities(self) -> Tensor:
        """Shares of the classes where there are several, else probabilities of one thing each."""
        several = self.frame.classes > 1 and self.target in ("labels", "shares", "bits")
        if several and len(self.frame.full) > len(self.frame.labels):
            return self.normal(*self.frame.full).softmax(self.dim())
        return 0.05 + 0.9 * self.uniform(*self.frame.full)

    def boxes(self) -> Tensor:
        """Corners, the lower one first."""
        corner = self.uniform(self.frame.full[0], 2)
        return torch.cat([corner, corner + 0.2 + self.uniform(self.frame.full[0], 2)], 1)


def frames(classes: int = CLASSES, width: int = CLASSES, rows: int = ROWS) -> tuple[Frame, ...]:
    """The worlds that are tried, in their order."""
    binary = 1
    return (
        Frame("rows", (rows, classes), (rows,), classes, width),
        Frame("vectors", (rows,), (rows,), binary, width),
        Frame("maps", (2, classes, 6, 6), (2, 6, 6), classes, width),
        Frame("columns", (rows, 1), (rows, 1), binary, width),
        Frame("one-channel maps", (2, 1, 6, 6), (2, 1, 6, 6), binary, width),
        Frame("maps without channels", (3, 6, 6), (3, 6, 6), binary, width),
        Frame("sequences", (4, 6, classes + 1), (4, 6), classes + 1, width),
        Frame("speech", (12, 4, 6), (4, 3), 6, width),
        Frame("speech, batch first", (4, 12, 6), (4, 3), 6, width),
        Frame("volumes", (2, classes, 4, 4, 4), (2, 4, 4, 4), classes, width),
        Frame("images", (2, 3, 16, 16), (2, 3, 16, 16), binary, width),
        Frame("flat images", (4, 784), (4, 784), binary, width),
        Frame("large images", (1, 3, 48, 48), (1, 3, 48, 48), binary, width),
    )
