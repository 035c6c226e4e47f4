"""How a loss is examined: where it breaks, why, on which smallest input, and what cures it."""
