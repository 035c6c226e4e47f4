"""Tools for every room: files, locks, processes, memory, seeds, HTML. Knows no loss and no run."""
