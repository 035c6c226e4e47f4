"""The rows of one epoch, in the order in which they are stepped on: ``recipe.sampler``."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from losszoo.errors import UsageError
from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.task import Recipe
from losszoo.training.data.prepared_data import Part, Prepared

RANDOM, WEIGHTED, PER_CLASS = "random", "weighted", "m-per-class"
# Rows of a class in a batch where nobody says how many.
_USUAL = 4


def check_sampler(recipe: Recipe, data: Prepared, spec: TaskSpec, *, draws_candidates: bool) -> None:
    """Refuse a sampler that cannot draw from these rows.

    Args:
        recipe: with the changes of the user.
        data: of the task.
        spec: of the task, for an error.
        draws_candidates: the loss compares a batch with rows drawn from all others.

    Raises:
        UsageError: says what fits.
    """
    sampler = recipe.sampler or RANDOM
    if sampler != PER_CLASS and recipe.per_class is not None:
        raise UsageError(
            f"recipe.per_class must go with recipe.sampler={PER_CLASS}, got {recipe.per_class} with {sampler}"
        )
    if sampler == RANDOM:
        return
    if installed().kind(spec.kind).trained_without_labels:
        raise UsageError(
            f"recipe.sampler must be {RANDOM} on {spec.name}, a {spec.kind} task, which is trained without labels, got "
            f"{recipe.sampler}"
        )
    if not data.classes or data.train.targets.ndim > 1:
        raise UsageError(
            f"recipe.sampler must be {RANDOM} on {spec.name}, a {spec.kind} task, whose rows have no label each, "
            f"got {recipe.sampler}"
        )
    if draws_candidates:
        # A row that is drawn twice would be its own nearest candidate, with the label that is asked for.
        raise UsageError(
            f"recipe.sampler must be {RANDOM} for a loss that draws candidates from all rows, got {recipe.sampler}"
        )
    if recipe.sampler == PER_CLASS:
        _check_batch(recipe, sum(count > 0 for count in data.class_counts))


def _check_batch(recipe: Recipe, classes: int) -> None:
    """A batch holds whole groups, each of another class."""
    size, rows = recipe.batch_size, recipe.per_class or _USUAL
    if size % rows or size // rows > classes:
        most = min(size // rows, classes) * rows or rows
        raise UsageError(
            f"recipe.batch_size must be a multiple of recipe.per_class, {rows}, and at most {rows} x {classes} "
            f"classes, got {size}; say --set recipe.batch_size={most}"
        )


def drawn(recipe: Recipe, data: Prepared, generator: Generator) -> Tensor:
    """The rows of one epoch, in their order; as many as there are, with "m-per-class" up to a whole batch."""
    train = data.train
    if (recipe.sampler or RANDOM) == RANDOM:
        return shuffled(train, generator)
    labels = train.targets.cpu()
    if recipe.sampler == WEIGHTED:
        rows = torch.multinomial(1 / labels.bincount()[labels].double(), len(labels), True, generator=generator)
    else:
        batches = -(-len(labels) // recipe.batch_size)
        groups = recipe.per_class or _USUAL
        rows = per_class(labels, recipe.batch_size // groups, groups, batches, generator)
    return rows.to(train.targets.device)


def shuffled(part: Part, generator: Generator) -> Tensor:
    """The rows of one epoch in random order."""
    return torch.randperm(len(part), generator=generator).to(part.targets.device)


def per_class(labels: Tensor, classes: int, rows: int, batches: int, generator: Generator) -> Tensor:
    """Indices for batches of some classes each, and some rows of each class.

    Classes and rows are drawn without replacement; of a class with fewer rows, rows come more than once.

    Args:
        labels: (N,), on the CPU.
        classes: of a batch.
        rows: of a class in a batch.
        batches: how many.
        generator: source of draws.
    """
    by_class = torch.split(labels.argsort(stable=True), [count for count in labels.bincount().tolist() if count])
    found = []
    for _ in range(batches):
        for label in torch.randperm(len(by_class), generator=generator)[:classes].tolist():
            members = by_class[label]
            if len(members) < rows:
                places = torch.randint(len(members), (rows,), generator=generator)
            else:
                places = torch.randperm(len(members), generator=generator)[:rows]
            found.append(members[places])
    return torch.cat(found)
