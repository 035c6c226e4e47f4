"""The loss under examination: what it is, which inputs it takes, what it costs."""
