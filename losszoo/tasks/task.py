"""What a task is: data, a trunk, a recipe, a metric and the results of others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy.typing as npt
from torch import Generator, Tensor

from losszoo.registry.import_target import resolve
from losszoo.registry.specs import TaskSpec

Array = npt.NDArray[Any]

# By its target, as a task of a plugin: what makes a task of a table is a subclass of Task.
_TABLE = "losszoo.tasks.tables.table_task:make_table_task"


class Split(NamedTuple):
    """One part of the data. ``inputs``: (N, ...) float32. ``targets``: (N,) int64 labels, (N,) float32 numbers, (N, K)
    of several outputs or (N, 1, H, W) float32 masks, by the kind of the task."""

    inputs: Array
    targets: Array


class Splits(NamedTuple):
    """Train, validation and test: nothing of the last two is seen in training."""

    train: Split
    val: Split
    test: Split


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a task is trained; every field is a ``recipe.`` key of ``--set``.

    Args:
        optimizer: "adamw", "adam" or "sgd" (momentum 0.9).
        lr: learning rate, > 0.
        weight_decay: >= 0; on the model, never on parameters of a loss.
        batch_size: rows a step, >= 1; the last, smaller batch of an epoch is used too.
        epochs: most passes over the training rows, >= 1.
        patience: epochs without a better validation metric before it stops; 0 never stops early.
        sample_rate: share of the training rows drawn as candidates each step, in (0, 1] (``neighbors`` only).
        class_weight: how often the rows of each class count in the loss: "balanced" (n / (C * count), as in
            scikit-learn), or weights by the names of the classes, {"yes": 3} or "yes=3,no=1"; None: all alike.
        sampler: how the rows of an epoch are drawn: "random" (each once), "weighted" (each class as often) or
            "m-per-class" (each batch holds ``per_class`` rows of some classes); None is "random".
        per_class: rows of a class in a batch, >= 1, with "m-per-class"; None is 4.
        loss_lr: learning rate of what a loss learns, > 0; None takes ``lr``.
    """

    optimizer: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 128
    epochs: int = 50
    patience: int = 10
    sample_rate: float = 0.5
    class_weight: str | Mapping[str, float] | None = None
    sampler: str | None = None
    per_class: int | None = None
    loss_lr: float | None = None


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a task proposes for a loss of one signature.

    Args:
        trunk: name of a network ("mlp"), or a network of your own: a module, or a class or function that makes one.
        model: its options.
        recipe: how it is trained.
    """

    trunk: Any
    model: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)


class Task(ABC):
    """Base of all tasks. A subclass gives :meth:`splits` and :meth:`setup`; the rest has defaults.

    Keyword-only arguments of the subclass's constructor become the ``task.`` keys of ``--set``; ``task.split``,
    the seed of the split, belongs to every task.

    Attributes:
        spec: the spec, set by the registry when the task is loaded.
        numeric: tabular inputs: how many leading columns are numbers, standardised with the training rows' mean and
            deviation (the rest, one-hot columns, stay as they are). None: all columns of (N, D) inputs.
        class_names: names of the labels, or of the outputs of targets (N, K), in order; empty where they have none.
        row_weights: how often each row counts, (N,) numbers >= 0 by part ("train", "val", "test"), set when
            :meth:`splits` returns; rows of a part that is not named count alike. A row of training counts in the loss
            and where columns are scaled, a row of any part in its metrics.
    """

    spec: TaskSpec
    numeric: int | None = None
    class_names: tuple[str, ...] = ()
    row_weights: Mapping[str, Array] = MappingProxyType({})

    @abstractmethod
    def splits(self, seed: int = 0) -> Splits:
        """The three parts; the same seed gives the same parts on every machine."""

    @abstractmethod
    def setup(self, signature: str) -> Setup:
        """Trunk and recipe proposed for a loss of that signature."""

    @staticmethod
    def from_table(
        table: Any,
        target: str | Sequence[str],
        *,
        kind: str | None = None,
        split: str | None = None,
        group: str | None = None,
        time: str | None = None,
        drop: Sequence[str] = (),
    ) -> Task:
        """A task from a table of yours: one row for each sample, one column as target, or several.

        Numbers are inputs as they are; a gap is filled with the median of the training rows, and marked in a column of
        its own. Words become one column of 0 and 1 each. What is done with every column stands in the ``notes`` of the
        task, and ``losszoo info churn.csv --target churned`` shows it. Only training rows are looked at for medians and
        words.

        Args:
            table: path of a CSV, TSV or Parquet file, or a pandas DataFrame.
            target: column that is predicted; rows without a value of it are left out. Several columns of 0 and 1, or of
                yes and no, make a task of the kind "multilabel", several of numbers one of the kind "multi-output".
            kind: "binary", "multiclass" or "regression", of several targets "multilabel" or "multi-output", where they
                do not tell it.
            split: column that says train, val or test; otherwise rows are drawn: 64, 16 and 20 %.
            group: column whose rows of one value stay in one part.
            time: column of numbers or dates; the newest fifth of the rows is the test part.
            drop: columns that are left out.

        Raises:
            UsageError: an unknown column or kind, options that contradict each other; pandas is not installed.
            DataError: a file that cannot be read, or a column that cannot be learned from: says which cell.

        Example:
            >>> import tempfile
            >>> path = tempfile.mkdtemp() + "/flowers.csv"
            >>> with open(path, "w") as file:
            ...     _ = file.write("width,color,kind\\n" + "1.5,red,rose\\n2.5,,lily\\n" * 20)
            >>> task = Task.from_table(path, target="kind", drop=["color"])
            >>> task.spec.kind, task.class_names, task.splits(seed=0).train.inputs.shape
            ('binary', ('lily', 'rose'), (25, 1))
        """
        made: Task = resolve(_TABLE)(table, target, kind=kind, split=split, group=group, time=time, drop=drop)
        return made

    def identity(self) -> Mapping[str, Any]:
        """Plain data that tell this task from another one of its name; a comparison is not continued with another."""
        return {"class": type(self).__qualname__}

    def source(self) -> Mapping[str, Any] | None:
        """Plain data of which the same task can be made; None where that needs code."""
        return None

    def table_encoding(self, seed: int = 0) -> Mapping[str, Any] | None:
        """Plain data by which further rows of a table become inputs like those of :meth:`splits`; None for arrays."""
        return None

    def flags(self) -> tuple[str, ...]:
        """How the task is named on the command line; empty where it cannot be."""
        return ()

    def augment(self, inputs: Tensor, generator: Generator) -> Tensor:
        """A random view of prepared inputs that keeps what they are; used by ``views`` losses.

        The default corrupts tabular rows: a random third of the entries is replaced by the same column's entry of
        another row of the batch (Bahri, Jiang, Tay, Metzler, "SCARF", ICLR 2022, arXiv:2106.15147).
        """
        import torch

        donors = torch.rand(inputs.shape, generator=generator).argsort(0).to(inputs.device)
        corrupted = torch.rand(inputs.shape, generator=generator).to(inputs.device) < 1 / 3
        return torch.where(corrupted, inputs.gather(0, donors), inputs)
