"""How a loss or a task is found. Nothing in this room imports torch."""
