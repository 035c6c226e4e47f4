"""From embeddings to the scores of a block of pairs, and back to gradients."""
