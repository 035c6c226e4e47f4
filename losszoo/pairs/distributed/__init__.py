"""Candidates from all processes of a distributed run: gathered at once, or passed around a ring."""
