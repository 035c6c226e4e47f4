"""How a loss is trained on a task."""
