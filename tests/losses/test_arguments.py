"""Every argument of every signature: read in the one way that its words say, or refused; never in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.losses.signatures.example_inputs import example_inputs

# A loss of each signature.
LOSSES = {
    "binary": "bce",
    "multiclass": "cross-entropy",
    "regression": "mse",
    "segmentation": "dice",
    "embedding": "sup-con",
    "pair": "contrastive",
    "triplet": "triplet",
    "views": "info-nce",
    "neighbors": "modern-nca",
    "penalty": "l2",
}
X, T = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(5, 3)


def squares(weight: Tensor) -> Tensor:
    """Torch's reading: a weight that broadcasts."""
    weight = weight.expand(5, 3)
    return (weight * X**2).sum() / weight.sum()


@pytest.mark.parametrize(
    ("given", "at_values"),
    [
        (torch.arange(1.0, 4.0), torch.arange(1.0, 4.0)),
        (torch.arange(1.0, 4.0)[None], torch.arange(1.0, 4.0)),
        (torch.arange(1.0, 6.0), torch.arange(1.0, 6.0)[:, None]),
        (torch.arange(1.0, 6.0)[:, None], torch.arange(1.0, 6.0)[:, None]),
        (torch.tensor(2.0), torch.tensor(2.0)),
        (torch.tensor([2.0]), torch.tensor([2.0])),
        (torch.arange(1, 4), torch.arange(1.0, 4.0)),
    ],
)
def test_a_weight_broadcasts_as_in_torch_or_is_per_sample(given: Tensor, at_values: Tensor) -> None:
    torch.testing.assert_close(losszoo.create("mse")(X, T, weight=given), squares(at_values))
    kept = (given - 1).bool()
    wide = (at_values - 1).bool().expand(5, 3)
    torch.testing.assert_close(losszoo.create("mse")(X, T, mask=kept), X[wide].square().mean())


@pytest.mark.parametrize("how", ["weight", "mask"])
@pytest.mark.parametrize(
    ("name", "inputs", "shape", "spellings"),
    [
        ("mse", (torch.randn(4, 4), torch.randn(4, 4)), (4,), ("[:, None]", "[None]")),
        ("mse", (torch.randn(4, 2, 4), torch.randn(4, 2, 4)), (4,), ("[:, None, None]", "[None, None]")),
        ("mse", (torch.randn(2, 2, 2), torch.randn(2, 2, 2)), (2, 2), ("[:, :, None]", "[None]")),
        ("cross-entropy", (torch.randn(4, 3, 4), torch.zeros(4, 4).long()), (4,), ("[:, None]", "[None]")),
    ],
)
def test_two_readings_are_refused_with_both_spellings(
    how: str, name: str, inputs: Any, shape: tuple, spellings: tuple
) -> None:
    given = torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.5
    given = given > 1 if how == "mask" else given
    loss = losszoo.create(name)
    with pytest.raises(UsageError, match=f"{how} must be unambiguous") as caught:
        loss(*inputs, **{how: given})
    said = str(caught.value)
    assert all(f"{how}{spelling} for one" in said for spelling in spellings)
    whole = inputs[1].shape
    missing = len(whole) - len(shape)
    # As the two spellings say: new dimensions behind, and in front.
    for wide in (given[(..., *[None] * missing)], given[(None,) * missing]):
        torch.testing.assert_close(
            loss(*inputs, **{how: wide}), loss(*inputs, **{how: wide.expand(whole).contiguous()})
        )


def test_a_batch_of_one_has_one_reading() -> None:
    weight = torch.tensor([1.0, 3.0])
    expected = torch.tensor((1 * 4 + 3 * 9) / 4)
    torch.testing.assert_close(
        losszoo.create("mse")(torch.tensor([[2.0, 3.0]]), torch.zeros(1, 2), weight=weight), expected
    )


def test_a_loss_that_mixes_the_elements_is_weighed_by_its_leading_dimensions() -> None:
    maps, truth = torch.randn(2, 3, 4, 4), (torch.rand(2, 3, 4, 4) < 0.5).float()
    values = losszoo.create("dice", reduction="none")(maps, truth)
    loss, per_map = losszoo.create("dice"), torch.rand(2, 3) + 0.5
    expected = (values * per_map).sum() / per_map.sum()
    for weight in (per_map, per_map[:, :, None, None]):
        torch.testing.assert_close(loss(maps, truth, weight=weight), expected)
    with pytest.raises(UsageError, match="weight must have the leading dimensions of"):
        loss(maps, truth, weight=torch.rand(4))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 3, 3), (4, 3, 5, 3), (4, 3, 2)])
@pytest.mark.parametrize("make", [list, tuple, torch.tensor])
def test_positive_weights_run_along_the_classes(shape: tuple[int, ...], make: Callable[[Any], Any]) -> None:
    numbers = [1.0, 2.0, 5.0]
    x, t = torch.randn(shape), (torch.rand(shape) < 0.5).float()
    theirs = torch.tensor(numbers).reshape(3, *[1] * (len(shape) - 2))
    expected = F.binary_cross_entropy_with_logits(x, t, pos_weight=theirs)
    torch.testing.assert_close(losszoo.create("bce", pos_weight=make(numbers))(x, t), expected)
    torch.testing.assert_close(losszoo.create("bce", pos_weight=theirs)(x, t), expected)


def test_positive_weights_of_several_dimensions_broadcast_as_in_torch() -> None:
    x, t = torch.randn(2, 3, 4, 3), torch.ones(2, 3, 4, 3)
    columns = torch.tensor([[1.0, 2.0, 5.0]])
    expected = F.binary_cross_entropy_with_logits(x, t, pos_weight=columns)
    torch.testing.assert_close(losszoo.create("bce", pos_weight=columns)(x, t), expected)
    for wrong in ([1.0, 2.0], torch.ones(2, 4)):
        with pytest.raises(UsageError, match="pos_weight must"):
            losszoo.create("bce", pos_weight=wrong)(x, t)
    with pytest.raises(UsageError, match="pos_weight must be a number or one number where predictions have one"):
        losszoo.create("bce", pos_weight=[1.0, 2.0])(torch.zeros(2), torch.zeros(2))


def test_integers_of_0_and_1_are_a_mask() -> None:
    loss = losszoo.create("mse")
    mask = torch.tensor([[1, 1, 0]] * 4 + [[0, 0, 1]])
    for dtype in (torch.int64, torch.uint8, torch.int32):
        assert torch.equal(loss(X, T, mask=mask.to(dtype)), loss(X, T, mask=mask.bool()))
    with pytest.raises(UsageError, match=r"mask must hold 0 and 1 .*mask\.bool\(\)\), got 2"):
        loss(X, T, mask=mask * 2)
    with pytest.raises(UsageError, match=r"as mask\.bool\(\) gives it"):
        loss(X, T, mask=mask.float())
    bank = losszoo.MemoryBank("sup-con", size=9)
    bank(X, torch.tensor([0, 0, 1, 1, 1]), mask=torch.tensor([1, 1, 1, 0, 1]))
    assert bank.filled == 4


@pytest.mark.parametrize("name", ["cross-entropy", "sup-con"])
def test_labels_that_are_floating_are_told_how_to_become_labels(name: str) -> None:
    argument = "targets" if name == "cross-entropy" else "labels"
    with pytest.raises(UsageError, match=rf"{argument} must be an integer tensor, as {argument}\.long\(\)"):
        losszoo.create(name)(X, torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0]))


def test_labels_that_are_no_tensor_are_told_how_to_become_one() -> None:
    advice = r"targets must be an integer tensor, as torch\.tensor\(targets\) gives it of whole numbers, got "
    loss, labels = losszoo.create("cross-entropy"), [0, 1, 2, 0, 1]
    with pytest.raises(UsageError, match=advice + "a list"):
        loss(X, labels)
    with pytest.raises(UsageError, match=advice + "an ndarray"):
        loss(X, np.array(labels))
    assert loss(X, torch.tensor(labels)).isfinite()


def spoil_complex(x: Tensor) -> Tensor:
    return x.to(torch.complex64) + 1j


def spoil_quantized(x: Tensor) -> Tensor:
    return torch.quantize_per_tensor(x.float(), 0.1, 0, torch.quint8)


SPOILT: dict[str, Callable[[Tensor], Tensor]] = {
    "complex": spoil_complex,
    "meta": lambda x: x.to("meta"),
    "sparse": lambda x: x.to_sparse(),
    "nested": lambda x: torch.nested.nested_tensor(list(x)) if x.ndim > 1 else x.to_sparse(),
    "quantized": spoil_quantized,
}


@pytest.mark.parametrize("spoiler", SPOILT)
@pytest.mark.parametrize("signature", LOSSES)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors", "ignore:.*quantize")
def test_what_has_no_numbers_like_the_others_is_refused_everywhere(signature: str, spoiler: str) -> None:
    loss = losszoo.create(LOSSES[signature])
    inputs = example_inputs(signature)
    if signature == "penalty":
        places: list[tuple[Any, dict[str, Any]]] = [(([inputs[0][0], SPOILT[spoiler](inputs[0][1])],), {})]
    else:
        places = [
            ((*inputs[:i], SPOILT[spoiler](x), *inputs[i + 1 :]), {})
            for i, x in enumerate(inputs)
            if spoiler != "nested" or x.ndim > 1
        ]
        places += [(inputs, {name: SPOILT[spoiler](torch.ones(6))}) for name in ("weight", "mask")]
    if spoiler in ("complex", "meta", "sparse") and signature not in ("penalty",):
        places += [(inputs, {"denominator": SPOILT[spoiler](torch.tensor([3.0]))})]
    for args, how in places:
        with pytest.raises(UsageError, match=r" must (be|hold|have) "):
            loss(*args, **how)


@pytest.mark.parametrize("denominator", ["3", [1.0, 2.0], 1j, None.__class__, float("nan"), -1])
def test_a_denominator_that_is_no_number(denominator: Any) -> None:
    with pytest.raises(UsageError, match="denominator must be"):
        losszoo.create("mse")(X, T, denominator=denominator)


def test_a_whole_batch_on_the_meta_device_gives_its_shape() -> None:
    value = losszoo.create("cross-entropy", reduction="none")(X.to("meta"), torch.zeros(5).long().to("meta"))
    assert value.device.type == "meta"
    assert value.shape == (5,)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16])
def test_few_bits_are_computed_in_float32(dtype: torch.dtype) -> None:
    few = X.to(dtype)
    assert torch.equal(losszoo.create("mse")(few, T), losszoo.create("mse")(few.float(), T))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int32])
def test_whole_numbers_of_any_width_are_labels_and_targets(dtype: torch.dtype) -> None:
    bits = torch.tensor([0, 1, 1, 0, 1])
    for name in ("cross-entropy", "sup-con"):
        assert torch.equal(losszoo.create(name)(X, bits.to(dtype)), losszoo.create(name)(X, bits))
    wide = torch.stack([bits, 1 - bits, bits], 1)
    assert torch.equal(losszoo.create("bce")(X, wide.to(dtype)), losszoo.create("bce")(X, wide.float()))


@pytest.mark.parametrize("name", ["mse", "cross-entropy", "sup-con", "info-nce", "triplet", "modern-nca"])
def test_a_weight_that_learns_gets_its_gradient(name: str) -> None:
    loss = losszoo.create(name).double()
    inputs = example_inputs(loss.signature, dtype=torch.float64)
    weight = (torch.rand(6, dtype=torch.float64) + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: loss(*inputs, weight=w), (weight,))
    total = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    loss(*inputs, denominator=total).backward()
    assert total.grad is not None
    torch.testing.assert_close(total.grad, -loss(*inputs, denominator=3.0) / 3)


@pytest.mark.parametrize("name", ["mse", "sup-con"])
def test_a_count_refuses_what_a_call_refuses(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: (predictions|embeddings) must be a floating point tensor"):
        losszoo.create(name).count(X.long(), torch.zeros(5).long())
