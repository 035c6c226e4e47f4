import torch
import torch.nn.functional as F


def loss(logits, mask):
    p = logits.sigmoid()
    dice = (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
    return F.binary_cross_entropy_with_logits(logits, mask) + 1 - dice


def example():
    torch.manual_seed(0)
    return torch.randn(2, 1, 6, 6), (torch.rand(2, 1, 6, 6) > 0.5).float()
