"""What a task is, and how one is made from its name, its target or its class."""
