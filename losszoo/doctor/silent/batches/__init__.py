"""Losses that mix the rows of a batch by mistake: told by trials of other batches."""
