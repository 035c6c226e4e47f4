"""How forms of the table are written that take more than a line."""
