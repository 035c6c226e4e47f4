"""Sums of losses, and weights that follow the epoch."""
