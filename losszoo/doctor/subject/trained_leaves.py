"""Which tensors of an input come from a model and are trained, and which come from the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.inputs.held_tensors import fields_of, is_held
from losszoo.losses.signatures import TABLE

# Names under which people pass what is not trained, whatever else the name says.
_DATA = (
    *("target", "label", "truth", "true", "reference", "teacher", "annotation", "groundtruth", "frozen", "momentum"),
    *("duration", "relevance", "advantage", "reward", "insample", "history"),
)
_DATA_WORDS = (
    *("gt", "ref", "old", "tgt", "ema", "actual", "expected", "clean", "rel", "grade", "grades", "counts"),
    *("action", "actions", "returns"),
)
# Names of what a model gives, also where it gives a mask or a weight.
_MODEL = ("pred", "logit", "score", "output", "student", "recon", "estimat", "hat", "fake", "generated", "embed")
# Names of what mostly comes from the data.
_MOSTLY_DATA = ("mask", "weight", "observed", "valid", "real")
_DATA_WHOLE = ("y", "t", "ys", "lengths", "event", "events", "time", "times")
# Grades, counts and levels are whole and small; a model's outputs are not all whole.
_LARGEST_GRADE = 1000


def trained_leaves(inputs: Sequence[Any], names: Sequence[str], signature: str) -> tuple[int, ...]:
    """The leaves that a user would train: those that say so, else those that are not given by the data.

    Args:
        inputs: of the loss.
        names: of the inputs.
        signature: name of one that is installed, which says which are given; "" where only the names may tell.
    """
    leaves = tree_leaves(tuple(inputs))
    floating = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())]
    said = [i for i in floating if leaves[i].requires_grad]
    if said or not floating:
        return tuple(said)
    if signature:
        owners = [index for index, value in enumerate(inputs) for _ in tree_leaves(value)]
        return tuple(i for i in floating if owners[i] in TABLE[signature].trained)
    words = leaf_names(inputs, names)
    chosen = [i for i in floating if not is_given(words[i]) and not _is_teacher(words[i], words)]
    chosen = [i for i in chosen if not _is_bits(leaves[i])]
    chosen = [i for i in chosen if not _are_grades(leaves[i])] or chosen
    # Of two distributions the second is what the first is compared with.
    chosen = [i for i in chosen if i == chosen[0] or not _is_distribution(leaves[i])]
    return tuple(chosen or floating[:1])


def leaf_names(inputs: Sequence[Any], names: Sequence[str]) -> list[str]:
    """For each leaf the key that it has in a dict, or the name of its argument."""
    found: list[str] = []
    for name, value in zip(names, inputs, strict=True):
        found += _names_in(value, name)
    return found


def _names_in(value: Any, name: str) -> list[str]:
    if isinstance(value, Mapping) and len(tree_leaves(value)) == sum(len(tree_leaves(x)) for x in value.values()):
        return [found for key, inner in value.items() for found in _names_in(inner, str(key))]
    if is_held(value):
        return [found for key, inner in fields_of(value).items() for found in _names_in(inner, f"{name}.{key}")]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [found for key in value._fields for found in _names_in(getattr(value, key), f"{name}.{key}")]
    if isinstance(value, list | tuple):
        return [found for inner in value for found in _names_in(inner, name)]
    return [name] * len(tree_leaves(value))


def is_given(name: str) -> bool:
    """Whether an argument of that name comes from the data rather than from a model.

    Example:
        >>> is_given("teacher_logits"), is_given("pred_masks"), is_given("mask")
        (True, False, True)
    """
    plain = name.lower()
    words = re.findall(r"[a-z]+", plain)
    if plain in _DATA_WHOLE or any(word in plain for word in _DATA) or any(word in _DATA_WORDS for word in words):
        return True
    return not any(word in plain for word in _MODEL) and any(word in plain for word in _MOSTLY_DATA)


def is_of_model(name: str) -> bool:
    """Whether an argument of that name comes from a model.

    Example:
        >>> is_of_model("recon_x"), is_of_model("x")
        (True, False)
    """
    return any(word in name.lower() for word in _MODEL) and not is_given(name)


def _is_teacher(name: str, names: Sequence[str]) -> bool:
    """Whether it is the ``_t`` beside an ``_s`` of the same name: a teacher's and its student's."""
    return name.endswith("_t") and f"{name[:-2]}_s" in names


def _is_bits(x: Tensor) -> bool:
    return bool(((x == 0) | (x == 1)).all())


def _are_grades(x: Tensor) -> bool:
    """Whether they are small whole numbers, such as relevances or counts, in a floating dtype."""
    if x.is_complex() or not x.numel() or not bool(torch.isfinite(x).all()):
        return False
    different = len(torch.unique(x))
    legal = bool((x >= 0).all() or (x.abs() == 1).all())
    whole = legal and bool((x == x.round()).all())
    return whole and float(x.max()) <= _LARGEST_GRADE and 1 < different < max(x.numel(), 3)


def _is_distribution(tensor: Tensor) -> bool:
    """Whether it holds probabilities that sum to 1 along its last or second dimension."""
    if tensor.is_complex():
        return False
    sums = [tensor.detach().double().sum(dim) for dim in (-1, 1) if tensor.ndim > max(dim, 0)]
    return bool((tensor >= 0).all()) and any(bool(((s - 1).abs() < 1e-3).all()) for s in sums)
