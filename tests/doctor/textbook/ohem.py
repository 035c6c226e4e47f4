import torch
import torch.nn.functional as F


def loss(logits, labels, keep=0.5):
    ce = F.cross_entropy(logits, labels, reduction="none").flatten()
    k = max(1, int(keep * ce.numel()))
    return ce.topk(k).values.mean()


def example():
    torch.manual_seed(0)
    return torch.randn(2, 3, 6, 6), torch.randint(0, 3, (2, 6, 6))
