"""One table: what every loss of the zoo must do, whatever its family."""

from __future__ import annotations

import copy
import inspect
import itertools
import pickle

import pytest
import torch
from torch import Tensor

import losszoo
from losszoo.contract.examples import example_inputs
from losszoo.registry.targets import resolve

SPECS = {spec.name: spec for spec in losszoo.list_losses(plugin="losszoo")}
STABLE = [name for name, spec in SPECS.items() if spec.status == "stable"]
SAMPLED = [name for name in STABLE if SPECS[name].signature != "penalty"]
# The root of a mean: parts of it do not add up.
FINISHED = ("rmse",)
# Every sample's value depends on who else is in the batch.
OVER_PAIRS = [name for name in SAMPLED if SPECS[name].signature in ("embedding", "views")]
ALONE = [name for name in SAMPLED if name not in OVER_PAIRS]


def batch(name: str, **how: object) -> tuple[object, ...]:
    spec = SPECS[name]
    return example_inputs(spec.signature, expects=spec.expects, **how)  # type: ignore[arg-type]


def floating(inputs: tuple[object, ...]) -> list[Tensor]:
    """The first input, or all for those that learn from several: what gets a gradient."""
    flat = list(inputs[0]) if isinstance(inputs[0], list) else list(inputs)
    return [x for x in flat if isinstance(x, Tensor) and x.is_floating_point()]


def rows_of(inputs: tuple[object, ...], rows: Tensor, signature: str) -> tuple[object, ...]:
    """Those samples only; the candidates of a ``neighbors`` loss stay."""
    if signature == "neighbors":
        queries, targets, candidates, candidate_targets, own = inputs
        return queries[rows], targets[rows], candidates, candidate_targets, own[rows]  # type: ignore[index]
    return tuple(x[rows] for x in inputs)  # type: ignore[index]


def gradient(loss: torch.nn.Module, inputs: tuple[object, ...], **how: object) -> tuple[Tensor, list[Tensor]]:
    leaves = [x.detach().clone().requires_grad_() for x in floating(inputs)]
    fresh = iter(leaves)
    copied = tuple(
        [next(fresh) for _ in x]
        if isinstance(x, list)
        else next(fresh)
        if isinstance(x, Tensor) and x.is_floating_point()
        else x
        for x in inputs
    )
    value = loss(*copied, **how)
    grads = torch.autograd.grad(value.sum(), leaves, allow_unused=True, materialize_grads=True)
    return value.detach(), list(grads)


@pytest.mark.parametrize("name", list(SPECS))
def test_an_ordinary_batch_has_a_finite_value_and_gradient(name: str) -> None:
    value, grads = gradient(losszoo.create(name), batch(name))
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert all(torch.isfinite(g).all() for g in grads)
    assert any((g != 0).any() for g in grads)


@pytest.mark.parametrize("name", list(SPECS))
def test_the_announced_parameters_are_those_of_the_function(name: str) -> None:
    spec = SPECS[name]
    target = resolve(spec.target)
    called = target.__init__ if inspect.isclass(target) else target
    keywords = {
        p.name: p.default
        for p in inspect.signature(called).parameters.values()
        if p.default is not p.empty and p.name not in ("mask", "own", "self")
    }
    row = getattr(target, "__losszoo_row__", None)
    if row is not None:
        keywords["similarity"] = row.similarity
        keywords |= {} if row.temperature is None else {"temperature": row.temperature}
        keywords |= {"symmetric": False} if spec.signature == "views" else {}
    assert {p.name: p.default for p in spec.params} == keywords


@pytest.mark.parametrize("name", list(SPECS))
def test_every_parameter_refuses_what_is_out_of_its_range(name: str) -> None:
    for param in SPECS[name].params:
        if param.range is None or param.type not in ("float", "int"):
            continue
        low, high = param.range
        for bad in (low - 1, high + 1):
            if abs(bad) != float("inf"):
                with pytest.raises(losszoo.UsageError, match=rf"{name}: {param.name} must be .*however: {param.name}="):
                    losszoo.create(name, **{param.name: type(param.default or 0.0)(bad)})


@pytest.mark.parametrize("name", STABLE)
def test_gradcheck(name: str) -> None:
    inputs = batch(name, rows=5, dim=3, dtype=torch.float64, seed=3)
    loss = losszoo.create(name).double()
    if SPECS[name].signature == "penalty":
        tensors = tuple(x.requires_grad_() for x in inputs[0])  # type: ignore[attr-defined]
        assert torch.autograd.gradcheck(lambda *ts: loss(list(ts)), tensors)
        return
    first, *rest = inputs
    assert torch.autograd.gradcheck(lambda x: loss(x, *rest), (first.requires_grad_(),))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SAMPLED)
def test_sum_and_mean_are_those_of_the_unreduced_values(name: str) -> None:
    inputs = batch(name)
    none, total, mean = (losszoo.create(name, reduction=r)(*inputs) for r in ("none", "sum", "mean"))
    if name in FINISHED:
        none, total, mean = none**2, total**2, mean**2
    torch.testing.assert_close(none.sum(), total)
    torch.testing.assert_close(total / losszoo.create(name).count(*inputs), mean)


@pytest.mark.parametrize("name", ALONE)
def test_weight_two_is_the_sample_twice(name: str) -> None:
    inputs = batch(name)
    loss, size = losszoo.create(name), 6
    weight = torch.ones(size)
    weight[2] = 2
    twice = rows_of(inputs, torch.tensor([0, 1, 2, 2, 3, 4, 5]), SPECS[name].signature)
    torch.testing.assert_close(loss(*inputs, weight=weight), loss(*twice))


@pytest.mark.parametrize("name", SAMPLED)
def test_weight_zero_and_mask_are_absence_with_nan_there_too(name: str) -> None:
    inputs = batch(name)
    spec, loss = SPECS[name], losszoo.create(name)
    keep = torch.tensor([True, True, False, True, True, True])
    expected, expected_grads = gradient(loss, rows_of(inputs, keep, spec.signature))
    own = 4 if spec.signature == "neighbors" else 0
    spoiled = list(inputs)
    for place, value in enumerate(inputs):
        if isinstance(value, Tensor) and value.is_floating_point() and not (own and place >= 2):
            spoiled[place] = value.clone()
            spoiled[place][2] = torch.nan
    value, grads = gradient(loss, tuple(spoiled), mask=keep)
    torch.testing.assert_close(value, expected)
    for grad, other in zip(grads, expected_grads, strict=True):
        if grad.shape[0] == 6:
            assert (grad[2] == 0).all()
            torch.testing.assert_close(grad[keep], other)
    if name in ALONE:
        torch.testing.assert_close(loss(*inputs, weight=keep.float()), expected)


@pytest.mark.parametrize("name", [name for name in ALONE if name not in FINISHED])
def test_micro_batches_with_one_denominator_are_the_whole_batch(name: str) -> None:
    inputs, spec, loss = batch(name), SPECS[name], losszoo.create(name)
    parts = [rows_of(inputs, rows, spec.signature) for rows in (torch.arange(2), torch.arange(2, 6))]
    denominator = sum(loss.count(*part) for part in parts)
    torch.testing.assert_close(sum(loss(*part, denominator=denominator) for part in parts), loss(*inputs))


@pytest.mark.parametrize(("name", "how"), list(itertools.product(SAMPLED, ("masked", "absent"))))
def test_the_empty_policy(name: str, how: str) -> None:
    inputs, spec = batch(name), SPECS[name]
    nobody = torch.zeros(6, dtype=torch.bool)
    extra = {"mask": nobody} if how == "masked" else {}
    given = inputs if how == "masked" else rows_of(inputs, nobody, spec.signature)
    value, grads = gradient(losszoo.create(name), given, **extra)
    assert value == 0
    assert all((g == 0).all() for g in grads)
    assert losszoo.create(name, empty="nan")(*given, **extra).isnan()
    with pytest.raises(losszoo.UsageError, match="something to reduce"):
        losszoo.create(name, empty="raise")(*given, **extra)


@pytest.mark.parametrize("name", STABLE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    inputs = batch(name, dtype=dtype)
    loss = losszoo.create(name)
    widened = tuple(
        [t.float() for t in x]
        if isinstance(x, list)
        else x.float()
        if isinstance(x, Tensor) and x.is_floating_point()
        else x
        for x in inputs
    )
    value, expected = loss(*inputs), loss(*widened)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(*widened), expected)


@pytest.mark.parametrize("name", STABLE)
def test_double_stays_double(name: str) -> None:
    value = losszoo.create(name).double()(*batch(name, dtype=torch.float64))
    assert value.dtype == torch.float64
    torch.testing.assert_close(value.float(), losszoo.create(name)(*batch(name)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLED)
def test_order_strides_and_copies_change_nothing(name: str) -> None:
    inputs, spec, loss = batch(name), SPECS[name], losszoo.create(name)
    expected = loss(*inputs)
    before = [x.clone() if isinstance(x, Tensor) else x for x in inputs]
    shuffled = rows_of(inputs, torch.tensor([3, 0, 5, 1, 4, 2]), spec.signature)
    torch.testing.assert_close(loss(*shuffled), expected)
    strided = tuple(torch.stack([x, x], -1)[..., 0] if isinstance(x, Tensor) else x for x in inputs)
    torch.testing.assert_close(loss(*strided), expected)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(*inputs), expected)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True) if isinstance(a, Tensor))


EXTREMES = (1e4, -1e4, 1e-30)
SCALED = [name for name in STABLE if SPECS[name].expects == "logits"]  # probabilities have no scale
EMBEDDED = [n for n in STABLE if SPECS[n].signature in ("embedding", "pair", "triplet", "views", "neighbors")]


@pytest.mark.parametrize(("name", "scale"), list(itertools.product(SCALED, EXTREMES)))
def test_extreme_scales_stay_finite(name: str, scale: float) -> None:
    spec = SPECS[name]
    inputs = batch(name)
    scaled = tuple(
        [t * scale for t in x]
        if isinstance(x, list)
        else x * scale
        if place in (0, 2) or spec.signature in ("triplet", "views")
        else x
        for place, x in enumerate(inputs)
    )
    if spec.signature == "pair":
        scaled = (inputs[0] * scale, inputs[1] * scale, inputs[2])  # type: ignore[operator]
    if "combiner" in spec.tags:
        scaled = ([abs(t) for t in scaled[0]],)
    value, grads = gradient(losszoo.create(name), scaled)
    assert torch.isfinite(value)
    assert all(torch.isfinite(g).all() for g in grads)


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("how", ["duplicates", "zero rows", "one class", "all different", "one row", "two rows"])
def test_degenerate_embeddings_stay_finite(name: str, how: str) -> None:
    spec = SPECS[name]
    inputs = list(batch(name))
    for place, x in enumerate(inputs):
        if isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 2:
            inputs[place] = x[:1].repeat(len(x), 1) if how == "duplicates" else x * 0 if how == "zero rows" else x
        elif isinstance(x, Tensor) and not x.is_floating_point() and place != 4:
            inputs[place] = x * 0 if how == "one class" else torch.arange(len(x)) if how == "all different" else x
    if how in ("one row", "two rows"):
        inputs = list(rows_of(tuple(inputs), torch.arange(1 if how == "one row" else 2), spec.signature))
    value, grads = gradient(losszoo.create(name), tuple(inputs))
    assert torch.isfinite(value)
    assert all(torch.isfinite(g).all() for g in grads)


@pytest.mark.parametrize("name", STABLE)
def test_compiles_as_one_graph(name: str) -> None:
    torch._dynamo.reset()
    loss, inputs = losszoo.create(name), batch(name)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    expected, grads = gradient(loss, inputs)
    value, compiled_grads = gradient(compiled, inputs)
    torch.testing.assert_close(value, expected)
    for grad, other in zip(compiled_grads, grads, strict=True):
        torch.testing.assert_close(grad, other)


@pytest.mark.parametrize("name", SAMPLED)
def test_compiles_as_one_graph_with_mask_and_weight(name: str) -> None:
    torch._dynamo.reset()
    loss, inputs = losszoo.create(name), batch(name)
    how = {"mask": torch.tensor([True, True, False, True, True, True]), "weight": torch.arange(1.0, 7.0)}
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*inputs, **how), loss(*inputs, **how))


@pytest.mark.parametrize("name", SAMPLED)
def test_ten_steps_downhill_lower_the_loss(name: str) -> None:
    inputs = batch(name)
    start = inputs[0].detach().clone().requires_grad_()  # type: ignore[attr-defined]
    loss = losszoo.create(name)
    link = {"probabilities": torch.sigmoid, "log-probabilities": lambda x: torch.log_softmax(x, 1)}.get(
        SPECS[name].expects, lambda x: x
    )
    optimizer = torch.optim.SGD([start], lr=0.05)
    first = last = loss(link(start), *inputs[1:])
    for _ in range(10):
        optimizer.zero_grad()
        last.backward()
        optimizer.step()
        last = loss(link(start), *inputs[1:])
    assert last < first


def test_every_exhibit_names_a_stable_twin_that_agrees_with_it() -> None:
    exhibits = [spec for spec in SPECS.values() if spec.status == "exhibit"]
    assert {spec.name for spec in exhibits} == {"softmax-nll-eps", "nca-ratio", "nca-epsilon"}
    for spec in exhibits:
        twin = SPECS[spec.stable_twin or ""]
        assert twin.status == "stable"
        inputs = batch(spec.name, dtype=torch.float64)
        torch.testing.assert_close(
            losszoo.create(spec.name)(*inputs), losszoo.create(twin.name)(*inputs), rtol=1e-6, atol=1e-6
        )
