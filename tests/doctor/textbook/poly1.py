import torch
import torch.nn.functional as F
from torch import nn


class Poly1(nn.Module):
    def __init__(self, eps=1.0):
        super().__init__()
        self.eps = eps

    def forward(self, logits, labels):
        ce = F.cross_entropy(logits, labels, reduction="none")
        return (ce + self.eps * (1 - torch.exp(-ce))).mean()


loss = Poly1(2.0)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randint(0, 5, (8,))
