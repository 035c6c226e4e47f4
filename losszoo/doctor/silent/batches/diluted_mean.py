"""A mean over the padding too: the loss of a sample shrinks with the length of the others in its batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, cast, evaluate
from losszoo.tracing.tape import Record

_SAME = 1e-4
_MEANS = ("mean", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits")


@dataclass(frozen=True)
class _Padded:
    """A mask of padding, and the sizes that it shares with what it masks."""

    mask: Leaf
    rows: int
    length: int

    def lengthened(self, leaves: Leaves) -> Leaves:
        """As much padding again, as if another sample of the batch were twice as long."""
        return [self._longer(index, x) for index, x in enumerate(leaves)]

    def _longer(self, index: int, x: object) -> object:
        if not isinstance(x, Tensor) or x.shape[:2] != (self.rows, self.length):
            return x
        more = torch.zeros_like(x) if index == self.mask.index else x.roll(1, 0)
        return torch.cat([x, more], dim=1)

    def refilled(self, leaves: Leaves) -> Leaves:
        """Other numbers in the padding."""
        return [self._other(index, x) for index, x in enumerate(leaves)]

    def _other(self, index: int, x: object) -> object:
        shared = isinstance(x, Tensor) and x.shape[:2] == (self.rows, self.length)
        if not isinstance(x, Tensor) or not shared or index == self.mask.index:
            return x
        kept = self.mask.tensor.bool().reshape(self.mask.tensor.shape[:2] + (1,) * (x.ndim - 2))
        return torch.where(kept, x, x.roll(1, 0))

    def full(self, leaves: Leaves) -> Leaves:
        """Without any padding."""
        return [torch.ones_like(x) if index == self.mask.index else x for index, x in enumerate(leaves)]


def look_for_diluted_means(subject: Subject, search: Search) -> None:
    """Padding that changes nothing else makes the loss smaller."""
    padded = _padding_of(subject)
    if padded is None:
        return
    tape = Substituting({})
    here, refilled, longer = (
        evaluate(subject, leaves, torch.float32, mode=mode, gradients=False)
        for leaves, mode in (
            (subject.leaves, tape),
            (padded.refilled(subject.leaves), None),
            (padded.lengthened(subject.leaves), None),
        )
    )
    if any(outcome.error is not None for outcome in (here, refilled, longer)) or not abs(here.total) > 0:
        return
    if not _is_near(refilled.total, here.total) or not _is_near(longer.total, here.total / 2):
        return
    made = next((r for r in reversed(tape.records) if _is_over_all(r, padded)), None)
    cause = _cause(padded, here.total, longer.total)
    remedy = f"divide the sum by {padded.mask.name}.sum()"
    if not _is_lengths(padded.mask.tensor):
        search.note(f"{cause}; where that is not meant, {remedy}")
        return
    key = (made.site.op, made.site.source, tape.spellings[made.index].text) if made is not None else None
    search.add(
        Failure(
            subject,
            "as much padding again",
            "misuse",
            torch.float32,
            subject.leaves,
            None,
            shows=partial(_shrinks, subject, padded),
            said=(cause, remedy),
            site=made.site if made is not None else None,
            trial=partial(_tried, subject, padded, key) if key is not None else None,
        )
    )


def _cause(padded: _Padded, here: float, longer: float) -> str:
    mask = padded.mask
    return (
        f"the mean divides by all {mask.tensor.numel()} positions, of which {mask.name} keeps "
        f"{int(mask.tensor.bool().sum())}: the loss is {here:.4g}, and with as much padding again {longer:.4g}, though "
        "what is kept is the same, so a sample counts less the longer the others of its batch are"
    )


def _padding_of(subject: Subject) -> _Padded | None:
    """The one mask of positions, which some other tensor shares."""
    leaves = leaves_of(subject)
    masks = [
        leaf
        for leaf in leaves
        if leaf.kind in ("bits", "bool") and leaf.tensor.ndim == 2 and leaf.index not in subject.trained
    ]
    if len(masks) != 1:
        return None
    mask = masks[0]
    rows, length = mask.tensor.shape
    shared = [x for x in leaves if x is not mask and x.tensor.shape[:2] == mask.tensor.shape]
    alone = rows != length and any(leaf.index in subject.trained for leaf in shared)
    some = 0 < int(mask.tensor.bool().sum()) < mask.tensor.numel()
    return _Padded(mask, rows, length) if alone and some and length > 1 else None


def _is_lengths(mask: Tensor) -> bool:
    """Whether a mask says how long each row is: it is set up to there, or from there on; the longest row is whole."""
    kept = mask.bool().long()
    steps, lengths = kept.diff(dim=1), kept.sum(1)
    one_way = bool((steps <= 0).all()) or bool((steps >= 0).all())
    return one_way and int(lengths.max()) == kept.shape[1] and int(lengths.min()) < kept.shape[1]


def _is_over_all(record: Record, padded: _Padded) -> bool:
    """Whether it is a mean of what has the positions of the mask."""
    x = record.args[0] if record.args else None
    return record.site.op in _MEANS and isinstance(x, Tensor) and x.shape[:2] == (padded.rows, padded.length)


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * abs(other)


def _shrinks(subject: Subject, padded: _Padded, leaves: Leaves) -> bool:
    mask = leaves[padded.mask.index]
    if mask.ndim != 2 or not _is_lengths(mask):
        return False
    there = _Padded(padded.mask, *mask.shape)
    here, longer = (evaluate(subject, x, torch.float32, gradients=False) for x in (leaves, there.lengthened(leaves)))
    return abs(here.total) > 0 and _is_near(longer.total, here.total / 2)


def _tried(subject: Subject, padded: _Padded, key: Key) -> tuple[str, bool | None]:
    """Divided by the kept, a batch without padding is as before, and more padding changes nothing."""
    remedies: Mapping[Key, Remedy] = {key: Remedy("kept alone", partial(_over_kept, mask=padded.mask))}
    mended = Substituting(remedies)
    here = evaluate(subject, subject.leaves, torch.float32, mode=mended)
    longer = evaluate(subject, padded.lengthened(subject.leaves), torch.float32, mode=Substituting(remedies))
    whole = cast(padded.full(subject.leaves), torch.float32)
    before, after = (evaluate(subject, whole, torch.float32, mode=Substituting(x)) for x in ({}, remedies))
    text = mended.words.get(key)
    right = alike(before, after, _SAME) and _is_near(longer.total, here.total)
    return (text, True) if text is not None and right else ("", None)


def _over_kept(w: Writing, mask: Leaf) -> str | None:
    """The sum over the sum of the mask, which is a factor of what was averaged."""
    made = w.tape.maker(w.record.args[0])
    if w.record.site.op != "mean" or made is None or made.site.op != "mul" or len(w.record.args) > 1 or w.record.kwargs:
        return None
    places = [i for i, x in enumerate(made.args[:2]) if isinstance(x, Tensor) and _is_mask(x, mask.tensor)]
    x = w.record.args[0]
    if not places or made.args[places[0]].shape != x.shape:
        return None
    return f"{w.x}.sum() / {w.operand(made, places[0], 'mask')}.sum().clamp(min=1)"


def _is_mask(x: Tensor, mask: Tensor) -> bool:
    """Whether it holds the numbers of a mask: 0 and 1, with the same or more positions."""
    return not x.requires_grad and x.shape[0] == mask.shape[0] and bool(((x == 0) | (x == 1)).all())
