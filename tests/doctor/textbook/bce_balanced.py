import torch
import torch.nn.functional as F


def loss(logits, targets):
    pos = targets.sum()
    neg = targets.numel() - pos
    weight = torch.where(targets > 0.5, neg, pos) / targets.numel()
    return (weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), (torch.rand(8, 4) > 0.5).float()
