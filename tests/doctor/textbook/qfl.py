import torch
import torch.nn.functional as F


def loss(pred, score, beta=2.0):
    p = pred.sigmoid()
    return (F.binary_cross_entropy_with_logits(pred, score, reduction="none") * (score - p).abs().pow(beta)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.rand(8, 4)
