import torch
import torch.nn.functional as F


def loss(q, k, t=0.1):
    logits = F.normalize(q, dim=1) @ F.normalize(k, dim=1).T / t
    return F.cross_entropy(logits, torch.arange(len(q)))


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randn(8, 6)
