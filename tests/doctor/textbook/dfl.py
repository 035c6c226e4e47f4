import torch
import torch.nn.functional as F


def loss(pred, label):
    left = label.long().clamp(max=pred.shape[1] - 2)
    w = label - left
    return (
        F.cross_entropy(pred, left, reduction="none") * (1 - w) + F.cross_entropy(pred, left + 1, reduction="none") * w
    ).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.rand(8) * 4.9
