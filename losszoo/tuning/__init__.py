"""Settings of a loss and its training, searched on the validation rows of a task."""
