"""Trunks: shapes, options, and the periodic embedding against its formula taken apart."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from losszoo.errors import UnknownNameError, UsageError
from losszoo.training.models.trunks import TRUNKS, Trunk, build_trunk, trunk_options

TABLE = (10,)
IMAGES = [(1, 8, 8), (1, 4, 4), (3, 5, 7), (2, 16, 9), (1, 33, 4)]


@pytest.mark.parametrize("dim", [1, 5])
@pytest.mark.parametrize(
    ("name", "shape"),
    [("linear", TABLE), ("mlp", TABLE), ("plr", TABLE), ("linear", (1, 8, 8)), ("mlp", (1, 8, 8))]
    + [("conv", shape) for shape in IMAGES],
)
def test_features_of_a_row(name: str, shape: tuple[int, ...], dim: int) -> None:
    trunk = build_trunk(name, shape, dim=dim)
    assert trunk.dim == dim
    for rows in (0, 1, 3):
        features = trunk(torch.randn(rows, *shape))
        assert features.shape == (rows, dim)
    features.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trunk.parameters())


@pytest.mark.parametrize("shape", [*IMAGES, (2, 9), (1, 4, 6, 5)])
def test_features_of_every_pixel(shape: tuple[int, ...]) -> None:
    trunk = build_trunk("unet", shape, dim=3)
    assert trunk.dim == 3
    features = trunk(torch.randn(2, *shape))
    assert features.shape == (2, 3, *shape[1:])
    features.square().sum().backward()
    assert all(parameter.grad is not None for parameter in trunk.parameters())


def test_a_row_does_not_see_the_others() -> None:
    for name in TRUNKS:
        shape = TABLE if name == "plr" else (1, 8, 8)
        trunk, rows = build_trunk(name, shape), torch.randn(4, *shape)
        torch.testing.assert_close(trunk(rows)[2:3], trunk(rows[2:3]))


def test_a_unet_pixel_sees_its_surroundings() -> None:
    image = torch.randn(1, 1, 16, 16, requires_grad=True)
    build_trunk("unet", (1, 16, 16))(image)[0, :, 8, 8].sum().backward()
    assert image.grad is not None
    assert image.grad[0, 0, 8, 2].abs() > 0  # 6 pixels away: out of reach of the convolutions at full size


@pytest.mark.parametrize("numeric", [1, 7, 10, None])
def test_plr_follows_its_formula(numeric: int | None) -> None:
    torch.manual_seed(0)
    trunk = build_trunk("plr", TABLE, numeric, frequencies=5, width=3, dim=4).double()
    embedding, last = trunk.body[0], trunk.body[1]  # type: ignore[index]
    frequencies, shared = embedding.frequencies, embedding.shared
    inputs = torch.randn(6, 10, dtype=torch.float64)
    count = numeric or 10
    pieces = []
    for column in range(count):
        angles = 2 * math.pi * inputs[:, column : column + 1] * frequencies[column]
        pieces.append(torch.relu(shared(torch.cat([torch.cos(angles), torch.sin(angles)], 1))))
    expected = last(torch.cat([*pieces, inputs[:, count:]], 1))
    torch.testing.assert_close(trunk(inputs), expected)

    direction = torch.randn_like(expected)
    parameters = list(trunk.parameters())
    ours = torch.autograd.grad((trunk(inputs) * direction).sum(), parameters)
    theirs = torch.autograd.grad((expected * direction).sum(), parameters)  # torch's own derivatives of cos and sin
    torch.testing.assert_close(ours, theirs)


def test_plr_gradient_of_the_inputs() -> None:
    torch.manual_seed(0)
    trunk = build_trunk("plr", (3,), 2, frequencies=2, width=2, dim=2, scale=0.3).double()
    inputs = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(trunk, (inputs,))
    assert torch.autograd.gradgradcheck(trunk, (inputs,))


def test_plr_defaults_are_those_of_modern_nca() -> None:
    assert trunk_options("plr") == {"dim": 128, "width": 34, "frequencies": 77, "scale": 0.0443}
    torch.manual_seed(0)
    trunk = build_trunk("plr", TABLE, 7)
    sizes = sorted(tuple(parameter.shape) for parameter in trunk.parameters())
    assert sizes == [(7, 77), (34,), (34, 154), (128,), (128, 7 * 34 + 3)]
    frequencies = trunk.body[0].frequencies  # type: ignore[index]
    assert frequencies.std().item() == pytest.approx(0.0443, rel=0.1)


def test_dropout_only_in_training() -> None:
    trunk = build_trunk("mlp", TABLE, dropout=0.5)
    rows = torch.randn(4, 10)
    assert not torch.equal(trunk(rows), trunk(rows))
    trunk.eval()
    assert torch.equal(trunk(rows), trunk(rows))
    assert not any(isinstance(layer, nn.Dropout) for layer in build_trunk("mlp", TABLE).modules())


def test_mlp_of_no_hidden_layer_is_linear() -> None:
    assert sum(p.numel() for p in build_trunk("mlp", TABLE, depth=0).parameters()) == sum(
        p.numel() for p in build_trunk("linear", TABLE).parameters()
    )


def test_the_seed_decides() -> None:
    def weights() -> torch.Tensor:
        torch.manual_seed(3)
        return nn.utils.parameters_to_vector(build_trunk("plr", TABLE).parameters())

    assert torch.equal(weights(), weights())


def test_every_option_of_every_trunk_is_checked() -> None:
    for name in TRUNKS:
        assert "dim" in trunk_options(name)
        for option, default in trunk_options(name).items():
            with pytest.raises(UsageError, match=f"option {option} of trunk {name} must be"):
                build_trunk(name, (1, 8, 8), None, **{option: "many"})
            assert type(default) in (int, float)


def test_options_arrive() -> None:
    assert isinstance(build_trunk("mlp", TABLE, width=8, depth=3), Trunk)
    wide, deep = build_trunk("unet", (1, 8, 8), width=4), build_trunk("unet", (1, 8, 8), depth=3)
    assert sum(p.numel() for p in wide.parameters()) < sum(p.numel() for p in deep.parameters())


@pytest.mark.parametrize(
    ("error", "match", "arguments", "options"),
    [
        (UnknownNameError, r"trunk must be one of linear, .*, got 'conw'; did you mean conv\?", ("conw", TABLE), {}),
        (UnknownNameError, "one of linear, mlp, plr, conv, unet, got 'transformer'", ("transformer", TABLE), {}),
        (
            UnknownNameError,
            r"trunk mlp has no option 'widht'; did you mean width\?",
            ("mlp", TABLE),
            {"widht": 3},
        ),
        (
            UsageError,
            r"option dim of trunk linear must be in \[1, inf\), got 0",
            ("linear", TABLE),
            {"dim": 0},
        ),
        (UsageError, r"must be a whole number, got 2\.5", ("linear", TABLE), {"dim": 2.5}),
        (UsageError, "must be a whole number, got True", ("mlp", TABLE), {"depth": True}),
        (UsageError, r"must be in \[0, 1\), got 1", ("mlp", TABLE), {"dropout": 1}),
        (UsageError, r"must be in \(0, inf\), got 0", ("plr", TABLE), {"scale": 0}),
        (UsageError, r"plr must be tabular, of shape \(columns,\), got \(1, 8, 8\)", ("plr", (1, 8, 8)), {}),
        (UsageError, "numeric of trunk plr must be from 1 to 10 columns, got 0", ("plr", TABLE, 0), {}),
        (UsageError, "numeric of trunk plr must be from 1 to 10 columns, got 11", ("plr", TABLE, 11), {}),
        (UsageError, r"conv needs images .* got \(10,\)", ("conv", TABLE), {}),
        (UsageError, r"unet must have shape .* each side >= 4, .*\(1, 3, 8\)", ("unet", (1, 3, 8)), {}),
        (
            UsageError,
            "unet must leave a pixel of an image of 8 x 9, got 4",
            ("unet", (1, 8, 9)),
            {"depth": 4},
        ),
    ],
)
def test_errors(error: type[Exception], match: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    with pytest.raises(error, match=match):
        build_trunk(*arguments, **options)
