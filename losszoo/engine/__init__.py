"""The pairwise engine: what one row does, streamed over blocks of the pair matrix."""
