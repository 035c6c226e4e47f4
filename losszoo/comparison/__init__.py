"""Many runs: the grid of losses, tasks and seeds, computed side by side, with nothing lost."""
