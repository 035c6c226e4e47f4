import torch
import torch.nn.functional as F


def loss(preds, targets):
    return sum(0.5**i * F.l1_loss(p, t) for i, (p, t) in enumerate(zip(preds, targets)))


def example():
    torch.manual_seed(0)
    return [torch.randn(2, 8), torch.randn(2, 4)], [torch.randn(2, 8), torch.randn(2, 4)]
