"""Gradients that do not arrive, or are not the derivative of the value."""
