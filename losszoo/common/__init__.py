"""What every room may use: files, locks, processes, memory, seeds, HTML. Knows no loss and no run."""
