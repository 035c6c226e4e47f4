"""Embeddings and labels on which losses over pairs break: duplicates, single rows, points far apart."""

import torch

HARD = {
    "duplicates": (torch.ones(6, 2), [0, 0, 1, 1, 2, 2]),
    "duplicates within": (torch.tensor([[0.0, 0.0]] * 3 + [[1.0, 0.0]] * 3), [0, 1, 0, 1, 0, 1]),
    "zero rows": (torch.zeros(4, 3), [0, 1, 1, 0]),
    "1e4 apart": (torch.tensor([[-1e4, 0.0], [1e4, 0.0], [0.0, 1e4], [0.0, 0.0]]), [0, 0, 1, 1]),
    "1e15 apart": (torch.tensor([[-1e15, 0.0], [1e15, 0.0], [0.0, 1e15], [0.0, 0.0]]), [0, 0, 1, 1]),
    "1e30 apart": (torch.tensor([[-1e30, 0.0], [1e30, 0.0], [0.0, 1e30], [0.0, 0.0]]), [0, 0, 1, 1]),
    "one class": (torch.randn(5, 2, generator=torch.Generator().manual_seed(0)), [3] * 5),
    "all classes of one": (torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), [0, 1, 2, 3]),
    "one of its own": (torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), [0, 0, 0, 1]),
    "one row": (torch.ones(1, 2), [0]),
    "no row": (torch.zeros(0, 2), []),
}
