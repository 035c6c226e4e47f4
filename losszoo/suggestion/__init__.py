"""Which losses fit a task: what its training rows show, and the losses that are made for it."""
