"""What is read from the source of a plugin, without importing it."""
