"""Formulas as a terminal shows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from losszoo import list_losses
from losszoo.cli.formula import in_unicode, prose_in_unicode

# Written by hand from the LaTeX.
FORMULAS = {
    "bce": "ℓ = -w t log σ(x) - (1 - t) log σ(-x)",
    "cross-entropy": "ℓ = -∑_c w_c ((1 - ε) q_c + ε/C) log p_c,  p = softmax(z)",
    "topk-softmax": "ℓ = -z_y + log ∑_(j∈topₖ(z)∪{y}) e^zⱼ",
    "sparsemax": "ℓ = ⟨p - q, z⟩ + ½ ‖q‖² - ½ ‖p‖²,  p = argmin_(p∈Δ) ‖p - z‖²",
    "focal": "ℓ = -αₜ (1 - pₜ)^γ log pₜ,  pₜ = σ((2t - 1) x)",
    "multiclass-hinge": "ℓ = max(0, m + max_(j≠y) zⱼ - z_y)",
    "triplet-semi-hard": "ℓᵢₚ = max(0, dᵢₚ - min_(n:dᵢₙ>dᵢₚ) dᵢₙ + m)",
    "sup-con": "ℓᵢ = -1/|Pᵢ| ∑_(p∈Pᵢ) log (e^(sᵢₚ/τ) / (∑_(j≠i) e^(sᵢⱼ/τ)))",
    "nca-ratio": "ℓᵢ = -log (Pᵢ^same/Pᵢ^diff)",
    "rmse": "ℓ = √(1/n ∑ᵢ (pᵢ - tᵢ)²)",
    "huber": "ℓ = { ½ e² if |e| ≤ δ; δ (|e| - ½ δ) if |e| > δ },  e = p - t",
    "log-cosh": "ℓ = log cosh (p - t)",
    "elastic-net": "ℓ = r ∑ⱼ |wⱼ| + (1 - r)/2 ∑ⱼ wⱼ²",
    "dice": "ℓ = 1 - (2 ∑ᵢ pᵢ tᵢ + s) / (∑ᵢ pᵢ + ∑ᵢ tᵢ + s),  p = σ(x)",
}
SPECS = {spec.name: spec for spec in list_losses()}


@pytest.mark.parametrize(("name", "shown"), FORMULAS.items())
def test_a_formula_is_one_line_of_unicode(name: str, shown: str) -> None:
    assert in_unicode(SPECS[name].formula) == shown


@pytest.mark.parametrize("name", SPECS)
def test_no_formula_is_garbled(name: str) -> None:
    spec = SPECS[name]
    for text in (in_unicode(spec.formula), prose_in_unicode(spec.description)):
        assert not re.search(r"[\\$&]", text)
        assert all(text.count(left) == text.count(right) for left, right in ("()", "⟨⟩", "{}", "[]"))
        # A norm has two; a divergence has one between its distributions.
        assert text.count("‖") % 2 == text.count("KL(") % 2
    assert spec.formula.startswith("\\ell")


@pytest.mark.parametrize("text", ["", r"\frac{", r"\frac", "}", r"a_", r"\begin{cases} a", r"\end{x}", r"\sqrt", r"\\"])
def test_latex_that_is_broken_is_shown_as_far_as_it_goes(text: str) -> None:
    assert "\n" not in in_unicode(text)


def test_a_terminal_without_unicode_is_shown_latex() -> None:
    command = [sys.executable, "-m", "losszoo", "info", "huber"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert r"\begin{cases}" in done.stdout
