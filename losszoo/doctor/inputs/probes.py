"""The inputs that are tried: an ordinary one, changed in ways that are blind to what it means."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from losszoo.doctor.inputs.mutations import Change, Tag, Tags
from losszoo.doctor.inputs.tensor_changes import changes_of, copies_of, scores_for, unnamed_changes
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.losses.arguments import CheckContext
from losszoo.losses.loss import Loss
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import edge_cases
from losszoo.losses.signatures.signature import EdgeCase

# So many pairs of changes are drawn at most; singles are all tried.
_MOST_PAIRS = 1500
# Of the numbers in a pair of changes.
_LARGEST = 500.0
# No training meets a tensor as large as the first beside another as small as the second.
_HUGE, _TINY = 50.0, 1e-3


@dataclass(frozen=True)
class Probe:
    """One input, and what was done to an ordinary one to get it: in words, and in tags."""

    label: str
    leaves: Leaves
    tags: Tags = frozenset()

    @property
    def all_tags(self) -> Tags:
        """The tags, and whether its numbers are far from what training meets."""
        return self.tags | ({Tag.FAR} if any(_is_far(x) for x in self.leaves) else set())


def _is_far(leaf: object) -> bool:
    """Whether a tensor holds a number other than 0 that is tiny or huge."""
    if not isinstance(leaf, Tensor) or not (leaf.is_floating_point() or leaf.is_complex()):
        return False
    size = leaf.detach().abs().double()
    # A little less than 1e20, which float32 rounds.
    return bool((((size > 0) & (size < 1e-18)) | ((size > 9e19) & size.isfinite())).any())


@dataclass(frozen=True)
class _Edit:
    """Replaces one leaf."""

    index: int
    label: str
    tensor: Tensor
    tags: Tags = frozenset()


def ordinary(subject: Subject) -> Probe:
    """The input as it was given."""
    return Probe("ordinary input", list(subject.leaves))


def changed(subject: Subject, label: str, tensors: Mapping[int, Tensor], tags: Tags = frozenset()) -> Probe:
    """The ordinary input with other tensors at some places."""
    return Probe(label, [tensors.get(index, leaf) for index, leaf in enumerate(subject.leaves)], tags)


def structural(subject: Subject) -> Iterator[Probe]:
    """Single changes, changes of all tensors alike, and chosen rows; simple ones first."""
    leaves = leaves_of(subject)
    yield from (_apply(subject, edit) for edit in _edits(leaves))
    yield from _alike(subject, leaves)
    yield from rows(subject)


def combined(subject: Subject) -> Iterator[Probe]:
    """Pairs of single changes, and few rows with a change each: a sample of what is too much to try."""
    yield from _pairs(subject, list(_edits(leaves_of(subject))))
    yield from _edited_rows(subject, list(rows(subject)))


def _edits(leaves: Sequence[Leaf]) -> Iterator[_Edit]:
    for leaf in leaves:
        yield from _as_edits(leaf, changes_of(leaf))
    for leaf, other in itertools.permutations(leaves, 2):
        yield from _as_edits(leaf, copies_of(leaf, other))
        yield from _as_edits(leaf, scores_for(leaf, other))


def _as_edits(leaf: Leaf, changes: Iterator[Change]) -> Iterator[_Edit]:
    return (_Edit(leaf.index, *change) for change in changes)


def _apply(subject: Subject, *edits: _Edit) -> Probe:
    tags = frozenset(tag for edit in edits for tag in edit.tags)
    return changed(subject, ", ".join(edit.label for edit in edits), {edit.index: edit.tensor for edit in edits}, tags)


def _alike(subject: Subject, leaves: Sequence[Leaf]) -> Iterator[Probe]:
    """The same change of every floating tensor that may have it."""
    floating = [leaf for leaf in leaves if leaf.floating]
    if len(floating) < 2:
        return
    by_label: dict[str, list[_Edit]] = {}
    for leaf in floating:
        for edit in _as_edits(leaf, unnamed_changes(leaf)):
            by_label.setdefault(edit.label, []).append(edit)
    for label, edits in by_label.items():
        if len(edits) > 1:
            yield replace(_apply(subject, *edits), label=f"everything {label}")


def edge_cases_of(subject: Subject) -> Iterator[EdgeCase]:
    """Those of its signature, in the form that a function of it is called with; a loss of the zoo takes every form."""
    rules, context = TABLE[subject.signature], CheckContext(subject.expects)
    for case in edge_cases(subject.signature, subject.expects, subject.seed):
        if rules.converts and not isinstance(subject.call, Loss):
            case = case._replace(inputs=rules.function_inputs(rules.check(case.inputs, context), context))
        yield case


def batch_size(subject: Subject) -> int:
    """The number of rows that most tensors have; 0 where there is none."""
    return common_size(subject.leaves)


def common_size(leaves: Sequence[object]) -> int:
    """The number of rows that most of these tensors have; 0 where there is none."""
    sizes = [len(x) for x in leaves if isinstance(x, Tensor) and x.ndim]
    return max(sizes, key=sizes.count) if sizes else 0


def select(subject: Subject, leaves: Sequence[object], index: Tensor) -> Leaves:
    """Those rows of every tensor that has as many as the batch."""
    return rows_at(leaves, batch_size(subject), index)


def rows_at(leaves: Sequence[object], size: int, index: Tensor) -> Leaves:
    """Those rows of every tensor of that many."""
    return [x[index] if isinstance(x, Tensor) and x.ndim and len(x) == size else x for x in leaves]


def rows(subject: Subject) -> Iterator[Probe]:
    """Few rows, one row, the same row again and again."""
    size = batch_size(subject)
    chosen = {
        "one row": [0],
        "two rows": [0, 1],
        "the same row twice": [0, 0],
        "the first row everywhere": [0] * size,
        "every row twice": [i for i in range(size) for _ in range(2)],
        "the last row": [size - 1],
    }
    if size > 1:
        for label, index in chosen.items():
            tags = frozenset({Tag.ONE_ROW} if len(index) == 1 else ())
            yield Probe(label, select(subject, subject.leaves, torch.tensor(index)), tags)


def outliers(subject: Subject) -> Iterator[Probe]:
    """One residual whose square no float32 holds, where a row's part of the loss is its own."""
    leaves = leaves_of(subject)
    real = [leaf for leaf in leaves if leaf.kind == "real" and leaf.tensor.numel() > 1]
    present = {x.index: torch.ones_like(x.tensor) for x in leaves if x.kind in ("bits", "bool")}
    for leaf in filter(lambda leaf: is_separable(subject, leaf), real):
        # Of two it is a residual. Of three, as in a triplet, it is an embedding: none has a size of 1e20.
        if sum(leaf.tensor.shape == other.tensor.shape for other in real) == 2:
            far = leaf.tensor.clone()
            far.reshape(-1)[0] = 1e20
            yield changed(subject, f"{leaf.name} with an outlier of 1e20", {**present, leaf.index: far})


def is_separable(subject: Subject, leaf: Leaf) -> bool:
    """Whether the gradient at the other elements stays as it is when the first one moves."""
    if leaf.index not in subject.trained:
        return False
    position = subject.trained.index(leaf.index)
    moved = list(subject.leaves)
    moved[leaf.index] = leaf.tensor.clone()
    moved[leaf.index].reshape(-1)[0] += 3.0
    before, after = evaluate(subject, subject.leaves), evaluate(subject, moved)
    if before.error or after.error:
        return False
    a, b = before.gradients[position], after.gradients[position]
    if a is None or b is None:
        return False
    rest, other = a.reshape(-1)[1:], b.reshape(-1)[1:]
    return bool((rest - other).abs().max() <= 1e-5 * rest.abs().max())


def _pairs(subject: Subject, edits: Sequence[_Edit]) -> Iterator[Probe]:
    """Two changes of different tensors at once; two huge ones occur in no training."""
    edits = [edit for edit in edits if not edit.tensor.is_floating_point() or _largest(edit.tensor) <= _LARGEST]
    pairs = [(a, b) for a, b in itertools.combinations(edits, 2) if a.index != b.index and _go_together(a, b)]
    if len(pairs) > _MOST_PAIRS:
        # Spread over all changes rather than over those of the first tensors.
        pairs = random.Random(subject.seed).sample(pairs, _MOST_PAIRS)
    yield from (_apply(subject, a, b) for a, b in pairs)


def _go_together(first: _Edit, second: _Edit) -> bool:
    return not _contradict(first, second) and not _are_extremes(first, second)


def _are_extremes(first: _Edit, second: _Edit) -> bool:
    """Whether one is huge and the other tiny; a 0 is an answer unless it only closes the domain."""
    if not (first.tensor.is_floating_point() and second.tensor.is_floating_point()):
        return False
    small, large = sorted((first, second), key=lambda edit: _largest(edit.tensor))
    tiny = 0 < _largest(small.tensor) < _TINY or Tag.EDGE in small.tags
    return tiny and _largest(large.tensor) > _HUGE


def _contradict(first: _Edit, second: _Edit) -> bool:
    """Whether one changes labels, and the other excludes what was no label before: an excluded class is none."""
    whole = [edit for edit in (first, second) if not edit.tensor.is_floating_point()]
    return bool(whole) and any(Tag.EXCLUDING in edit.tags for edit in (first, second))


def _largest(x: Tensor) -> float:
    return float(x.nan_to_num(0.0, 0.0, 0.0).abs().max()) if x.numel() else 0.0


def _edited_rows(subject: Subject, chosen: Sequence[Probe]) -> Iterator[Probe]:
    """Few rows with a change each."""
    for probe in chosen[:3]:
        # The kinds are those of the whole input: few rows may look like something else.
        leaves = [replace(leaf, tensor=probe.leaves[leaf.index]) for leaf in leaves_of(subject)]
        for edit in _edits(leaves):
            fewer = list(probe.leaves)
            fewer[edit.index] = edit.tensor
            yield Probe(f"{probe.label}, {edit.label}", fewer, probe.tags | edit.tags)
