"""``losszoo.suggest``: which losses fit a task, why, and the comparison that settles it."""

from __future__ import annotations

import shlex
from typing import Any

from losszoo.registry.registry import installed
from losszoo.suggestion.choose_losses import choose, lacking, traits_by_tags
from losszoo.suggestion.suggestion import Suggestion

# A mean of fewer has no interval worth the name.
_SEEDS = 5


def suggest(task: Any, *, split: int = 0) -> Suggestion:
    """Look at the training rows of a task, and suggest losses to compare on it.

    Looked at are the shares of the classes, their order, labels that a model of scikit-learn contradicts, and the
    outliers and the shape of a regression target. Rows of one group (``--group``, ``Task.row_groups``) are held out
    from the model together. A loss is suggested by its tags (``losszoo info NAME``), so a loss
    of any plugin is, too. Nothing is claimed: which loss is best, only the comparison tells.

    Args:
        task: name, target (file.py:MyTask), a :class:`losszoo.Task` or its class.
        split: seed of the split. Validation and test rows are counted, not looked at.

    Returns:
        What was seen, at most five losses, and the command that compares them.

    Raises:
        UsageError: an unknown task.
        DataError: data that cannot be learned from.

    Example:
        >>> found = suggest("digits-rare")
        >>> [(loss.name, loss.why) for loss in found.losses][:2]
        [('bce', 'baseline'), ('focal', 'imbalance')]
        >>> found.command
        'losszoo compare --task digits-rare --loss bce --loss focal --loss asymmetric --seeds 5'
    """
    import torch

    from losszoo.suggestion.traits import traits_of
    from losszoo.tasks.make_task import flags_of, make_task
    from losszoo.training.data.prepared_data import prepare

    registry = installed()
    made = make_task(task, {})
    data, spec = prepare(made, split, torch.device("cpu")), made.spec
    names = [*made.class_names, *map(str, range(len(made.class_names), data.classes))][: data.classes]
    traits, notes = traits_of(data, registry.kind(spec.kind), names, made.row_groups.get("train"))
    traits += traits_by_tags(registry, spec, traits)
    losses = choose(registry, spec, traits)
    flags = flags_of(task if isinstance(task, str) else made)
    words = [word for loss in losses for word in ("--loss", loss.name)]
    command = shlex.join(["losszoo", "compare", *flags, *words, "--seeds", str(_SEEDS)])
    return Suggestion(
        task=spec.name,
        kind=spec.kind,
        metric=spec.metric,
        direction=spec.direction,
        summary=spec.summary,
        rows={part: len(getattr(data, part)) for part in ("train", "val", "test")},
        inputs=data.train.shape,
        classes={name: int((data.train.targets == label).sum()) for label, name in enumerate(names)},
        traits=tuple(traits),
        losses=tuple(losses),
        command=command if flags and losses else "",
        call=f"losszoo.compare({[loss.name for loss in losses]}, [task], seeds={_SEEDS})",
        notes=(*notes, *lacking(registry, spec, traits)),
        data_notes=tuple(made.notes),
    )
