"""Inputs to try: ordinary batches, edge cases, changes of them."""
