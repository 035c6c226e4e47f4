"""Fixed words of the language of losses, by themselves: `losszoo list` needs them, and nothing that reads them."""

SIMILARITIES = ("euclidean", "squared-euclidean", "cosine", "dot")
# Kinds of a schedule.
KINDS = ("linear", "cosine", "step", "constant")
# Values that are no strings.
WORDS = {"true": True, "false": False, "none": None}
