"""How a loss is measured: time, peak memory, and whether its peers compute the same."""
