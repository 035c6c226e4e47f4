"""A script in a process of its own, and what that process tells."""
