"""Which installed losses are worth a comparison on a task: by their tags, never by their names."""

from __future__ import annotations

from collections.abc import Sequence

from losszoo.registry.compatibility import COMBINER, REGULARIZER, baseline_of
from losszoo.registry.registry import Registry
from losszoo.registry.specs import LossSpec, TaskSpec
from losszoo.suggestion.suggestion import SuggestedLoss, Trait

MOST = 5
# A comparison of fewer tells little.
_FEWEST = 3
_MOST_OF_A_TRAIT = 2
# What a tag says of the rows of a task that has it.
_TOLD = {"tabular": "each input is a column of a table, with a unit of its own"}
# Tags of losses that are not meant to be trained with alone, or that show how a loss is written.
_APART = frozenset({COMBINER, REGULARIZER, "example"})


def traits_by_tags(registry: Registry, task: TaskSpec, known: Sequence[Trait]) -> list[Trait]:
    """What the task says of itself by a tag that fitting losses have too, such as "tabular"."""
    tags = {tag for spec in _fitting(registry, task) for tag in spec.tags}
    tags -= {tag for trait in known for tag in trait.tags}
    return [
        Trait(tag, True, _TOLD.get(tag, f"the plugin of the task says so by the tag {tag}"), (tag,))
        for tag in task.tags
        if tag in tags
    ]


def choose(registry: Registry, task: TaskSpec, traits: Sequence[Trait]) -> list[SuggestedLoss]:
    """The baseline, losses made for the traits in turn, and other ideas where these are few."""
    fitting, baseline = _fitting(registry, task), baseline_of(registry, task)
    if baseline is None:
        return []
    chosen = {baseline.name: SuggestedLoss(baseline.name, "baseline", "", baseline.summary)}

    def take(specs: Sequence[LossSpec], why: str, tags: Sequence[str]) -> bool:
        """The one that shares the fewest tags with those chosen: two of a family tell less."""
        free = [spec for spec in specs if spec.name not in chosen]
        if not free or len(chosen) == MOST:
            return False
        told = {tag for name in chosen for tag in registry.losses[name].tags}
        spec = min(free, key=lambda spec: len(told & set(spec.tags)))
        tag = next((tag for tag in tags or spec.tags if tag in spec.tags), "")
        chosen[spec.name] = SuggestedLoss(spec.name, why, tag, spec.summary)
        return True

    for _ in range(_MOST_OF_A_TRAIT):
        for trait in traits:
            if trait.present:
                take(_made_for(fitting, trait), trait.name, trait.tags)
    others = [s for s in fitting if s.signature == baseline.signature and not set(s.tags) & set(baseline.tags)]
    while len(chosen) < _FEWEST and take(others, "another idea", ()):
        pass
    return list(chosen.values())


def _made_for(fitting: Sequence[LossSpec], trait: Trait) -> list[LossSpec]:
    """The losses with a tag of the trait, of the first signature that has some."""
    able = [spec for spec in fitting if set(trait.tags) & set(spec.tags)]
    return [spec for spec in able if spec.signature == able[0].signature]


def lacking(registry: Registry, task: TaskSpec, traits: Sequence[Trait]) -> list[str]:
    """What no installed loss is made for, though the rows show it."""
    fitting = _fitting(registry, task)
    return [
        f"{trait.name}: no installed loss for this kind of task has the tag {' or '.join(trait.tags)}"
        for trait in traits
        if trait.present and not _made_for(fitting, trait)
    ]


def _fitting(registry: Registry, task: TaskSpec) -> list[LossSpec]:
    """Stable losses that can be trained alone; those of the natural signature of the task first."""
    order = list(registry.taken_by(task.kind))
    able = [
        spec
        for spec in registry.losses.values()
        if spec.signature in order and spec.status == "stable" and not _APART & set(spec.tags)
    ]
    return sorted(able, key=lambda spec: order.index(spec.signature))
