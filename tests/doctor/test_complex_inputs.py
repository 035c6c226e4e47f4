"""Losses of complex tensors: spectra, phasors, quantum states."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import LONG
from torch import Tensor

import losszoo

Loss = Callable[[Tensor, Tensor], Tensor]


def spectra() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(4, 6, dtype=torch.complex64), torch.randn(4, 6, dtype=torch.complex64)


def examined(loss: Loss) -> losszoo.Examination:
    return losszoo.examine(loss, example=spectra, effort=1500, budget=LONG)


def phase(predicted: Tensor, target: Tensor) -> Tensor:
    return (torch.angle(predicted) - torch.angle(target)).abs().mean()


def phasors(predicted: Tensor, target: Tensor) -> Tensor:
    return (predicted / predicted.abs() - target / target.abs()).abs().square().mean()


def log_magnitude(predicted: Tensor, target: Tensor) -> Tensor:
    return (predicted.abs().log() - target.abs().log()).abs().mean()


def root_of_power(predicted: Tensor, target: Tensor) -> Tensor:
    sizes = [(x.real**2 + x.imag**2).sqrt() for x in (predicted, target)]
    return (sizes[0] - sizes[1]).square().mean()


def coherence(predicted: Tensor, target: Tensor) -> Tensor:
    together = (predicted * target.conj()).sum(1).abs()
    return 1 - (together / (predicted.abs().square().sum(1) * target.abs().square().sum(1)).sqrt()).mean()


@pytest.mark.parametrize("loss", [phase, phasors, log_magnitude, root_of_power, coherence])
def test_a_complex_zero_is_found(loss: Loss) -> None:
    found = examined(loss)
    assert found.verdict == "sick"
    assert str(found.findings[0].source).startswith("test_complex_inputs.py:")
    assert "complex64" in found.findings[0].paste


HEALTHY: list[Loss] = [
    lambda p, t: (p - t).abs().square().mean(),
    lambda p, t: (p - t).abs().mean(),
    lambda p, t: (p.real - t.real).square().mean() + (p.imag - t.imag).square().mean(),
    lambda p, t: (torch.view_as_real(p) - torch.view_as_real(t)).abs().mean(),
    lambda p, t: (p.abs() - t.abs()).square().mean(),
    lambda p, t: ((p.abs() + 1e-3).log() - (t.abs() + 1e-3).log()).abs().mean(),
    lambda p, t: ((p * p.conj()).real - (t * t.conj()).real).square().mean(),
    lambda p, t: 1 - (p * t.conj()).sum(1).real.mean() / 6,
    lambda p, t: (torch.fft.ifft(p) - torch.fft.ifft(t)).abs().square().mean(),
    lambda p, t: (p / (p.abs() + 1e-2) - t / (t.abs() + 1e-2)).abs().square().mean(),
    lambda p, t: torch.linalg.vector_norm(p - t, ord=1) / p.numel(),
    lambda p, t: ((p.real**2 + p.imag**2 + 1e-6).sqrt() - t.abs()).square().mean(),
    lambda p, t: torch.nn.functional.smooth_l1_loss(p.real, t.real),
    lambda p, t: (p.sum(1) - t.sum(1)).abs().square().mean(),
    lambda p, t: (p @ p.mH - t @ t.mH).abs().square().mean(),
]


@pytest.mark.parametrize("place", range(len(HEALTHY)))
def test_a_healthy_loss_of_complex_tensors_stays_healthy(place: int) -> None:
    assert not examined(HEALTHY[place]).findings
