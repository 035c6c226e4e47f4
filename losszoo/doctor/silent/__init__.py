"""Faults that leave every number finite: a loss that trains nothing, or something else than was meant."""
