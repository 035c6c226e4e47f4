"""The similarities of two rows by name; without torch, as `losszoo list` shows them."""

SIMILARITIES = ("euclidean", "squared-euclidean", "cosine", "dot")
