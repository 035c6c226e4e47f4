"""Networks, and how a batch passes through one."""
