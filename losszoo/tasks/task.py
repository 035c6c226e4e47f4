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

# By their targets, as a task of a plugin: what makes a task of one's own data is a subclass of Task.
_TABLE = "losszoo.tasks.tables.table_task:make_table_task"
_ARRAYS = "losszoo.tasks.array_task:make_array_task"
_DATASETS = "losszoo.tasks.dataset_task:make_dataset_task"
_IMAGES = "losszoo.tasks.image_task:make_image_task"


class Split(NamedTuple):
    """One part of the data. ``inputs``: (N, ...) float32. ``targets``: (N,) int64 labels, (N,) float32 numbers, (N, K)
    of several outputs or (N, 1, H, W) float32 masks, by the kind of the task."""

    inputs: Array
    targets: Array


class Splits(NamedTuple):
    """Train, validation and test: nothing of the last two is seen in training.

    Each is a :class:`Split`, or a ``torch.utils.data.Dataset`` with a length that gives inputs and target of a row: its
    rows are read each time that they are needed, so that random transforms stay random, and need not fit into memory.
    They are not scaled; bytes become numbers from 0 to 1.
    """

    train: Any
    val: Any
    test: Any


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
        class_values: what one's own data hold for each label, in the order of ``class_names``: words, numbers or
            booleans, which a trained run predicts; empty: the labels.
        notes: what a person should know of its data, as rows that were left out; a run says them.
        row_weights: how often each row counts, (N,) numbers >= 0 by part ("train", "val", "test"), set when
            :meth:`splits` returns; rows of a part that is not named count alike. A row of training counts in the loss
            and where columns are scaled, a row of any part in its metrics.
        row_groups: which rows belong together, (N,) whole numbers by part, set when :meth:`splits` returns; empty where
            none do. Where rows of "train" are held out to look at them, as in :func:`losszoo.suggest`, a group stays
            whole.
        bytes_are_pixels: its inputs were bytes, which it has made numbers from 0 to 1: so are the bytes of new rows.
    """

    spec: TaskSpec
    numeric: int | None = None
    class_names: tuple[str, ...] = ()
    class_values: tuple[str | float | bool, ...] = ()
    notes: tuple[str, ...] = ()
    row_weights: Mapping[str, Array] = MappingProxyType({})
    row_groups: Mapping[str, Array] = MappingProxyType({})
    bytes_are_pixels: bool = False

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
        positive: str | float | bool | None = None,
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
            positive: of two classes the one that precision, recall, F1 and average precision are of; None: the second
                by the alphabet, yes, true, or the larger number.

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
        ways = {"kind": kind, "split": split, "group": group, "time": time, "drop": drop, "positive": positive}
        made: Task = resolve(_TABLE)(table, target, **ways)
        return made

    @staticmethod
    def from_arrays(
        inputs: Any,
        targets: Any,
        *,
        kind: str | None = None,
        val: tuple[Any, Any] | None = None,
        test: tuple[Any, Any] | None = None,
        class_names: Sequence[str] = (),
        name: str = "arrays",
    ) -> Task:
        """A task from arrays or tensors of yours.

        Columns of (N, D) inputs are scaled to mean 0 and deviation 1 by the training rows; bytes are pixels, and become
        numbers from 0 to 1; everything else stays as it is.

        Args:
            inputs: (N, D), or (N, channels, height, width) of images, or any other (N, ...).
            targets: (N,) words, labels or numbers; (N, K) of several; of other kinds the shape that the kind takes.
            kind: name of an installed kind of task, where the targets do not tell it. Two values are "binary"; words,
                and whole numbers of an integer type that count up from 0, "multiclass"; other numbers "regression".
                Targets (N, K) are "multilabel" where all of them are 0 or 1, else "multi-output".
            val: inputs and targets of the validation rows; None draws a fifth of the training rows.
            test: inputs and targets of the test rows; None draws a fifth of the rows.
            class_names: names of the labels, in their order; of words the order in which they become labels; of
                targets (N, K) one for each column. Of two classes the second is the positive one.
            name: of the task.

        Raises:
            UsageError: the kind must be said, or is not installed.
            DataError: arrays that do not fit each other, the kind or the names.

        Example:
            >>> import numpy as np
            >>> rows = np.random.default_rng(0).normal(size=(50, 3))
            >>> task = Task.from_arrays(rows, np.where(rows[:, 0] > 0, "up", "down"))
            >>> task.spec.kind, task.class_names, [len(part.targets) for part in task.splits()]
            ('binary', ('down', 'up'), [32, 8, 10])
        """
        options = {"kind": kind, "val": val, "test": test, "class_names": class_names, "name": name}
        made: Task = resolve(_ARRAYS)(inputs, targets, **options)
        return made

    @staticmethod
    def from_datasets(
        train: Any,
        val: Any,
        test: Any,
        *,
        kind: str | None = None,
        class_names: Sequence[str] = (),
        name: str = "datasets",
    ) -> Task:
        """A task from ``torch.utils.data.Dataset`` objects of yours, whose rows are read when they are needed.

        Each is read once at first, for its targets, and looked at: shapes, finite numbers. Afterwards a training row
        is read each time that it is drawn, by the process that trains. What a Dataset draws from torch, numpy or Python
        follows from the seed of the run, also when it is resumed; a random generator of its own does not. Validation
        and test rows are drawn alike in each evaluation. A ``TensorDataset``, or a ``Subset`` of one, is taken as its
        arrays. To resume a run, the Datasets are given again: their targets have to be the same.

        Args:
            train: gives a pair for each index, inputs and target: tensors, arrays or numbers of one shape.
            val: for validation.
            test: for the end.
            kind: see :meth:`from_arrays`.
            class_names: names of the labels, which count up from 0, or one for each of several targets.
            name: of the task.

        Raises:
            UsageError: a Dataset without a length; the kind must be said.
            DataError: a row that cannot be read, or does not fit the others: names it.

        Example:
            >>> from torch.utils.data import TensorDataset
            >>> import torch
            >>> parts = [TensorDataset(torch.rand(9, 4), torch.arange(9) % 3) for _ in range(3)]
            >>> task = Task.from_datasets(*parts, class_names=["a", "b", "c"])
            >>> task.spec.kind, task.spec.summary
            ('multiclass', '27 rows of Datasets, each of shape (4,).')
        """
        made: Task = resolve(_DATASETS)(train, val, test, kind=kind, class_names=class_names, name=name)
        return made

    @staticmethod
    def from_images(folder: Any, *, size: int | tuple[int, int] | None = None) -> Task:
        """A task from a folder of images: each subfolder is a class, named as it is.

        Images become (channels, height, width) from 0 to 1: one channel where none has colors, else three. A file that
        cannot be read is left out, and counted in the ``notes`` of the task. Rows are drawn, 64, 16 and 20 %; a folder
        with train/, val/ and test/ inside, each with a subfolder for each class, uses those; without val/ a fifth of
        the training images is drawn. Up to 1 GiB of scaled images stays in memory; more are read from their files.

        Args:
            folder: its path; ``losszoo run --task photos/`` is the same.
            size: pixels of each side, or (height, width): an image is scaled until it fills them, and cut at the longer
                sides. None: the size of the images, where all have one of at most 128 pixels a side; else 64.

        Raises:
            UsageError: Pillow is not installed.
            DataError: there are no images of two classes.
        """
        made: Task = resolve(_IMAGES)(folder, size=size)
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
